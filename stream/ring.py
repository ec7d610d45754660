"""The last seconds of a stream's sound, addressed by event time."""

import numpy as np
from numpy.typing import NDArray

from stream.records import AUDIO_RATE, AudioFrame


class SoundRing:
    """Holds `seconds` of 16 kHz sound. Where no sound was received it reads as silence."""

    def __init__(self, seconds: float) -> None:
        self._samples = np.zeros(round(seconds * AUDIO_RATE), np.float32)
        self._end = 0  # sample number just after the newest

    @property
    def end(self) -> float:
        """Event time just after the newest sample, seconds."""
        return self._end / AUDIO_RATE

    def push(self, frame: AudioFrame) -> None:
        """Add a frame. What overlaps sound that is already here replaces nothing and is dropped."""
        start = round(frame.pts * AUDIO_RATE)
        fresh = frame.samples[max(0, self._end - start) :]
        first = max(start, self._end)
        self._advance(first - self._end, None)
        self._advance(len(fresh), fresh)

    def cut(self, start: float, end: float) -> NDArray[np.float32]:
        """The samples of `[start, end)` as far as they are still, or already, here: a copy."""
        oldest = max(0, self._end - len(self._samples))
        first = min(max(round(start * AUDIO_RATE), oldest), self._end)
        last = min(max(round(end * AUDIO_RATE), first), self._end)
        return self._samples[np.arange(first, last) % len(self._samples)]

    def _advance(self, count: int, samples: NDArray[np.float32] | None) -> None:
        kept = min(count, len(self._samples))
        places = np.arange(self._end + count - kept, self._end + count) % len(self._samples)
        self._samples[places] = 0.0 if samples is None else samples[count - kept :]
        self._end += count
