"""What is played: frames without an end, in the order in which a camera and a microphone would hand them on.

A reel repeats its clip with event time going on. A picture is due at its timestamp, sound when its last sample has been
heard.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from av.audio.frame import AudioFrame as DecodedAudio
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from ebmc_core.modality import Modality
from stream.errors import SourceError
from stream.records import AUDIO_RATE, AudioFrame, Frame, VideoFrame
from stream.sources.converting import Negative
from stream.sources.file import open_media

CHUNK = AUDIO_RATE * 32 // 1000  # samples handed on at once: 32 ms, as live sources do


def due(frame: Frame) -> float:
    """Event time at which a live source would hand the frame on."""
    return frame.end if isinstance(frame, AudioFrame) else frame.pts


class Reel(Protocol):
    """Endless frames, each with the moment at which a live source hands it on, in seconds since it began."""

    @property
    def kinds(self) -> frozenset[Modality]:
        """Sound, pictures or both."""
        ...

    def handed(self) -> Iterator[tuple[float, Frame]]:
        """Moments and frames from the beginning, the moments rising; raises `SourceError` if it cannot be read."""
        ...


@dataclass(frozen=True, slots=True)
class DecodedReel:
    """A media file, decoded while it plays. start: seconds of the file at which event time 0 is.

    Every picture is decoded, at most `video_rate` a second are handed on, as the sources of the pipeline do it.
    """

    path: Path
    video_rate: float
    start: float
    length: float
    kinds: frozenset[Modality]

    def frames(self) -> Iterator[Frame]:
        """Decode for ever."""
        tracks: list[Iterator[Frame]] = []
        if Modality.AUDIO in self.kinds:
            tracks.append(self._repeated(Modality.AUDIO))
        if Modality.VIDEO in self.kinds:
            tracks.append(self._repeated(Modality.VIDEO))
        return heapq.merge(*tracks, key=due)

    def handed(self) -> Iterator[tuple[float, Frame]]:
        """Each frame when it is due."""
        return ((due(frame), frame) for frame in self.frames())

    def _repeated(self, kind: Modality) -> Iterator[Frame]:
        begin, base = self.start % self.length, 0.0
        while True:
            shift = base - begin
            found: Iterator[Frame] = self._sound(begin) if kind is Modality.AUDIO else self._pictures(begin)
            for frame in found:
                yield replace(frame, pts=max(0.0, frame.pts + shift))
            base, begin = base + self.length - begin, 0.0

    def _pictures(self, begin: float) -> Iterator[VideoFrame]:
        slot = -1
        with open_media(self.path) as container:
            stream = container.streams.video[0]
            origin = container.start_time / av.time_base if container.start_time else 0.0
            container.seek(int((begin + origin) * av.time_base))
            for picture in container.decode(stream):
                time = (picture.time or 0.0) - origin
                if time < begin - 1e-6 or int(time * self.video_rate + 1e-6) <= slot or time >= self.length:
                    continue
                slot = int(time * self.video_rate + 1e-6)
                yield VideoFrame(time, Negative(picture))

    def _sound(self, begin: float) -> Iterator[AudioFrame]:
        first, samples = begin, np.zeros(0, np.float32)
        resampler = AudioResampler(format="flt", layout="mono", rate=AUDIO_RATE)
        with open_media(self.path) as container:
            stream = container.streams.audio[0]
            origin = container.start_time / av.time_base if container.start_time else 0.0
            container.seek(int((begin + origin) * av.time_base))
            for decoded in container.decode(stream):
                time = (decoded.time or 0.0) - origin
                if time < begin - 1e-6:
                    continue
                first = time if first == begin and not len(samples) else first
                samples = np.concatenate([samples, resampled(resampler, decoded)])
                while len(samples) >= CHUNK and first + CHUNK / AUDIO_RATE <= self.length:
                    yield AudioFrame(first, samples[:CHUNK])
                    first, samples = first + CHUNK / AUDIO_RATE, samples[CHUNK:]


@dataclass(frozen=True, slots=True, eq=False)
class MemoryReel:
    """Frames that are kept in memory, in the order in which they are due. length: seconds until they repeat."""

    clip: Sequence[Frame]
    length: float
    start: float
    kinds: frozenset[Modality]

    def frames(self) -> Iterator[Frame]:
        """Repeat for ever; nothing is decoded or copied."""
        begin, base = self.start % self.length, 0.0
        while True:
            for frame in self.clip:
                if frame.pts >= begin - 1e-6:
                    yield replace(frame, pts=max(0.0, frame.pts - begin + base))
            base, begin = base + self.length - begin, 0.0

    def handed(self) -> Iterator[tuple[float, Frame]]:
        """Each frame when it is due."""
        return ((due(frame), frame) for frame in self.frames())


def remembered(reel: DecodedReel) -> tuple[Frame, ...]:
    """One pass of a file, decoded once, to be played from memory by many."""
    whole = replace(reel, start=0.0)
    found: list[Frame] = []
    for frame in whole.frames():
        if frame.pts >= whole.length:
            break
        found.append(VideoFrame(frame.pts, frame.image) if isinstance(frame, VideoFrame) else frame)
    return tuple(found)


def decoded_reel(path: Path, video_rate: float, start: float = 0.0) -> DecodedReel:
    """A reel over a file. Raises `SourceError` when it is no media file, or too short to be repeated."""
    with open_media(path) as container:
        kinds = {
            kind
            for kind, tracks in (
                (Modality.AUDIO, container.streams.audio),
                (Modality.VIDEO, container.streams.video),
            )
            if tracks
        }
        length = (container.duration or 0) / av.time_base
    if length < 1.0:
        raise SourceError(f"{path}: lasts {length:.1f} s; a benchmark needs at least 1 s to repeat")
    return DecodedReel(path, video_rate, start, length, frozenset(kinds))


def resampled(resampler: AudioResampler, decoded: DecodedAudio) -> NDArray[np.float32]:
    """Float32 `[n]`, 16 kHz mono."""
    decoded.pts = None
    parts = [part.to_ndarray()[0] for part in resampler.resample(decoded)]
    return np.concatenate([*parts, np.empty(0, np.float32)]).astype(np.float32)
