"""Real files, whole and broken."""

import asyncio
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame as EncodedAudio
from av.video.frame import VideoFrame as EncodedVideo

from ebmc_core.modality import Modality
from stream.errors import SourceError
from stream.records import AudioFrame, VideoFrame
from stream.settings import Settings
from stream.sources.file import FileSource
from stream.sources.source import source_from

BOTH = frozenset({Modality.AUDIO, Modality.VIDEO})


class Decoded:
    """Everything a source gave, and the error it ended with."""

    def __init__(self, path: Path, video_rate: float = 10.0) -> None:
        self.sound: list[AudioFrame] = []
        self.pictures: list[VideoFrame] = []
        self.error: SourceError | None = None
        asyncio.run(self._read(path, video_rate))

    async def _read(self, path: Path, video_rate: float) -> None:
        try:
            async with FileSource(str(path), video_rate).open() as media:
                self.kinds, self.duration = media.kinds, media.duration
                async for frame in media.frames:
                    if isinstance(frame, AudioFrame):
                        self.sound.append(frame)
                    else:
                        self.pictures.append(frame)
        except SourceError as error:
            self.error = error


def encode(
    path: Path, sound: np.ndarray | None, pictures: np.ndarray | None, fps: int = 30, rate: int = 44_100
) -> Path:
    """Write a small real media file."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=fps) if pictures is not None else None
        audio = container.add_stream("aac", rate=rate, layout="mono") if sound is not None else None
        if video and pictures is not None:
            video.height, video.width, video.pix_fmt = *pictures.shape[1:3], "yuv420p"
            for number, image in enumerate(pictures):
                picture = EncodedVideo.from_ndarray(image, format="rgb24")
                picture.pts = number
                container.mux(video.encode(picture))
            container.mux(video.encode(None))
        if audio and sound is not None:
            samples = EncodedAudio.from_ndarray(sound[None], format="fltp", layout="mono")
            samples.rate, samples.pts = rate, 0
            container.mux(audio.encode(samples))
            container.mux(audio.encode(None))
    return path


def tone(seconds: float, rate: int = 44_100) -> np.ndarray:
    return (0.2 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def test_the_bundled_clip_is_sound_without_gaps_and_pictures_on_a_grid(clip: Path) -> None:
    decoded = Decoded(clip)
    assert decoded.kinds == BOTH
    assert decoded.error is None
    ends = np.array([frame.end for frame in decoded.sound])
    starts = np.array([frame.pts for frame in decoded.sound])
    np.testing.assert_allclose(starts[1:], ends[:-1], atol=1e-6)
    assert ends[-1] == pytest.approx(27.0, abs=0.05)
    times = np.array([frame.pts for frame in decoded.pictures])
    assert len(times) == pytest.approx(270, abs=2)
    assert (np.diff(times) > 0).all()
    assert max(np.abs(frame.samples).max() for frame in decoded.sound) <= 1.0


def test_sound_becomes_16_khz_mono(tmp_path: Path) -> None:
    decoded = Decoded(encode(tmp_path / "tone.mp4", tone(2.0), None))
    samples = np.concatenate([frame.samples for frame in decoded.sound])
    assert len(samples) == pytest.approx(32_000, abs=1100)
    spectrum = np.abs(np.fft.rfft(samples))
    assert np.argmax(spectrum) * 16_000 / len(samples) == pytest.approx(440, abs=2)


def test_pictures_without_sound(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (30, 48, 64, 3), np.uint8)
    decoded = Decoded(encode(tmp_path / "silent.mp4", None, images))
    assert decoded.kinds == frozenset({Modality.VIDEO})
    assert len(decoded.pictures) == 10
    assert decoded.pictures[0].image.shape == (48, 64, 3)


def test_a_rate_above_the_file_s_keeps_every_picture(tmp_path: Path) -> None:
    images = np.zeros((30, 48, 64, 3), np.uint8)
    assert len(Decoded(encode(tmp_path / "all.mp4", None, images), video_rate=60).pictures) == 30


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.mp4", None, "there is no such file"),
        ("empty.mp4", b"", "is empty"),
        ("notes.txt", b"just some words\n" * 20, "cannot be read as media"),
        ("long.txt", b"\x1b[31mjust some words\n" * 2000, "sound nor pictures"),
        ("notes.mp4", b"just some words\n" * 20, "cannot be read as media"),
        ("table.csv", b"a,b\n1,2\n", "cannot be read as media"),
    ],
)
def test_what_is_not_media_is_refused_in_one_line(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    error = Decoded(path).error
    assert error is not None
    assert error.exit_code == 2
    assert message in str(error)
    assert str(path) in str(error)
    assert "\n" not in str(error)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "is a folder" in str(Decoded(tmp_path).error)


def test_half_a_file_gives_its_half_and_says_where_it_broke_off(clip: Path, tmp_path: Path) -> None:
    content = clip.read_bytes()
    half = tmp_path / "half.mp4"
    half.write_bytes(content[: len(content) // 2])
    decoded = Decoded(half)
    assert decoded.error is not None
    assert "27.0 s" in str(decoded.error)
    assert 5.0 < decoded.sound[-1].end < 22.0
    assert decoded.pictures


def test_a_file_cut_inside_its_index_is_refused(clip: Path, tmp_path: Path) -> None:
    stub = tmp_path / "stub.mp4"
    stub.write_bytes(clip.read_bytes()[:400])
    assert "is truncated" in str(Decoded(stub).error)


def test_damage_inside_a_file_is_passed_over(clip: Path, tmp_path: Path) -> None:
    content = bytearray(clip.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    hurt = tmp_path / "hurt.mp4"
    hurt.write_bytes(content)
    decoded = Decoded(hurt)
    assert decoded.sound[-1].end == pytest.approx(27.0, abs=0.1)


def test_an_unknown_scheme_names_those_that_exist() -> None:
    with pytest.raises(SourceError, match="file:"):
        source_from("gopher://host/clip", Settings())


def test_a_source_closes_when_it_is_left_early(clip: Path) -> None:
    async def first_frame() -> bool:
        async with FileSource(str(clip), 10).open() as media:
            async for _ in media.frames:
                await media.frames.aclose()
                return True
        return False

    assert asyncio.run(first_frame())
