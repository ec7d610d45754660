"""Pieces of a download that were fetched at different times, and the version that they belong to."""

import hashlib
from pathlib import Path

import pytest

from stream.transfer import TransferError, transfer
from tests.stream.web import Web

CONTENT = bytes(range(256)) * 8000  # 2 MB
NEWER = CONTENT[::-1]


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def no_pause(seconds: float) -> None: ...


def broken_off(web: Web, part: Path, after: int, tag: str | None = None) -> str:
    """The address of a file whose first `after` bytes are in `part`, after four tries that failed."""
    address = web.put("file.bin", CONTENT)
    if tag:
        web.tags["/file.bin"] = tag
    web.cuts += [after, 0, 0, 0]
    with pytest.raises(TransferError, match="the line broke"):
        transfer(address, part, digest(CONTENT), pause=no_pause)
    assert part.read_bytes() == CONTENT[:after]
    web.asked.clear()
    return address


def test_the_same_version_is_resumed(web: Web, tmp_path: Path) -> None:
    part = tmp_path / "part"
    transfer(broken_off(web, part, 300_000, '"one"'), part, digest(CONTENT))
    assert part.read_bytes() == CONTENT and web.asked == ["/file.bin bytes=300000-"]
    assert [path.name for path in tmp_path.iterdir()] == ["part"], "what was noted of the version is gone too"


def test_a_file_that_has_changed_is_fetched_from_its_beginning(web: Web, tmp_path: Path) -> None:
    part = tmp_path / "part"
    address = broken_off(web, part, 300_000, '"one"')
    web.files["/file.bin"], web.tags["/file.bin"] = NEWER, '"two"'
    transfer(address, part, digest(NEWER))
    assert part.read_bytes() == NEWER and len(web.asked) == 1, "If-Range asks for all of another version at once"


def test_a_server_that_passes_over_if_range_is_found_out_by_its_tag(web: Web, tmp_path: Path) -> None:
    part = tmp_path / "part"
    address = broken_off(web, part, 300_000, '"one"')
    web.files["/file.bin"], web.tags["/file.bin"], web.if_range = NEWER, '"two"', False
    transfer(address, part, digest(NEWER), pause=no_pause)
    assert part.read_bytes() == NEWER and web.asked == ["/file.bin bytes=300000-", "/file.bin"]


@pytest.mark.parametrize("tag", [None, 'W/"one"'])
def test_without_a_strong_tag_the_checksum_finds_a_wrong_joint_and_one_new_beginning_mends_it(
    web: Web, tmp_path: Path, tag: str | None
) -> None:
    part = tmp_path / "part"
    address = broken_off(web, part, 300_000, tag)
    web.files["/file.bin"] = NEWER
    transfer(address, part, digest(NEWER), pause=no_pause)
    assert part.read_bytes() == NEWER and web.asked == ["/file.bin bytes=300000-", "/file.bin"]


def test_a_new_beginning_is_made_once(web: Web, tmp_path: Path) -> None:
    part = tmp_path / "part"
    address = broken_off(web, part, 300_000)
    web.files["/file.bin"] = NEWER
    with pytest.raises(TransferError, match=r"expected .* not kept"):
        transfer(address, part, digest(b"neither"), pause=no_pause)
    assert len(web.asked) == 2 and list(tmp_path.iterdir()) == []


def test_a_part_that_is_whole_is_not_asked_for_again(web: Web, tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.write_bytes(CONTENT)
    transfer(web.put("file.bin", CONTENT), part, digest(CONTENT))
    assert web.asked == []


@pytest.mark.parametrize("address", ["no address", "http://some host/x", "http://127.0.0.1:port/x", "ftp-ish://x/y"])
def test_what_is_no_address_is_one_line(tmp_path: Path, address: str) -> None:
    with pytest.raises(TransferError) as refusal:
        transfer(address, tmp_path / "part", pause=no_pause)
    assert "\n" not in str(refusal.value) and str(refusal.value)
