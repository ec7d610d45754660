"""Clips of the size that a camera gives: smaller ones are scaled up once, so that decoding costs what it does there."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.resampler import AudioResampler

from stream.errors import SourceError
from stream.sources.file import open_media
from stream.sources.source import BUNDLED_CLIP, bundled_clip

WIDTH, HEIGHT, RATE = 640, 360, 30
SLOWEST = 24.0  # pictures a second that count as a camera's own rate
SOUND_RATE = 48_000  # Hz, as cameras have it


@dataclass(frozen=True, slots=True)
class Clip:
    """A media file to play. note: what it is, and what was done to it."""

    path: Path
    note: str


def clip_from(media: str, folder: Path) -> Clip:
    """The clip that a name on the command line means, at least 640x360 at 24 fps; a scaled copy goes into `folder`.

    Raises `SourceError` when it cannot be read or has no sound or no pictures.
    """
    path = bundled_clip() if media == BUNDLED_CLIP else Path(media)
    with open_media(path) as container:
        if not (container.streams.audio and container.streams.video):
            raise SourceError(f"{path}: this benchmark needs a clip with sound and pictures")
        video = container.streams.video[0]
        size, rate = (video.width, video.height), float(video.average_rate or 0)
        if size[0] >= WIDTH and size[1] >= HEIGHT and rate >= SLOWEST:
            return Clip(path, f"{path.name}: {size[0]}x{size[1]}, {rate:.3g} fps")
    copy = folder / f"{path.stem}-{WIDTH}x{HEIGHT}.mp4"
    if not copy.exists():
        scale(path, copy)
    return Clip(copy, f"{path.name}: {size[0]}x{size[1]}, {rate:.3g} fps, scaled to {WIDTH}x{HEIGHT}, {RATE} fps")


def scale(path: Path, copy: Path) -> None:
    """Write a copy of a clip at 640x360 and 30 fps, with bars where its shape is another, H.264 and AAC."""
    with av.open(str(copy), "w") as target:
        video = target.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "g": "30"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = target.add_stream("aac", rate=SOUND_RATE)
        encoders: Any = video, sound
        with open_media(path) as source:
            _copy_pictures(source, target, encoders[0])
        with open_media(path) as source:
            _copy_sound(source, target, encoders[1])


def _copy_pictures(source: Any, target: Any, encoder: Any) -> None:
    written, shown = 0, None
    for picture in source.decode(video=0):
        while shown is not None and written / RATE < picture.time:
            target.mux(encoder.encode(_picture(shown, written)))
            written += 1
        shown = _boxed(picture)
    if shown is not None:
        target.mux(encoder.encode(_picture(shown, written)))
    target.mux(encoder.encode(None))


def _copy_sound(source: Any, target: Any, encoder: Any) -> None:
    resampler = AudioResampler(format="fltp", layout="mono", rate=SOUND_RATE)
    for decoded in source.decode(audio=0):
        for part in resampler.resample(decoded):
            target.mux(encoder.encode(part))
    target.mux(encoder.encode(None))


def _boxed(picture: Any) -> np.ndarray:
    """uint8 `[360, 640, 3]`: the picture as large as it fits, in the middle."""
    ratio = min(WIDTH / picture.width, HEIGHT / picture.height)
    width, height = (2 * int(ratio * side / 2) for side in (picture.width, picture.height))
    scaled = picture.reformat(width=width, height=height, format="rgb24").to_ndarray()
    left, top = (WIDTH - width) // 2, (HEIGHT - height) // 2
    return np.pad(scaled, ((top, HEIGHT - height - top), (left, WIDTH - width - left), (0, 0)))


def _picture(pixels: np.ndarray, number: int) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    frame.pts, frame.time_base = number, Fraction(1, RATE)
    return frame
