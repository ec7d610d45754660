"""What the documents of the installation tell to type, held against the program and the installer."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from stream.cli import app
from tests.deploy.fakes import INSTALL, Host
from tests.deploy.program import DEPLOY, parse
from tests.deploy.systems import jetson, linux

DOCUMENTS = (DEPLOY / "jetson" / "README.md", DEPLOY.parent / "docs" / "systemd.md")
VERBS = [command.name for command in app.registered_commands] + [group.name for group in app.registered_groups]
CALL = re.compile(rf"(?<![\w@.-])ebmc ((?:{'|'.join(filter(None, VERBS))})\b[^`|&;\n]*)")
BLOCK, INLINE = re.compile(r"^```\n(.*?)^```", re.DOTALL | re.MULTILINE), re.compile(r"`([^`\n]+)`")


def snippets(path: Path) -> list[str]:
    """Lines of code blocks, and code in the text."""
    text = path.read_text()
    blocks = [line for block in BLOCK.findall(text) for line in block.splitlines()]
    return blocks + INLINE.findall(BLOCK.sub("", text).replace("\n", " "))


def calls() -> list[str]:
    return [call.strip() for path in DOCUMENTS for line in snippets(path) for call in CALL.findall(line)]


def installations() -> list[str]:
    lines = [line for path in DOCUMENTS for line in snippets(path) if "deploy/jetson/install.sh" in line]
    return [line.split("install.sh", 1)[1].split("   #")[0] for line in lines]


def test_there_are_commands() -> None:
    assert len(calls()) >= 6 and len(installations()) >= 6, (calls(), installations())


@pytest.mark.parametrize("call", calls())
def test_the_program_takes_what_the_documents_say(call: str) -> None:
    parse(shlex.split(call))


@pytest.mark.skipif(sys.platform != "linux", reason="bash and GNU tools: Linux")
@pytest.mark.parametrize("options", installations())
def test_the_installer_takes_what_the_documents_say(options: str, tmp_path: Path) -> None:
    words = shlex.split(options)
    if "--any-linux" in words:
        host = Host(linux(tmp_path / "root"), tmp_path / "bin", tensorrt="", gpu=False)
    elif "--python" in words:
        host = Host(jetson(tmp_path / "root", 36, "4.3"), tmp_path / "bin", python="3.11", tensorrt="")
    else:
        host = Host(jetson(tmp_path / "root", 39, "2.0"), tmp_path / "bin")
    done = host.install("--dry-run", *words)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text()):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_options_in_the_text_are_options(path: Path) -> None:
    script = INSTALL.read_text()
    for option in re.findall(r"^(--[a-z-]+)$", "\n".join(snippets(path)), re.MULTILINE):
        known = option in script or option in {"--sink", "--metrics", "--no-block"}
        assert known, option
