"""Containers with faults, through FFmpeg as files and chunks are read."""

import dataclasses
import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebmc_core.modality import Modality
from stream.chunks.chunk import Chunk, ChunkError
from stream.chunks.cutting import Cutter
from stream.chunks.reading import HELD, ChunkReader
from stream.errors import SourceError
from stream.records import AudioFrame, Frame, VideoFrame
from stream.sources.converting import SoundConverter
from stream.sources.file import open_media
from stream.sources.recording import Recording
from tests.fuzz.hostile import mutated
from tests.fuzz.profile import fuzzed, taken

KINDS = frozenset({Modality.AUDIO, Modality.VIDEO})
FORMATS = {
    "mp4": ("mpeg4", "aac"),
    "matroska": ("mjpeg", "pcm_s16le"),
    "mpegts": ("mpeg2video", "mp2"),
    "wav": ("", "pcm_s16le"),
}
MOST = 4_000  # frames; the whole ones have twenty


def container(name: str) -> bytes:
    """Half a second of noise and of grey pictures."""
    out, dice = io.BytesIO(), np.random.default_rng(5)
    picture, voice = FORMATS[name]
    with av.open(out, "w", format=name) as target:
        sound = target.add_stream(voice, rate=16_000, layout="mono")
        video: Any = target.add_stream(picture, rate=25) if picture else None
        if video:
            video.width, video.height = 64, 48
            video.pix_fmt = "yuvj420p" if picture == "mjpeg" else "yuv420p"
            for number in range(12):
                image = np.full((48, 64, 3), number * 9, np.uint8)
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                target.mux(video.encode(frame))
            target.mux(video.encode(None))
        format = "fltp" if voice == "aac" else "s16"
        for number in range(8):
            noise = dice.integers(-9_000, 9_000, (1, 1_000)).astype(np.int16)
            samples = noise.astype(np.float32) / 32_768 if format == "fltp" else noise
            heard = av.AudioFrame.from_ndarray(samples, format=format, layout="mono")
            heard.sample_rate, heard.pts, heard.time_base = 16_000, number * 1_000, Fraction(1, 16_000)
            target.mux(sound.encode(heard))
        target.mux(sound.encode(None))
    return out.getvalue()


WHOLE = {name: container(name) for name in FORMATS}


def frames_of(path: Path) -> list[Frame]:
    recording = Recording(str(path), open_media(path), 30.0)
    found: list[Frame] = []
    try:
        for frame in recording.frames():
            found.append(frame)
            assert len(found) < MOST
    finally:
        recording.close()
    return found


def check(found: list[Frame]) -> None:
    """Event times are times, and rise per kind."""
    for kind in (AudioFrame, VideoFrame):
        times = [frame.pts for frame in found if isinstance(frame, kind)]
        assert np.isfinite(times).all() and times == sorted(times)


@pytest.mark.parametrize("name", FORMATS)
def test_the_whole_ones_are_read(name: str, tmp_path: Path) -> None:
    (tmp_path / "media").write_bytes(WHOLE[name])
    assert len(frames_of(tmp_path / "media")) >= 5


@pytest.mark.parametrize("name", FORMATS)
@fuzzed(60)
@given(data=st.data())
def test_a_damaged_file_gives_frames_or_is_refused(name: str, tmp_path: Path, data: st.DataObject) -> None:
    (tmp_path / "media").write_bytes(data.draw(mutated(WHOLE[name], 8)))
    check(taken(lambda: frames_of(tmp_path / "media"), SourceError, own=True) or [])


@pytest.mark.parametrize("name", FORMATS)
@fuzzed(40)
@given(data=st.data())
def test_a_damaged_chunk_gives_frames_or_is_refused(name: str, data: st.DataObject) -> None:
    chunk = Chunk("cam-1", "run", 0, KINDS, 0.0, 1.0, data.draw(mutated(WHOLE[name], 8)))
    reader = ChunkReader(30.0)
    found = taken(lambda: [*reader.frames(chunk), *reader.rest()], ChunkError) or []
    check(found)
    assert sum(frame.image.nbytes for frame in found if isinstance(frame, VideoFrame)) <= HELD


@fuzzed(25)
@given(st.data())
def test_one_damaged_chunk_costs_no_other(data: st.DataObject) -> None:
    sound = [AudioFrame(number * 0.1, np.full(1_600, 0.1, np.float32)) for number in range(40)]
    cutter = Cutter("cam-1", "run", frozenset({Modality.AUDIO}), 1.0, 5.0)
    chunks = [*(chunk for frame in sound for chunk in cutter.push(frame)), *cutter.finish()]
    reader = ChunkReader(10.0)
    found: list[Frame] = []
    for chunk in chunks:
        media = data.draw(mutated(chunk.media)) if chunk.sequence == 1 else chunk.media
        found += (
            taken(lambda chunk=chunk, media=media: reader.frames(dataclasses.replace(chunk, media=media)), ChunkError)
            or []
        )
    found += reader.rest()
    check(found)
    assert sum(len(frame.samples) for frame in found if isinstance(frame, AudioFrame) and frame.pts >= 2.0) > 28_000


def sound_at(rate: int, samples: int = 16_000) -> bytes:
    """A NUT file whose one packet of sound claims this rate."""
    out = io.BytesIO()
    with av.open(out, "w", format="nut") as target:
        stream = target.add_stream("pcm_s16le", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.ones((1, samples), np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        target.mux(stream.encode(frame))
    return out.getvalue()


@pytest.mark.parametrize("rate", [1, 100, 999, 768_001, 1_000_000_007, 2**31 - 1])
def test_sound_of_one_sample_a_second_is_not_made_sixteen_thousand(rate: int, tmp_path: Path) -> None:
    """Sixteen thousand samples would need a gigabyte."""
    chunk = Chunk("cam-1", "run", 0, frozenset({Modality.AUDIO}), 0.0, 1.0, sound_at(rate))
    with pytest.raises(ChunkError, match=r"samples a second|cannot be read"):
        ChunkReader(10.0).frames(chunk)
    (tmp_path / "media.nut").write_bytes(chunk.media)
    assert not taken(lambda: frames_of(tmp_path / "media.nut"), SourceError, own=True)


@pytest.mark.parametrize("rate", [2**31 - 1, 1_000_000_007])
def test_sound_that_cannot_be_resampled_costs_no_sound_after_it(rate: int) -> None:
    converter = SoundConverter(160, steered=False)
    for at, each in enumerate((16_000, rate, 16_000, 16_000)):
        frame = av.AudioFrame.from_ndarray(np.ones((1, 1_600), np.int16), format="s16", layout="mono")
        frame.sample_rate = each
        found = list(converter.push(at * 0.1, frame))
    assert sum(len(piece.samples) for piece in [*found, *converter.flush()]) >= 1_600
