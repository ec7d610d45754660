"""What the first release wrote is read, and what is written now it can read. The frozen files are never changed."""

import base64
import json
import re
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ebmc_core.modality import Modality
from stream.chunks.chunk import Chunk, ChunkError, chunk_from
from stream.chunks.progress import Commit, PartitionProgress, commit_from
from stream.kafka.address import Address
from stream.kafka.message import Message
from stream.kafka.spill import open_spill

FROZEN = Path(__file__).parent / "frozen"
ROOT = Path(__file__).parents[2]
BOTH = frozenset({Modality.AUDIO, Modality.VIDEO})
NOW = [
    Chunk("cam-1", "c2cd96d54cc44158a966973de611d46b", 42, BOTH, 42.0, 43.0, b"\x00\x01media", origin=1777636757.5),
    Chunk(
        "cämera / 1", "run", 7, frozenset({Modality.AUDIO}), 7.0, 7.25, b"", True, content_type="video/x-matroska"
    ),
]  # fmt: skip


def frozen() -> list[dict[str, Any]]:
    return json.loads((FROZEN / "chunk-1.0.json").read_text("utf-8"))


def read(record: dict[str, Any], *more: tuple[str, bytes]) -> Chunk:
    headers = [(name, value.encode()) for name, value in record["headers"]]
    return chunk_from(record["key"].encode(), base64.b64decode(record["value"]), [*headers, *more])


def test_a_chunk_of_the_first_release_is_read() -> None:
    assert [read(record) for record in frozen()] == NOW


def test_a_header_that_is_new_is_ignored() -> None:
    assert read(frozen()[0], ("ebmc_camera", b"front")) == NOW[0]


def test_a_worker_of_the_first_release_finds_its_headers() -> None:
    for record, chunk in zip(frozen(), NOW, strict=True):
        now = {name: value.decode() for name, value in chunk.dated(1777636800123)}
        assert {name: now.get(name) for name, _ in record["headers"]} == dict(record["headers"])


def test_another_version_and_a_kind_of_media_that_is_not_known_are_dead_letters() -> None:
    for header, value, cause in (("schema", "ebmc.chunk/2", "schema"), ("ebmc_kinds", "audio,depth", "headers")):
        record = frozen()[0]
        record["headers"] = [(name, value if name == header else said) for name, said in record["headers"]]
        with pytest.raises(ChunkError) as refused:
            read(record)
        assert refused.value.cause == cause


def test_a_commit_of_the_first_release_is_read() -> None:
    said = json.loads((FROZEN / "commit-1.0.json").read_text())
    expected = Commit(41, 45, {"3f9c0a1b2c": 83, "a94f21be07": -1})
    assert commit_from(said["offset"], said["metadata"]) == expected
    newer = json.dumps(json.loads(said["metadata"]) | {"model": "live-en-3"})
    assert commit_from(said["offset"], newer) == expected


def test_a_worker_of_the_first_release_reads_what_is_committed_now() -> None:
    one = PartitionProgress(Commit(0, 0, {}), lambda index: index * 0.5)
    for offset in range(6):
        one.take(offset, "3f9c0a1b2c", offset + 1.0)
        one.read(offset)
    one.write("3f9c0a1b2c", 3)
    now = one.commit()
    found = json.loads(now.metadata)
    assert found["done"] == 6
    assert found["written"] == {"3f9c0a1b2c": 3}
    assert len(now.metadata.encode()) < 4096, "brokers take no more"


@pytest.mark.parametrize("text", ["", "nonsense", "[]", '{"done": 5}', '{"done": null, "written": {}}'])
def test_metadata_that_says_nothing_means_that_windows_come_again(text: str) -> None:
    assert commit_from(41, text) == Commit(41, 41, {})


def test_what_waits_on_disk_since_the_first_release_is_sent(tmp_path: Path) -> None:
    address = Address(("b:9092", "a:9092"), "media")
    where = sha256(b"a:9092,b:9092").hexdigest()[:8]  # the file of other brokers is not ours
    with closing(sqlite3.connect(tmp_path / f"media-{where}.0.sqlite")) as file:
        file.executescript((FROZEN / "spill-1.0.sql").read_text())
    with closing(open_spill(tmp_path, address, 1e9, 1e9)) as spill:
        assert [message for _, message in spill.read(0, 10)] == [
            Message(b"cam-1", b"\x00\x01\xff", (("schema", b"ebmc.chunk/1"), ("ebmc_run", b"c2cd\xe9")), 1777636800123),
            Message(b"cam-1", b"", (), 1777636801123),
        ]
        assert spill.count == 2


def test_the_page_names_tests_that_there_are() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "upgrades.md").read_text("utf-8")))
    there = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) >= 8
    assert not [name for name in named if f"def {name}(" not in there]
