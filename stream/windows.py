"""Event-time windows. Pure: no clock, no loop, no sleep.

Window `k` covers `[k * hop, k * hop + size)`. It closes once every kind of frames that the stream has was seen past its
end, or once one kind is `lateness` seconds past it (a modality that stopped must not hold the others). Bounds come from
the integer `k`, never from a sum, so that they do not drift.
"""

import math
from dataclasses import dataclass, field

from ebmc_core.modality import Modality
from stream.records import Window

ROUNDING = 0.02  # seconds; a stream that ends this close to a window's end fills it (one audio frame of AAC is 0.021)


@dataclass(slots=True)
class Windower:
    """Which windows are closed, given how far each kind of frames has come.

    kinds: the media the stream has (audio, video). size, hop, lateness: seconds.
    """

    stream: str
    kinds: frozenset[Modality]
    size: float
    hop: float
    lateness: float
    _seen: dict[Modality, float] = field(default_factory=dict[Modality, float])
    _next: int = 0

    def window(self, index: int) -> Window:
        """The bounds of window `index`."""
        start = index * self.hop
        return Window(self.stream, index, start, start + self.size)

    def push(self, kind: Modality, until: float) -> list[Window]:
        """Frames of this kind were seen up to `until`; returns the windows that this closed, in order."""
        self._seen[kind] = max(until, self._seen.get(kind, 0.0))
        slowest = min(self._seen.get(kind, 0.0) for kind in self.kinds)
        return self._close_until(max(slowest, max(self._seen.values()) - self.lateness))

    def finish(self) -> list[Window]:
        """The stream has ended: the windows still open, the last one reaching past the end if it must.

        A stream that had any frame gets at least one window.
        """
        if not self._seen:
            return []
        end = max(self._seen.values())
        count = 1 + max(0, math.ceil((end - ROUNDING - self.size) / self.hop))
        rest = [self.window(index) for index in range(self._next, count)]
        self._next = max(self._next, count)
        return rest

    def _close_until(self, watermark: float) -> list[Window]:
        closed: list[Window] = []
        while (window := self.window(self._next)).end + ROUNDING < watermark:
            closed.append(window)
            self._next += 1
        return closed
