"""A clean recording to spoil on purpose: the undisturbed stretches of a clip, repeated until they are long enough."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream.bench.reel import decoded_reel, due, remembered
from stream.errors import SourceError
from stream.records import AUDIO_RATE, AudioFrame, Frame, VideoFrame
from stream.sources.source import BUNDLED_CLIP, bundled_clip

Ranges = tuple[tuple[float, float], ...]  # from, to: seconds of the clip

# the bundled clip is covered from 9 to 14.5 s and noisy from 19.5 to 25.5 s; its face and voices never were one person
CLEAN_SOUND: Ranges = ((0.0, 19.5),)
CLEAN_PICTURES: Ranges = ((0.0, 9.0), (14.5, 27.0))


def clean_take(media: str, seconds: float, video_rate: float) -> list[Frame]:
    """`seconds` of undisturbed sound and pictures, in the order in which they are due, from memory.

    Raises `SourceError` when the clip cannot be read or lacks sound or pictures.
    """
    bundled = media == BUNDLED_CLIP
    reel = decoded_reel(bundled_clip() if bundled else Path(media), video_rate)
    if len(reel.kinds) < 2:
        raise SourceError(f"{media}: this benchmark needs a clip with sound and pictures")
    frames, whole = remembered(reel), ((0.0, reel.length),)
    sound = [frame for frame in frames if isinstance(frame, AudioFrame)]
    pictures = [frame for frame in frames if isinstance(frame, VideoFrame)]
    taken: list[Frame] = [
        *spliced(sound, CLEAN_SOUND if bundled else whole, seconds),
        *spliced(pictures, CLEAN_PICTURES if bundled else whole, seconds),
    ]
    return sorted(taken, key=due)


def spliced(frames: Sequence[Frame], ranges: Ranges, seconds: float) -> Iterator[Frame]:
    """The frames of these ranges one after the other, again and again, on a clock that begins at 0."""
    base = 0.0
    for first, last in cycle(ranges):
        for frame in frames:
            if first - 1e-6 <= frame.pts and due(frame) <= last + 1e-6 and frame.pts < last - 1e-6:
                moved = replace(frame, pts=round(frame.pts - first + base, 6))
                if due(moved) > seconds + 1e-6:
                    return
                yield moved
        base += last - first


def sound_of(frames: Sequence[Frame]) -> NDArray[np.float32]:
    """All samples, float32 `[n]`; where there are none, silence."""
    sound = [frame for frame in frames if isinstance(frame, AudioFrame)]
    samples = np.zeros(round(max((frame.end for frame in sound), default=0.0) * AUDIO_RATE), np.float32)
    for frame in sound:
        first = round(frame.pts * AUDIO_RATE)
        samples[first : first + len(frame.samples)] = frame.samples[: len(samples) - first]
    return samples
