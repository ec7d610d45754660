"""Downloads from a real server on this machine: resumed, tried again, checked, and one line when they cannot be had."""

import hashlib
import os
import zipfile
from pathlib import Path

import pytest

from ebmc_core.errors import DataError
from stream.datasets.archive import LARGEST, opened_archive, read_member
from stream.datasets.dataset import RemoteFile
from stream.datasets.download import download
from stream.transfer import PAUSES
from tests.stream.web import Web

CONTENT = bytes(range(256)) * 8000  # 2 MB
NOWHERE = "http://127.0.0.1:9/file.bin"  # nothing listens on the discard port


def remote(*addresses: str, content: bytes = CONTENT) -> RemoteFile:
    return RemoteFile("file.bin", addresses, len(content), f"sha256:{hashlib.sha256(content).hexdigest()}")


def test_a_file_arrives_checked_and_is_not_asked_for_again(web: Web, tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    file = remote(web.put("file.bin", CONTENT))
    path = download(file, tmp_path, lambda *words: told.append(words))
    assert path == tmp_path / "file.bin" and path.read_bytes() == CONTENT
    assert told[-1] == (2048, 2048, "kB of file.bin")
    assert download(file, tmp_path) == path
    assert web.asked == ["/file.bin"] and list(tmp_path.iterdir()) == [path]


def test_a_broken_line_is_resumed_where_it_broke(web: Web, tmp_path: Path) -> None:
    web.cuts += [700_000, 500_000]
    waited: list[float] = []
    path = download(remote(web.put("file.bin", CONTENT)), tmp_path, pause=waited.append)
    assert path.read_bytes() == CONTENT and web.sent == len(CONTENT)
    assert web.asked == ["/file.bin", "/file.bin bytes=700000-", "/file.bin bytes=1200000-"]
    assert waited == list(PAUSES[:2])


def test_a_later_run_resumes_too(web: Web, tmp_path: Path) -> None:
    web.cuts += [300_000, 0, 0, 0]
    file = remote(web.put("file.bin", CONTENT))
    with pytest.raises(DataError, match="the line broke after 300000 of 2048000 bytes"):
        download(file, tmp_path, pause=lambda seconds: None)
    assert (tmp_path / "file.bin.0.part").stat().st_size == 300_000
    assert download(file, tmp_path).read_bytes() == CONTENT
    assert web.asked[-1] == "/file.bin bytes=300000-" and web.sent == len(CONTENT)


def test_a_server_without_ranges_is_asked_for_all_of_it(web: Web, tmp_path: Path) -> None:
    web.ranges = False
    web.cuts.append(700_000)
    path = download(remote(web.put("file.bin", CONTENT)), tmp_path, pause=lambda seconds: None)
    assert path.read_bytes() == CONTENT


def test_the_rest_of_another_version_is_thrown_away(web: Web, tmp_path: Path) -> None:
    (tmp_path / "file.bin.0.part").write_bytes(b"x" * (len(CONTENT) + 1))
    path = download(remote(web.put("file.bin", CONTENT)), tmp_path, pause=lambda seconds: None)
    assert path.read_bytes() == CONTENT


def test_other_content_than_expected_is_refused_and_removed(web: Web, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has sha256 .*, expected .*not kept") as refusal:
        download(remote(web.put("file.bin", b"something else")), tmp_path)
    assert "\n" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


def test_a_busy_server_is_asked_again_and_a_missing_file_is_not(web: Web, tmp_path: Path) -> None:
    web.codes += [503, 429]
    waited: list[float] = []
    download(remote(web.put("file.bin", CONTENT)), tmp_path, pause=waited.append)
    assert len(web.asked) == 3 and waited == list(PAUSES[:2])
    with pytest.raises(DataError, match="HTTP 404"):
        download(remote(f"{web.address}/gone.bin"), tmp_path / "other", pause=waited.append)
    assert len(web.asked) == 4


def test_the_next_address_is_tried_when_one_fails(web: Web, tmp_path: Path) -> None:
    file = remote(NOWHERE, f"{web.address}/gone.bin", web.put("file.bin", CONTENT))
    assert download(file, tmp_path).read_bytes() == CONTENT


def test_what_two_addresses_gave_is_never_joined(web: Web, tmp_path: Path) -> None:
    web.cuts += [1000, 0, 0, 0]
    file = remote(web.put("first.bin", b"another version" * 1000), web.put("file.bin", CONTENT))
    assert download(file, tmp_path, pause=lambda seconds: None).read_bytes() == CONTENT
    assert web.asked[-1] == "/file.bin" and [path.name for path in tmp_path.iterdir()] == ["file.bin"]


def test_offline_is_one_line_that_says_what_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refusal:
        download(remote(NOWHERE), tmp_path)
    line = str(refusal.value)
    assert NOWHERE in line and f"put it at {tmp_path / 'file.bin'}" in line and "\n" not in line
    (tmp_path / "file.bin").write_bytes(CONTENT)  # as the line says
    assert download(remote(NOWHERE), tmp_path).read_bytes() == CONTENT


def test_a_wrong_file_that_a_person_put_there_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(b"something else")
    with pytest.raises(DataError, match="remove it"):
        download(remote(NOWHERE), tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == b"something else"


def test_a_full_disk_is_one_line(web: Web, tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    (tmp_path / "file.bin.0.part").symlink_to("/dev/full")
    with pytest.raises(DataError, match="No space left on device; make room there or name another --data") as refusal:
        download(remote(web.put("file.bin", CONTENT)), tmp_path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "..\\x", "C:\\x", "\\\\host\\x"])
def test_an_archive_that_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("good/a..b.txt", "good")
        archive.writestr(name, "bad")
    with pytest.raises(DataError, match="leads outside"), opened_archive(tmp_path / "bad.zip"):
        pytest.fail("it was opened")


def test_a_damaged_archive_and_a_giant_in_it_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "some.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("giant", bytes(LARGEST + 1))
        archive.writestr("small", CONTENT)
    with opened_archive(path) as archive:
        assert read_member(archive, "small") == CONTENT
        with pytest.raises(DataError, match=r"giant in .* is larger than 64 MB"):
            read_member(archive, "giant")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="no whole zip file"), opened_archive(path):
        pytest.fail("it was opened")
