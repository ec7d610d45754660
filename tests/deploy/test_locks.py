"""The locks hold what pyproject.toml asks for, each with hashes, and a stream needs nothing that they leave out."""

import json
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from scripts.lock import BUILD, FOLDER, LOCKS, pins, requirements
from tests.deploy.as_locked import absent, normal
from tests.stream.shortened import shortened

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.mark.parametrize("name", LOCKS)
def test_every_dependency_is_locked_in_a_version_that_fits_or_left_out_by_name(name: str) -> None:
    lock, locked = LOCKS[name], pins(LOCKS[name].path)
    for wanted in requirements(_asked(lock.extras), lock):
        package = normal(wanted.name)
        if package in lock.without:
            assert package not in locked
        else:
            assert Version(locked[package]) in wanted.specifier, f"{package} {locked[package]} is not {wanted}"
    assert set(lock.besides) <= set(locked)


@pytest.mark.parametrize("name", LOCKS)
def test_what_the_locked_packages_need_is_locked_too(name: str) -> None:
    lock, locked = LOCKS[name], pins(LOCKS[name].path)
    known = 0
    for package, version in locked.items():
        try:
            here = metadata.distribution(package)
        except metadata.PackageNotFoundError:
            continue
        if here.version != version:
            continue
        known += 1
        for wanted in requirements(here.requires or (), lock):
            needed = normal(wanted.name)
            if needed not in lock.without:
                assert needed in locked, f"{package} needs {wanted}"
                assert Version(locked[needed]) in wanted.specifier or wanted.specifier.contains(locked[needed], True)
    if not known:
        pytest.skip("no package is installed here in the version of the lock")


@pytest.mark.parametrize("path", [*(lock.path for lock in LOCKS.values()), BUILD], ids=lambda path: path.stem)
def test_every_pin_has_hashes_and_no_index_is_named(path: Path) -> None:
    text = path.read_text("utf-8")
    blocks = re.split(r"\n(?=[a-z0-9])", text.partition("\n")[2])
    assert len(blocks) == len(pins(path)) > 4
    for block in blocks:
        assert re.match(r"[a-z0-9.-]+==\S+ \\\n( +--hash=sha256:[0-9a-f]{64}( \\)?\n)+", block + "\n"), block[:80]
    assert not re.search(r"(?m)://|^\s*-(-index|-extra|-find|i |f )|@ ", text)


def test_no_lock_is_forgotten() -> None:
    assert {path.stem for path in FOLDER.glob("*")} == {*LOCKS, "build"}


def test_all_images_run_the_same_versions() -> None:
    seen: dict[str, str] = {}
    for lock in LOCKS.values():
        for package, version in pins(lock.path).items():
            assert seen.setdefault(package, version) == version, f"{package} in {lock.name}"


def test_the_image_for_a_cpu_has_nothing_of_torch() -> None:
    heavy = re.compile(r"torch|torchaudio|transformers|onnx|onnxscript|onnx-ir|triton|nvidia-.*|cuda-.*|sympy")
    assert [package for package in pins(LOCKS["cpu"].path) if heavy.fullmatch(package)] == []
    assert absent("cpu") >= {"torch", "torchaudio", "transformers", "onnx", "onnxscript"} & _installed()


def test_a_stream_runs_with_only_what_the_image_has(clip: Path, tmp_path: Path) -> None:
    shortened(clip, 5.0, short := tmp_path / "short.mp4")
    events = tmp_path / "events.jsonl"
    others = (  # what the other verbs and sinks of the image import
        "import stream.server.serving, stream.chunks.ingest, stream.chunks.worker, stream.chunks.replay\n"
        "import stream.client, stream.sinks.timeline, stream.sinks.kafka, stream.kafka.registry, stream.cli\n"
    )
    _as_locked("cpu", f"{others}stream.cli.main()", "run", short, "--sink", f"jsonl:{events}", "--log", "json")
    told = [json.loads(line) for line in events.read_text("utf-8").splitlines()]
    assert len(told) > 2
    assert {event["engine"]["backend"] for event in told} == {"onnxruntime-cpu"}
    assert any(event["trust"]["video"] > 0 for event in told)
    assert any(event["transcript"]["words"] for event in told)


def test_what_converts_models_imports_with_only_what_their_stage_has() -> None:
    code = "import stream.features.sentence_graph, onnxscript, transformers.models.bert.modeling_bert, stream.cli\n"
    _as_locked("models-x86_64", f"{code}stream.cli.main()", "models", "list")
    assert pins(LOCKS["models-aarch64"].path) == pins(LOCKS["models-x86_64"].path)


def _as_locked(lock: str, code: str, *words: object) -> str:
    command = [sys.executable, "-m", "tests.deploy.as_locked", lock, code, *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def _asked(extras: tuple[str, ...]) -> list[str]:
    """The dependencies of ebmc-stream with these extras; an extra that names another brings that."""
    asked = list(PROJECT["dependencies"])
    waiting = list(extras)
    while waiting:
        for line in PROJECT["optional-dependencies"][waiting.pop()]:
            own = re.fullmatch(r"ebmc-stream\[(\w+)\]", line)
            waiting += [own.group(1)] if own else []
            asked += [] if own else [line]
    return asked


def _installed() -> set[str]:
    return set(metadata.packages_distributions())
