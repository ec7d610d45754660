"""The last seconds of a stream's sound, addressed by event time."""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream.records import AUDIO_RATE, AudioFrame


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """The sound of a stretch of event time, as far as it is here.

    samples: float32 `[n]`, silence where none was received. start: event time of the first. newest: event time just
    after the newest one that was really received, None when none was. Seconds.
    """

    samples: NDArray[np.float32]
    start: float
    newest: float | None


class SoundRing:
    """Holds `seconds` of 16 kHz sound. Where no sound was received it reads as silence."""

    def __init__(self, seconds: float) -> None:
        self._samples = np.zeros(round(seconds * AUDIO_RATE), np.float32)
        self._end = 0  # sample number just after the newest
        self._received: deque[tuple[int, int]] = deque()  # sample numbers, each stretch without a hole, oldest first

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
        self._note(first, len(fresh))

    def stretch(self, start: float, end: float) -> Stretch:
        """The sound of `[start, end)`, where it begins, and how far sound was received at all before `end`."""
        samples = self.cut(start, end)
        first = max(round(start * AUDIO_RATE), self._end - len(self._samples))
        last = round(end * AUDIO_RATE)
        newest = next((min(until, last) for begin, until in reversed(self._received) if begin < last), None)
        return Stretch(samples, first / AUDIO_RATE, None if newest is None else newest / AUDIO_RATE)

    def cut(self, start: float, end: float) -> NDArray[np.float32]:
        """The samples of `[start, end)` as far as they are still, or already, here: a copy."""
        oldest = max(0, self._end - len(self._samples))
        first = min(max(round(start * AUDIO_RATE), oldest), self._end)
        last = min(max(round(end * AUDIO_RATE), first), self._end)
        begin, end = first % len(self._samples), last - first + first % len(self._samples)
        return np.concatenate([self._samples[begin:end], self._samples[: max(0, end - len(self._samples))]])

    def _note(self, first: int, count: int) -> None:
        """Remember that these samples were received, and forget what the ring does not reach back to."""
        if count and self._received and self._received[-1][1] == first:
            self._received[-1] = self._received[-1][0], first + count
        elif count:
            self._received.append((first, first + count))
        while len(self._received) > 1 and self._received[0][1] < self._end - len(self._samples):
            self._received.popleft()

    def _advance(self, count: int, samples: NDArray[np.float32] | None) -> None:
        kept = min(count, len(self._samples))
        first = (self._end + count - kept) % len(self._samples)
        whole = min(kept, len(self._samples) - first)  # up to the end of the ring; the rest is at its beginning
        fresh = np.zeros(kept, np.float32) if samples is None else samples[count - kept :]
        self._samples[first : first + whole] = fresh[:whole]
        self._samples[: kept - whole] = fresh[whole:]
        self._end += count
