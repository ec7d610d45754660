"""Decoded frames into the records of a stream: 16 kHz mono sound in even pieces, RGB pictures on a grid."""

from collections.abc import Iterator
from typing import cast

import numpy as np
from av.audio.frame import AudioFrame as DecodedAudio
from av.audio.resampler import AudioResampler
from av.error import FFmpegError
from av.video.frame import VideoFrame as DecodedVideo
from numpy.typing import NDArray

from stream.records import AUDIO_RATE, AudioFrame, VideoFrame

RATES = (1_000, 768_000)  # Hz; sound of one sample a second would become sixteen thousand times as many
JUMP = 0.1  # seconds; a larger step between audio timestamps is a gap, a smaller one is rounding
LIVE_JUMP = 0.04  # seconds; the same for live sound, which a lost packet must not keep apart from its pictures
STEADY = 0.002  # seconds; sound is stretched when its clock and the event clock differ by more


class SoundConverter:
    """One stream's sound as frames of `chunk` samples without gaps where there was none.

    steered: the event clock of live sound may run a little faster or slower than its samples; it is followed by one
    sample more or less in a chunk, interpolated, so that there is no click.
    """

    def __init__(self, chunk: int, steered: bool) -> None:
        self._chunk, self._steered, self._jump = chunk, steered, LIVE_JUMP if steered else JUMP
        self._resampler = AudioResampler(format="flt", layout="mono", rate=AUDIO_RATE)
        self._begin: float | None = None  # event time of the first sample since the last gap
        self._given = 0  # samples since then that were handed on
        self._pending: list[NDArray[np.float32]] = []
        self._end = 0.0  # event time just after the last sample that was handed on
        self._late = 0.0  # seconds by which the event clock is ahead of the samples

    def push(self, event: float, frame: DecodedAudio) -> Iterator[AudioFrame]:
        """Take the next decoded frame. event: event time of its first sample, seconds."""
        if self._begin is not None and abs(event - self._next()) > self._jump:
            yield from self.flush()
        if self._begin is None and event + frame.samples / frame.sample_rate <= self._end:
            return  # sound that is there already
        self._start(event)
        frame.pts = None  # one resampler serves all of the sound; gaps are handled here
        try:
            parts = self._resampled(frame)
        except ValueError:  # the rate or the channels change on the way
            yield from self.flush()
            self._start(event)
            parts = self._resampled(frame)
        self._pending += parts
        yield from self._whole_chunks()

    def flush(self) -> Iterator[AudioFrame]:
        """What is left, at the end or before a gap."""
        if self._begin is not None:
            tail = self._resampled(None)
            self._resampler = AudioResampler(format="flt", layout="mono", rate=AUDIO_RATE)
            samples = np.concatenate([*self._pending, *tail, np.empty(0, np.float32)]).astype(np.float32)
            if len(samples):
                yield self._frame(self._begin, samples)
        self._pending, self._begin, self._given, self._late = [], None, 0, 0.0

    def _resampled(self, frame: DecodedAudio | None) -> list[NDArray[np.float32]]:
        """The samples that a frame, or the end, completes. None from a frame of a rate that cannot be: it is damage,
        and a resampler that met it would fail for all that comes after.
        """
        try:
            return [part.to_ndarray()[0] for part in self._resampler.resample(frame)]
        except FFmpegError:
            self._resampler = AudioResampler(format="flt", layout="mono", rate=AUDIO_RATE)
            return []

    def _start(self, event: float) -> None:
        if self._begin is None:
            self._begin = max(event, self._end)
        elif self._steered:
            self._late = event - self._next()

    def _next(self) -> float:
        return (self._begin or 0.0) + (self._given + sum(map(len, self._pending))) / AUDIO_RATE

    def _whole_chunks(self) -> Iterator[AudioFrame]:
        if sum(map(len, self._pending)) < self._chunk or self._begin is None:
            return
        samples = np.concatenate(self._pending).astype(np.float32)
        whole = len(samples) // self._chunk * self._chunk
        self._pending = [samples[whole:]]
        for start in range(0, whole, self._chunk):
            yield self._frame(self._begin, self._stretched(samples[start : start + self._chunk]))

    def _frame(self, begin: float, samples: NDArray[np.float32]) -> AudioFrame:
        frame = AudioFrame(round(begin + self._given / AUDIO_RATE, 6), samples)
        self._given += len(samples)
        self._end = begin + self._given / AUDIO_RATE
        return frame

    def _stretched(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        if abs(self._late) < STEADY:
            return samples
        more = 1 if self._late > 0 else -1
        self._late -= more / AUDIO_RATE
        places = np.linspace(0, len(samples) - 1, len(samples) + more)
        return np.interp(places, np.arange(len(samples)), samples).astype(np.float32)


class Negative:
    """A decoded picture; its pixels are made when they are first asked for, by whoever asks, and kept."""

    def __init__(self, frame: DecodedVideo) -> None:
        self.held: DecodedVideo | NDArray[np.uint8] = frame
        """What was decoded, or the pixels once they were made."""

    def __call__(self) -> NDArray[np.uint8]:
        """uint8 `[H, W, 3]`, RGB. Raises what FFmpeg raises for a format that it cannot convert."""
        held = self.held
        if isinstance(held, DecodedVideo):  # two threads at once make the same twice
            self.held = held = cast("NDArray[np.uint8]", held.to_ndarray(format="rgb24"))
        return held


class PictureConverter:
    """One stream's pictures, at most `rate` per second. Of those, what nobody looks at is never turned into pixels."""

    def __init__(self, rate: float) -> None:
        self._interval = 1.0 / rate
        self._next = 0.0
        self._known: tuple[str, int, int] | None = None

    def push(self, event: float, frame: DecodedVideo) -> Iterator[VideoFrame]:
        """Take the next decoded picture. event: its event time, seconds."""
        if event < self._next - 1e-6:
            return
        # the next slot of the grid, so that a steady camera is thinned steadily
        self._next = float((np.floor(event / self._interval + 1e-6) + 1) * self._interval)
        kind, pixels = (frame.format.name, frame.width, frame.height), Negative(frame)
        if kind != self._known:  # one that cannot be converted must fail here, where damage is looked for
            pixels()
            self._known = kind
        yield VideoFrame(round(event, 6), pixels)
