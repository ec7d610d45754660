"""What is played: frames without an end, in the order in which a camera and a microphone would hand them on.

A reel repeats its clip with event time going on. A picture is due at its timestamp, sound when its last sample has been
heard.
"""

import heapq
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np
from av.audio.frame import AudioFrame as DecodedAudio
from av.audio.resampler import AudioResampler
from av.stream import Stream
from av.video.frame import VideoFrame as DecodedVideo
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
        begin, base = self.start % self.length, 0.0
        while True:
            shift = base - begin
            for frame in self._once(begin):
                yield replace(frame, pts=max(0.0, frame.pts + shift))
            base, begin = base + self.length - begin, 0.0

    def handed(self) -> Iterator[tuple[float, Frame]]:
        """Each frame when it is due."""
        return ((due(frame), frame) for frame in self.frames())

    def _once(self, begin: float) -> Iterator[Frame]:
        """From `begin` to the end of the file, in the order in which the frames are due."""
        with open_media(self.path) as container:
            origin = container.start_time / av.time_base if container.start_time else 0.0
            container.seek(int((begin + origin) * av.time_base))
            sound, pictures = _Sound(begin, self.length), _Pictures(begin, self.length, self.video_rate)
            tracks: dict[Stream, _Sound | _Pictures] = {}
            if Modality.AUDIO in self.kinds:
                tracks[container.streams.audio[0]] = sound
            if Modality.VIDEO in self.kinds:
                tracks[container.streams.video[0]] = pictures
            for packet in container.demux(list(tracks)):
                for decoded in packet.decode():
                    if isinstance(decoded, DecodedAudio | DecodedVideo):
                        tracks[packet.stream].push(decoded, (decoded.time or 0.0) - origin)
                while all(track.waiting for track in tracks.values()):  # else an earlier frame may still come
                    yield min(
                        (track.waiting for track in tracks.values()), key=lambda waiting: due(waiting[0])
                    ).popleft()
            yield from heapq.merge(*(track.waiting for track in tracks.values()), key=due)


class _Pictures:
    """The pictures of one pass, at most `rate` a second. waiting: those that were not handed on."""

    def __init__(self, begin: float, length: float, rate: float) -> None:
        self._begin, self._length, self._rate, self._slot = begin, length, rate, -1
        self.waiting: deque[Frame] = deque()

    def push(self, decoded: Any, time: float) -> None:
        """Take the next decoded picture, shown at `time` of the file, seconds."""
        slot = int(time * self._rate + 1e-6)
        if self._begin - 1e-6 <= time < self._length and slot > self._slot:
            self._slot = slot
            self.waiting.append(VideoFrame(time, Negative(decoded)))


class _Sound:
    """The sound of one pass, in pieces of `CHUNK`. waiting: those that were not handed on."""

    def __init__(self, begin: float, length: float) -> None:
        self._begin, self._length = begin, length
        self._first: float | None = None
        self._samples = np.zeros(0, np.float32)
        self._resampler = AudioResampler(format="flt", layout="mono", rate=AUDIO_RATE)
        self.waiting: deque[Frame] = deque()

    def push(self, decoded: Any, time: float) -> None:
        """Take the next decoded piece, heard from `time` of the file on, seconds."""
        if time < self._begin - 1e-6:
            return
        first = time if self._first is None else self._first
        samples = np.concatenate([self._samples, resampled(self._resampler, decoded)])
        while len(samples) >= CHUNK and first + CHUNK / AUDIO_RATE <= self._length:
            self.waiting.append(AudioFrame(first, samples[:CHUNK]))
            first, samples = first + CHUNK / AUDIO_RATE, samples[CHUNK:]
        self._first, self._samples = first, samples


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
