"""Media into chunks and back: nothing is lost at a seam, and what is no chunk is refused whatever it is."""

import io
import itertools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from ebmc_core.modality import Modality
from stream.chunks.chunk import Chunk, ChunkError, chunk_from
from stream.chunks.copying import copied
from stream.chunks.cutting import Cutter
from stream.chunks.reading import ChunkReader
from stream.records import AudioFrame, Frame, VideoFrame
from tests.chunks.poison import poison
from tests.stream.feeds import frames_of

BOTH = frozenset({Modality.AUDIO, Modality.VIDEO})


@pytest.fixture(scope="module")
def film(clip: Path) -> list[Frame]:
    return frames_of(clip)


@pytest.fixture(scope="module")
def chunks(film: list[Frame]) -> list[Chunk]:
    cutter = Cutter("cam-1", "run", BOTH, 1.0, 5.0)
    return [*(chunk for frame in film for chunk in cutter.push(frame)), *cutter.finish()]


def read(chunks: Sequence[Chunk]) -> list[Frame]:
    reader = ChunkReader(10)
    return [*(frame for chunk in chunks for frame in reader.frames(chunk)), *reader.rest()]


def sound(frames: Sequence[Frame]) -> np.ndarray:
    return np.concatenate([frame.samples for frame in frames if isinstance(frame, AudioFrame)])


def pictures(frames: Sequence[Frame]) -> list[VideoFrame]:
    return [frame for frame in frames if isinstance(frame, VideoFrame)]


def check_row(chunks: Sequence[Chunk]) -> None:
    assert [chunk.sequence for chunk in chunks] == list(range(len(chunks)))
    assert all(one.end == two.start for one, two in itertools.pairwise(chunks))
    assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[0].start == 0.0


def test_frames_that_are_encoded_come_back(film: list[Frame], chunks: list[Chunk]) -> None:
    check_row(chunks)
    back = read(chunks)
    assert [one.pts for one in pictures(back)] == [one.pts for one in pictures(film)]
    assert np.abs(sound(back) - sound(film)).max() < 1e-4
    apart = [np.abs(a.image.astype(int) - b.image).mean() for a, b in zip(pictures(back), pictures(film), strict=True)]
    assert np.median(apart) < 2.0  # of 255


def test_each_chunk_can_be_read_alone(chunks: list[Chunk]) -> None:
    for chunk in chunks[:-1]:
        found = pictures(ChunkReader(10).frames(chunk))
        assert len(found) == 10
        assert all(chunk.start <= frame.pts < chunk.end for frame in found)


def test_headers_come_back(chunks: list[Chunk]) -> None:
    for chunk in chunks:
        again = chunk_from(chunk.stream.encode(), chunk.media, chunk.dated(0))
        assert again == chunk


def remade(clip: Path, path: Path) -> Path:
    """The clip with a key frame each second, pictures that need later ones, and AAC."""
    with av.open(str(clip)) as source, av.open(str(path), "w") as target:
        picture = target.add_stream("libx264", rate=24, options={"bf": "2", "g": "24", "sc_threshold": "0"})
        picture.width, picture.height, picture.pix_fmt = 360, 288, "yuv420p"
        voice = target.add_stream("aac", rate=16_000, layout="mono")
        for frame in source.decode(video=0, audio=0):
            if frame.pts is None or float(frame.pts * Fraction(frame.time_base or 1)) >= 8.0:
                continue
            if isinstance(frame, av.VideoFrame):
                frame.pict_type = 0
            target.mux((picture if isinstance(frame, av.VideoFrame) else voice).encode(frame))
        for stream in (picture, voice):
            target.mux(stream.encode(None))
    return path


def test_packets_that_are_copied_come_back_to_the_bit(clip: Path, tmp_path: Path) -> None:
    path = remade(clip, tmp_path / "keyed.mp4")
    found = list(copied(path, "cam-1", "run", 1.0) or ())
    check_row(found)
    assert len(found) >= 7
    back, film = read(found), frames_of(path)
    assert [one.pts for one in pictures(back)] == [one.pts for one in pictures(film)]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(pictures(back), pictures(film), strict=True))
    assert np.array_equal(sound(back), sound(film))
    assert sum(len(chunk.media) for chunk in found) < 1.3 * path.stat().st_size


def test_long_groups_of_pictures_are_not_copied(clip: Path) -> None:
    assert copied(clip, "cam-1", "run", 1.0) is None


def test_one_kind_that_lags_is_not_waited_for_for_ever(film: list[Frame]) -> None:
    cutter = Cutter("cam-1", "run", BOTH, 1.0, 2.0)
    found = [chunk for frame in film if isinstance(frame, AudioFrame) for chunk in cutter.push(frame)]
    assert found[0].end == 1.0
    assert cutter.push(pictures(film)[0]) == []
    assert cutter.late == 1


def test_a_hundred_kinds_of_poison_are_refused(chunks: list[Chunk]) -> None:
    kinds = poison(chunks[3])
    assert len({name for name, *_ in kinds}) >= 100
    for name, key, value, headers in kinds:
        with pytest.raises(ChunkError):
            ChunkReader(10).frames(chunk_from(key, value, headers))
            pytest.fail(f"{name} was taken")


def test_media_that_holds_far_more_than_it_says_is_refused(chunks: list[Chunk]) -> None:
    lies = Chunk("cam-1", "run", 0, BOTH, 0.0, 1.0, _minutes())
    with pytest.raises(ChunkError, match="far more"):
        ChunkReader(10).frames(lies)


def _minutes() -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=48_000, layout="mono")
        for n in range(100):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 48_000), np.int16), format="s16", layout="mono")
            frame.rate, frame.pts = 48_000, n * 48_000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def test_media_that_nobody_can_decode_is_refused() -> None:
    media = _pictures(64, 64, 10)
    assert len(ChunkReader(10).frames(Chunk("cam-1", "run", 0, BOTH, 0.0, 1.0, media))) == 10
    unknown = media.replace(b"V_MJPEG", b"V_XJPEG")
    with pytest.raises(ChunkError, match="no decoder"):
        ChunkReader(10).frames(Chunk("cam-1", "run", 0, BOTH, 0.0, 1.0, unknown))


def test_pictures_that_would_fill_the_memory_are_refused() -> None:
    small = Chunk("cam-1", "run", 0, BOTH, 0.0, 2.0, _pictures(4096, 4096, 20))
    assert len(small.media) < 20e6
    with pytest.raises(ChunkError, match="memory"):
        ChunkReader(10).frames(small)


def _pictures(width: int, height: int, count: int) -> bytes:
    """Black pictures, ten a second, in Matroska."""
    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p"
        for _ in range(count):
            frame = av.VideoFrame(width, height, "yuvj420p")
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


@pytest.mark.parametrize("phase", [0.0996, 0.0998, 0.0001, 0.05])
def test_frames_at_the_very_end_of_a_chunk_are_not_lost(phase: float) -> None:
    tone = [AudioFrame(round(phase + n / 10, 6), np.full(1600, 0.1, np.float32)) for n in range(50)]
    images = [VideoFrame(round(phase + n / 10, 6), np.zeros((16, 16, 3), np.uint8)) for n in range(50)]
    cutter = Cutter("cam-1", "run", BOTH, 1.0, 5.0)
    frames: list[Frame] = sorted([*tone, *images], key=lambda frame: frame.pts)
    back = read([*(chunk for frame in frames for chunk in cutter.push(frame)), *cutter.finish()])
    assert len(sound(back)) == len(sound(tone))
    assert len(pictures(back)) == 50


def test_a_file_that_is_cut_off_is_not_copied_as_if_it_were_whole(clip: Path, tmp_path: Path) -> None:
    whole, short = tmp_path / "whole.mka", tmp_path / "short.mka"
    with av.open(str(clip)) as source, av.open(str(whole), "w", format="matroska") as target:
        voice = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.size:
                packet.stream = voice
                target.mux(packet)
    short.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert copied(whole, "cam-1", "run", 1.0) is not None
    assert copied(short, "cam-1", "run", 1.0) is None


def test_an_origin_that_is_no_time_is_refused(chunks: list[Chunk]) -> None:
    for wrong in (b"nan", b"inf", b"-inf"):
        with pytest.raises(ChunkError, match="origin"):
            chunk_from(b"cam-1", b"", [*chunks[0].headers, ("ebmc_origin", wrong)])
