"""What was recorded comes back bit for bit, and what is not whole is said in one line."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from ebmc_core.modality import Modality
from stream.errors import SinkError, SourceError
from stream.inbox import Arrival, Heard, Passed, Tick
from stream.recording import PICTURES, SOUND, Recorder
from stream.records import AudioFrame, VideoFrame
from stream.sources.replay import ReplaySource, header_of, recorded

BOTH = frozenset({Modality.AUDIO, Modality.VIDEO})
SIZES = [(48, 64, 3), (31, 17, 3), (1, 1, 3)]  # it changes on the way, as a browser's does


def arrivals() -> list[Arrival]:
    rng = np.random.default_rng(0)
    found: list[Arrival] = []
    for n in range(30):
        at = round(n * 0.02 + 1e-6, 6)
        found.append(Arrival(AudioFrame(at, rng.standard_normal(320 + n).astype(np.float32)), at, busy=n % 7 == 0))
        image = rng.integers(0, 256, SIZES[n // 10], np.uint8)
        found += [Arrival(VideoFrame(at, image), at), Arrival(Passed(at), at, pending=n % 3)]
        found += [Arrival(Heard(), at), Arrival(Tick(), at)]
    return found


def keep(folder: Path, what: list[Arrival]) -> Path:
    with Recorder(folder) as recorder:
        take = recorder.stream("cam/1", BOTH)
        for arrival in what:
            take(arrival)
    return folder / "cam_1"


def test_every_record_comes_back_bit_for_bit(tmp_path: Path) -> None:
    before = arrivals()
    folder = keep(tmp_path / "session", before)
    assert header_of(folder) == ("cam/1", BOTH)
    assert ReplaySource(folder).name == "cam/1"
    with ExitStack() as files:
        after = list(recorded(folder, files))
    assert [(type(a.record), a.at, a.busy, a.pending) for a in after] == [
        (type(b.record), b.at, b.busy, b.pending) for b in before
    ]
    for left, right in zip(before, after, strict=True):
        match left.record, right.record:
            case AudioFrame() as one, AudioFrame() as other:
                assert one.pts == other.pts
                np.testing.assert_array_equal(one.samples, other.samples)
            case VideoFrame() as one, VideoFrame() as other:
                assert one.pts == other.pts
                np.testing.assert_array_equal(one.image, other.image)
            case one, other:
                assert one == other


def test_a_folder_that_is_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(SinkError, match="not an empty folder"):
        Recorder(tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "precious"


@pytest.mark.parametrize("part", [SOUND, PICTURES.format(1)])
def test_a_recording_without_part_of_its_media_is_not_whole(tmp_path: Path, part: str) -> None:
    folder = keep(tmp_path / "session", arrivals())
    (folder / part).unlink()
    with ExitStack() as files, pytest.raises(SourceError, match="not whole"):
        list(recorded(folder, files))


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="cannot be written"), Recorder(tmp_path / "file" / "below") as recorder:
        recorder.stream("cam", BOTH)
