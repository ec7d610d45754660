"""Files that are copied into chunks, beside those of `test_chunks.py`: B-frames in Matroska, a kind that lags."""

from pathlib import Path

import av
import numpy as np
import pytest

from stream.chunks.copying import copied
from stream.chunks.reading import ChunkReader
from stream.records import AudioFrame, Frame, VideoFrame
from tests.chunks.films import remade
from tests.stream.feeds import frames_of


def read(chunks: object) -> list[Frame]:
    reader = ChunkReader(10)
    return [*(frame for chunk in chunks for frame in reader.frames(chunk)), *reader.rest()]  # type: ignore[attr-defined]


@pytest.mark.parametrize("ending", ["mkv", "mp4", "ts"])
def test_pictures_that_need_later_ones_come_back_to_the_bit(clip: Path, tmp_path: Path, ending: str) -> None:
    """Matroska does not tell when they are decoded, and its first packets have no decoding time at all."""
    path = remade(clip, tmp_path / f"film.{ending}")
    found = copied(path, "cam-1", "run", 1.0)
    assert found is not None
    chunks = list(found)
    assert len(chunks) >= 5
    back, film = read(chunks), frames_of(path)
    images, expected = ([f for f in frames if isinstance(f, VideoFrame)] for frames in (back, film))
    assert [one.pts for one in images] == pytest.approx([one.pts for one in expected], abs=0.002)
    assert all(np.array_equal(one.image, two.image) for one, two in zip(images, expected, strict=True))
    sound, heard = (sum(len(f.samples) for f in frames if isinstance(f, AudioFrame)) for frames in (back, film))
    assert sound == pytest.approx(heard, abs=1600)
    assert found.late == 0


def test_a_kind_that_comes_far_behind_the_other_is_not_waited_for(clip: Path, tmp_path: Path) -> None:
    """A file with all of its pictures first and its sound after them, as some programs write it."""
    path = apart(remade(clip, tmp_path / "film.mp4"), tmp_path / "apart.nut")
    waited, hasty = (copied(path, "cam-1", "run", 1.0, lateness) for lateness in (60.0, 2.0))
    assert waited is not None
    assert hasty is not None
    whole, torn = read(waited), read(hasty)
    assert (waited.late, hasty.late > 0) == (0, True)
    sound, less = (
        sum(len(f.samples) for f in frames if isinstance(f, AudioFrame)) / 16_000 for frames in (whole, torn)
    )
    assert sound == pytest.approx(6.0, abs=0.2)
    assert 1.0 < less < 4.5
    assert sum(isinstance(f, VideoFrame) for f in whole) == sum(isinstance(f, VideoFrame) for f in torn)


def apart(path: Path, target: Path) -> Path:
    """The same packets, pictures first; the container is told not to sort them."""
    with av.open(str(path)) as source, av.open(str(target), "w", options={"max_interleave_delta": "1"}) as out:
        streams = {one.index: out.add_stream_from_template(one) for one in source.streams}
        packets = [packet for packet in source.demux() if packet.size]
        for packet in sorted(packets, key=lambda packet: packet.stream_index):
            packet.stream = streams[packet.stream_index]
            out.mux_one(packet)
    return target
