"""Records of the chunk topic, the commits of its group, dead letters: whatever is in them, a worker goes on."""

import dataclasses
import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebmc_core.modality import Modality
from stream.chunks.chunk import LONGEST, Chunk, ChunkError, chunk_from
from stream.chunks.dead_topic import Entry
from stream.chunks.letters import DeadLetter, given_up, letter_from
from stream.chunks.listing import Row, table_of
from stream.chunks.progress import MOST, Commit, PartitionProgress, commit_from
from tests.fuzz.hostile import header_values, headers_like, json_texts, texts, values
from tests.fuzz.profile import fuzzed, taken

GOOD = Chunk(
    "cam-1", "run-1", 7, frozenset(Modality(kind) for kind in ("audio", "video")), 7.0, 8.0, b"media", origin=1.5
)
KEYS = st.none() | st.binary(max_size=20) | texts().map(lambda text: text.encode("utf-8", "replace"))
LETTER = DeadLetter("media", 1, 42, b"cam-1", b"v", GOOD.headers, "codec", "there is no decoder", 2, 1.7e9)


@fuzzed(150)
@given(KEYS, st.none() | st.binary(max_size=9), headers_like(GOOD.headers, ["ebmc_origin"]))
def test_a_record_is_a_chunk_or_is_refused(key: bytes | None, value: bytes | None, headers: Any) -> None:
    chunk = taken(lambda: chunk_from(key, value, headers), ChunkError)
    if chunk is None:
        return
    assert 0 <= chunk.start <= chunk.end <= chunk.start + LONGEST
    assert 0 <= chunk.sequence < 2**63
    assert chunk_from(chunk.stream.encode(), chunk.media, chunk.headers) == chunk


@fuzzed(40)
@given(
    texts().filter(lambda text: text.isprintable() and text),
    st.integers(0, 2**63 - 1),
    st.floats(0, 2.0**39),
    st.floats(0, LONGEST / 2),
    st.none() | st.floats(-(2.0**39), 2.0**39),
    st.booleans(),
)
def test_a_chunk_that_is_written_is_read(
    stream: str, sequence: int, start: float, length: float, origin: float | None, last: bool
) -> None:
    changes = {"stream": stream, "sequence": sequence, "start": start, "end": start + length}
    chunk = dataclasses.replace(GOOD, **changes, origin=origin, last=last)
    assert chunk_from(stream.encode(), chunk.media, chunk.dated(0)) == chunk


@fuzzed(80)
@given(json_texts({"done": 45, "written": {"0123456789": 83}}), st.integers(0, 2**62))
def test_a_commit_says_something_or_nothing(metadata: bytes, offset: int) -> None:
    commit = commit_from(offset, metadata.decode("utf-8", "replace"))
    assert commit.offset == offset
    assert len(commit.metadata) <= MOST
    assert all(-1 <= index < 2**63 for index in (commit.done, *commit.written.values()))
    progress = PartitionProgress(commit, lambda index: index * 0.5 - 4)
    progress.take(offset, "new", 1.0)
    progress.write("new", 0)
    assert len(progress.commit().metadata) <= MOST


@fuzzed(30)
@given(st.dictionaries(st.text("0123456789abcdef", min_size=10, max_size=10), st.integers(0, 2**40), max_size=400))
def test_a_commit_that_is_written_is_read(written: dict[str, int]) -> None:
    found = commit_from(3, Commit(3, 9, written).metadata)
    assert found.done == 9
    assert found.written.items() <= written.items()
    assert len(found.written) == len(written) or len(written) > 100


@fuzzed(80)
@given(KEYS, st.none() | st.binary(max_size=9), headers_like(LETTER.headers), st.sampled_from([-1, 0, 2**62, 1700]))
def test_a_letter_is_shown_whatever_it_holds(key: bytes | None, value: bytes | None, headers: Any, at: int) -> None:
    record: Any = SimpleNamespace(
        topic="media", partition=1, offset=42, key=key, value=value, headers=headers, timestamp=at
    )
    letter = letter_from(record)
    entry = Entry(0, 1, at / 1000, key, value, tuple(headers), letter, len(value or b""))
    row = Row.of(entry)
    assert row.words.isprintable() and row.stream.isprintable() and row.run.isprintable()
    json.dumps(row.as_dict(), allow_nan=False).encode()
    table_of([row])
    again = given_up(record, ChunkError("media", "its media cannot be read"), 1.0)
    assert letter_from(SimpleNamespace(**vars(record) | {"headers": again.headers, "topic": "media.dlq"}))
    if letter:
        assert all(isinstance(name, str) for name, _ in letter.again)


@pytest.mark.parametrize("name", [name for name, _ in GOOD.headers])
def test_a_header_without_a_value_is_refused_or_not_needed(name: str) -> None:
    """Kafka allows a header whose value is null."""
    headers: Any = [(each, None if each == name else value) for each, value in GOOD.headers]
    taken(lambda: chunk_from(b"cam-1", b"", headers), ChunkError)


@fuzzed(50)
@given(header_values())
def test_numbers_in_headers(value: bytes) -> None:
    for name in ("ebmc_sequence", "ebmc_start", "ebmc_end", "ebmc_origin"):
        taken(lambda name=name: chunk_from(b"cam-1", b"", [*GOOD.headers, (name, value)]), ChunkError)


@fuzzed(50)
@given(values())
def test_what_is_no_commit_says_nothing(document: Any) -> None:
    text = json.dumps(document)
    if not isinstance(document, dict):
        assert commit_from(5, text) == Commit(5, 5, {})
