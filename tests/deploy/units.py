"""Unit files and environment files of systemd, as far as the tests look into them."""

import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

TARGETS = ("sysinit", "basic", "shutdown", "network-online", "sound", "multi-user")
NEWER = ("RestartSteps", "RestartMaxDelaySec")  # known from systemd 254 on; before it they are passed over, and said


def entries(text: str) -> list[tuple[str, str, str]]:
    """Section, key, value of each line, in order."""
    section, found = "", []
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            found.append((section, key, value))
    return found


def values(text: str, key: str) -> list[str]:
    """All values of a key."""
    return [value for _, name, value in entries(text) if name == key]


def value(text: str, key: str) -> str:
    """The value of a key that stands there once."""
    (only,) = values(text, key)
    return only


def environment(text: str) -> dict[str, str]:
    """What an `EnvironmentFile` sets."""
    pairs = (line.partition("=") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: shlex.split(value)[0] if value else "" for name, _, value in pairs}


def exec_start(text: str, command: str) -> list[str]:
    """The words after the program's own name, `$COMMAND` put in as systemd does: split at spaces, quotes heeded."""
    words = value(text, "ExecStart").split()
    at = words.index("$COMMAND")
    return [*words[1:at], *shlex.split(command), *words[at + 1 :]]


def verify(root: Path, unit: str) -> list[str]:
    """What `systemd-analyze verify` says of a unit below a root, other than what older versions say of newer keys."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not here; on Debian and Ubuntu: the package systemd")
    folder = root / "etc/systemd/system"
    for target in TARGETS:
        (folder / f"{target}.target").write_text("[Unit]\nDefaultDependencies=no\n")
    said = run([analyze, "verify", f"--root={root}", "--man=no", unit])
    return [line for line in said.splitlines() if not any(f"'{key}'" in line for key in NEWER)]


def run(command: Sequence[str | Path]) -> str:
    """What a command says on both channels; its exit code is added as a line when it is not 0."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout + done.stderr + (f"exit code {done.returncode}\n" if done.returncode else "")
