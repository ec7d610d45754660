"""Frames that a program pushes by itself: for embedding, where the media come from elsewhere."""

import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import numpy as np
from av.audio.frame import AudioFrame as EncodedAudio
from numpy.typing import NDArray

from ebmc_core.modality import Modality
from stream.errors import SourceError
from stream.records import AUDIO_RATE, Frame, VideoFrame
from stream.sources.buffer import LiveBuffer
from stream.sources.converting import RATES, SoundConverter
from stream.sources.source import Condition, Media
from stream.timeline import LiveTimeline

CHUNK = AUDIO_RATE * 32 // 1000  # samples handed on at once: 32 ms
TICK = 0.5  # seconds; how long a look for frames waits at most


class FeedSource:
    """A live source that a program feeds, from any thread, at the pace of real time.

    kinds: what will be pushed. Frames without `pts` are placed by when they are pushed, sound without gaps as long as
    it keeps coming; `pts` are seconds on any clock that both kinds share. seconds: frames that the pipeline does not
    fetch in that time are dropped and counted in `Media.condition`. Values that are not numbers are let through, as
    they are from files: what they spoil is reported as missing. Sound that is more than a second ahead of the wall
    clock has not been captured yet: it is dropped and counted.
    """

    live = True

    def __init__(self, name: str, kinds: frozenset[Modality], seconds: float = 2.0) -> None:
        if not kinds or not kinds <= {Modality.AUDIO, Modality.VIDEO}:
            raise SourceError(f"feed {name!r}: kinds are audio, video or both, not {set(kinds) or 'nothing'}")
        self.name, self.kinds = name, frozenset(kinds)
        self.condition = Condition()
        self._buffer = LiveBuffer(seconds, self.condition)
        self._timeline, self._sound = LiveTimeline(settle=0.0), SoundConverter(CHUNK, steered=True)
        self._lock = threading.Lock()
        self._closed = False

    def push_audio(self, samples: NDArray[np.generic], pts: float | None = None, rate: int = AUDIO_RATE) -> None:
        """Mono sound: `[n]` of floats in -1..1, or of int16. rate: Hz; it is resampled to 16 kHz.

        Raises `SourceError` for any other array, and when the feed is closed.
        """
        self._expect(Modality.AUDIO)
        sound = _mono(self.name, samples)
        if not RATES[0] <= rate <= RATES[1]:
            raise SourceError(f"feed {self.name!r}: a rate of {rate} Hz; rates are {RATES[0]} to {RATES[1]}")
        if not len(sound):
            return
        frame = EncodedAudio.from_ndarray(sound[None], format="flt", layout="mono")
        frame.sample_rate = rate
        with self._lock:
            event = self._place(Modality.AUDIO, pts, len(sound) / rate)
            if event is not None:
                for record in self._sound.push(event, frame):
                    self._buffer.put(record)

    def push_video(self, image: NDArray[np.uint8], pts: float | None = None) -> None:
        """A picture: uint8 `[H, W, 3]`, RGB. It must not be changed afterwards.

        Raises `SourceError` for any other array, and when the feed is closed.
        """
        self._expect(Modality.VIDEO)
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise SourceError(
                f"feed {self.name!r}: a picture is uint8 [H, W, 3], RGB; this is {image.dtype} {list(image.shape)}"
            )
        with self._lock:
            event = self._place(Modality.VIDEO, pts, 0.0)
            if event is not None:
                self._buffer.put(VideoFrame(round(event, 6), image))

    def close(self) -> None:
        """There is no more: the stream ends after what was pushed."""
        with self._lock:
            if not self._closed:
                self._closed = True
                for record in self._sound.flush():
                    self._buffer.put(record)
        self._buffer.wake()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Media]:
        """Begin to take what is pushed. A feed is opened once."""
        self._buffer.attach()
        try:
            yield Media(self.kinds, None, self._frames(), self.condition)
        finally:
            self._buffer.close()

    async def _frames(self) -> AsyncGenerator[Frame]:
        while True:
            closed = self._closed
            frames = await self._buffer.take(0.0 if closed else TICK)
            for frame in frames:
                yield frame
            if closed and not frames:
                return

    def _expect(self, kind: Modality) -> None:
        if self._closed:
            raise SourceError(f"feed {self.name!r}: is closed; nothing can be pushed any more")
        if kind not in self.kinds:
            raise SourceError(f"feed {self.name!r}: was made without {kind}; name it in `kinds`")

    def _place(self, kind: Modality, pts: float | None, duration: float) -> float | None:
        event = self._timeline.place(kind, pts, duration, time.monotonic())
        condition = self.condition
        condition.skew, condition.gaps = self._timeline.skew, self._timeline.jumps
        condition.origin = self._timeline.origin
        if event is None:
            condition.dropped["overlap"] += 1
        return event


def _mono(name: str, samples: NDArray[np.generic]) -> NDArray[np.float32]:
    if samples.ndim == 1 and samples.dtype == np.int16:
        return samples.astype(np.float32) * np.float32(1 / 32_768)
    if samples.ndim == 1 and np.issubdtype(samples.dtype, np.floating):
        return np.ascontiguousarray(samples, np.float32)
    raise SourceError(
        f"feed {name!r}: sound is [n] of floats in -1..1 or of int16; this is {samples.dtype} {list(samples.shape)}"
    )
