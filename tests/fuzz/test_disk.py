"""What lies on a disk to which somebody else, or a fault, has written: recordings and spilled events."""

import json
import shutil
import sqlite3
from collections import Counter
from contextlib import ExitStack, closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebmc_core.modality import Modality
from stream.errors import SinkError, SourceError
from stream.inbox import Arrival, Heard, Mark, Passed, Tick
from stream.kafka.address import Address
from stream.kafka.message import message_from
from stream.kafka.spill import Spill, open_spill
from stream.recording import RECORDS, SOUND, Recorder
from stream.records import AudioFrame, VideoFrame
from stream.sources.replay import ReplaySource, recorded
from tests.fuzz.hostile import json_texts, mutated
from tests.fuzz.profile import fuzzed, taken
from tests.stream.events import event

BOTH = frozenset({Modality.AUDIO, Modality.VIDEO})
WHERE = Address(("localhost:9092",), "sentiment")


def arrivals() -> list[Arrival]:
    image = np.full((24, 32, 3), 7, np.uint8)
    sound = np.linspace(-1, 1, 512, dtype=np.float32)
    return [
        Arrival(AudioFrame(0.0, sound), 0.1),
        Arrival(VideoFrame(0.02, image), 0.11, busy=True),
        Arrival(AudioFrame(0.032, sound), 0.12, pending=2),
        Arrival(Passed(0.05), 0.13),
        Arrival(Heard(), 0.14),
        Arrival(VideoFrame(0.06, image), 0.15),
        Arrival(Tick(), 0.2),
        Arrival(Mark(0.5), 0.6),
    ]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded") / "all"
    with Recorder(folder) as recorder:
        keep = recorder.stream("cam-1", BOTH)
        for arrival in arrivals():
            keep(arrival)
    return folder / "cam-1"


def played(folder: Path) -> list[Arrival]:
    source = ReplaySource(folder)
    source.name.encode()
    with ExitStack() as files:
        return list(recorded(folder, files))


def test_a_recording_that_is_written_is_read(recording: Path) -> None:
    for one, two in zip(played(recording), arrivals(), strict=True):
        assert (one.at, one.busy, one.pending, type(one.record)) == (two.at, two.busy, two.pending, type(two.record))


@fuzzed(60)
@given(st.data())
def test_a_recording_is_played_or_is_not_whole(recording: Path, tmp_path: Path, data: st.DataObject) -> None:
    lines = (recording / RECORDS).read_bytes().splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    lines[at] = data.draw(json_texts(json.loads(lines[at])))
    folder = _copied(recording, tmp_path)
    (folder / RECORDS).write_bytes(b"\n".join(lines) + b"\n")
    _check(taken(lambda: played(folder), SourceError))


@fuzzed(60)
@given(st.data())
def test_the_media_of_a_recording_may_be_damaged(recording: Path, tmp_path: Path, data: st.DataObject) -> None:
    folder = _copied(recording, tmp_path)
    name = data.draw(st.sampled_from([path.name for path in sorted(recording.iterdir())]))
    (folder / name).write_bytes(data.draw(mutated((recording / name).read_bytes())))
    if data.draw(st.integers(0, 9)) == 0:
        (folder / SOUND).unlink()
    _check(taken(lambda: played(folder), SourceError))


def _check(found: list[Arrival] | None) -> None:
    for arrival in found or ():
        assert arrival.at is None or abs(arrival.at) < 2**40
        assert isinstance(arrival.busy, bool) and arrival.pending >= 0
        match arrival.record:
            case AudioFrame(pts, samples):
                assert abs(pts) < 2**40 and samples.dtype == np.float32
            case VideoFrame(pts) | Passed(pts) | Mark(pts):
                assert abs(pts) < 2**40
            case _:
                pass
    times = [0.0, *(arrival.at for arrival in found or () if arrival.at is not None)]
    assert all(two - one < 90_000 for one, two in pairwise(times)), "no million windows at once"


def _copied(folder: Path, tmp_path: Path) -> Path:
    shutil.rmtree(tmp_path / "copy", ignore_errors=True)
    return Path(shutil.copytree(folder, tmp_path / "copy"))


@pytest.fixture(scope="module")
def spilled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a spill with three events in it."""
    folder = tmp_path_factory.mktemp("spilled")
    with closing(open_spill(folder, WHERE, 1e9, 1e9)) as spill:
        spill.write([(place, message_from(event(place), "run", 1.0)) for place in range(1, 4)])
    (path,) = folder.glob("*.sqlite")
    return path


@fuzzed(40)
@given(st.data())
def test_a_damaged_spill_is_read_or_refused(spilled: Path, tmp_path: Path, data: st.DataObject) -> None:
    shutil.rmtree(tmp_path / "spill", ignore_errors=True)
    (tmp_path / "spill").mkdir()
    damaged = tmp_path / "spill" / spilled.name.replace(".0.", ".5.")  # that of another process, which has ended
    damaged.write_bytes(data.draw(mutated(spilled.read_bytes(), 8)))
    _emptied(tmp_path / "spill")


@fuzzed(40)
@given(
    st.lists(
        st.tuples(*[st.none() | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=9) | st.text(max_size=9)] * 5),
        min_size=1,
        max_size=3,
    )
)
def test_a_spill_with_rows_that_nobody_wrote(spilled: Path, tmp_path: Path, rows: list[Any]) -> None:
    shutil.rmtree(tmp_path / "spill", ignore_errors=True)
    (tmp_path / "spill").mkdir()
    path = tmp_path / "spill" / spilled.name
    shutil.copy(spilled, path)
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        for row in rows:
            try:
                file.execute(
                    "INSERT INTO waiting (key, value, headers, timestamp_ms, size) VALUES (?, ?, ?, ?, ?)", row
                )
            except (sqlite3.Error, UnicodeEncodeError):
                continue
    _emptied(tmp_path / "spill")


def _emptied(folder: Path) -> None:
    """Open a spill, read it, drop what is old: all of it may fail as a disk does, and in no other way."""
    spill = taken(lambda: open_spill(folder, WHERE, 1e9, 1e9), SinkError)
    if spill is None:
        return
    with closing(spill):
        found = taken(lambda: spill.read(0, 100), sqlite3.Error) or []
        for _, message in found:
            assert isinstance(message.key, bytes) and isinstance(message.value, bytes) and message.size >= 0
            message.stream.encode()
        dropped = taken(lambda: spill.trim(1e12, 0), sqlite3.Error)
        assert dropped is None or isinstance(dropped, Counter)


def test_the_file_of_a_spill_is_for_its_owner_alone(tmp_path: Path) -> None:
    with closing(Spill(tmp_path / "spill.sqlite", 1e9, 1e9)) as spill:
        spill.write([(1, message_from(event(), "run", 1.0))])
        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
