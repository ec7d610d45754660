"""Event-time windows. Pure: no clock, no loop, no sleep.

Window `k` covers `[k * hop, k * hop + size)`. It closes once every kind of frames that the stream has was seen up to
its end. A kind that has stopped is not waited for:

    audio   |=========|=========|====     `idle` seconds after the last picture came, video is idle: the windows close
    video   |====x    ·  idle             by the sound alone, and say that they were closed without video
    now     ----------------↑

A recording's windows close a moment after their end (docs/decisions/0001), a live source's at their end. When every
kind is idle, windows close as time goes on. A kind that still comes but lags by more than `lateness` is not waited for
either. Bounds come from the integer `k`, never from a sum, so that they do not drift.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from ebmc_core.modality import Modality
from stream.records import Window

ROUNDING = 0.02  # seconds; a stream that ends this close to a window's end fills it (one audio frame of AAC is 0.021)
SAME = 1e-6  # seconds; timestamps are sums


@dataclass(frozen=True, slots=True)
class ClosedWindow:
    """A window that is over. without: the kinds of frames that had stopped before its end."""

    window: Window
    without: frozenset[Modality] = frozenset()


@dataclass(slots=True)
class Arrivals:
    """When frames of one kind came, by the clock. last: the newest; interval: the usual time between two, seconds."""

    last: float
    interval: float = 0.0
    _before: float = 0.0

    def came(self, now: float) -> None:
        """One more; of two gaps the smaller is the usual one, so that an outage is not taken for a habit."""
        gap, self.last = max(0.0, now - self.last), now
        self.interval, self._before = min(gap, self._before), gap


@dataclass(slots=True)
class Windower:
    """Which windows are closed, given how far each kind of frames has come.

    kinds: the media the stream has (audio, video). size, hop, lateness, idle: seconds. first: the window to begin with;
    frames before it are only what came before. `now` in the calls below is
    event time as the clock tells it; leave it out and no kind is ever idle (files: their frames come when they are
    read).
    """

    stream: str
    kinds: frozenset[Modality]
    size: float
    hop: float
    lateness: float
    idle: float
    first: int = 0
    _seen: dict[Modality, float] = field(default_factory=dict[Modality, float])
    _came: dict[Modality, Arrivals] = field(default_factory=dict[Modality, Arrivals])
    _begun: float | None = None
    _next: int = field(init=False)

    def __post_init__(self) -> None:
        self._next = self.first

    def window(self, index: int) -> Window:
        """The bounds of window `index`."""
        start = index * self.hop
        return Window(self.stream, index, start, start + self.size)

    def push(self, kind: Modality, until: float, now: float | None = None) -> list[ClosedWindow]:
        """Frames of this kind were seen up to `until`; returns the windows that this closed, in order."""
        self._seen[kind] = max(until, self._seen.get(kind, 0.0))
        if now is not None:
            self._came.setdefault(kind, Arrivals(now)).came(now)
        return self.advance(now)

    def advance(self, now: float | None) -> list[ClosedWindow]:
        """Time went on: the windows that this closed, in order."""
        if now is not None and self._begun is None:
            self._begun = now
        closed: list[ClosedWindow] = []
        while self._seen and self._over((window := self.window(self._next)).end, now):
            gone = frozenset(kind for kind in self._short_of(window.end) if self._has_stopped(kind, now))
            closed.append(ClosedWindow(window, gone))
            self._next += 1
        return closed

    def complete(self, until: float) -> list[ClosedWindow]:
        """All frames before `until` have come; returns the windows that are over by it, in order."""
        closed: list[ClosedWindow] = []
        while (window := self.window(self._next)).end <= until + SAME:
            closed.append(ClosedWindow(window, frozenset(self._short_of(window.end - self.idle))))
            self._next += 1
        for kind in self.kinds:
            self._seen.setdefault(kind, 0.0)  # that nothing came of it is known
        return closed

    def next_deadline(self) -> float | None:
        """The `now` at which the next window closes if no frame comes; None while no clock was told."""
        if self._begun is None or not self._seen:
            return None
        end = self.window(self._next).end
        waited = [self._last_came(kind) + self.idle for kind in self._short_of(end)]
        return max([*waited, end] if len(waited) == len(self.kinds) else waited, default=self._begun)

    def finish(self) -> list[ClosedWindow]:
        """The stream has ended: the windows still open, the last one reaching past the end if it must.

        A stream that had any frame gets at least one window.
        """
        if not self._seen:
            return []
        end = max(self._seen.values())
        count = 1 + max(0, math.ceil((end - ROUNDING - self.size) / self.hop))
        rest = [self.window(index) for index in range(self._next, count)]
        self._next = max(self._next, count)
        return [ClosedWindow(one, frozenset(self._short_of(min(one.end, end) - self.idle))) for one in rest]

    def _over(self, end: float, now: float | None) -> bool:
        """Whether nothing that is worth waiting for can still come for a window that ends at `end`."""
        if now is None:
            end += ROUNDING  # a recording may end here, and what its end brings belongs to this window
        newest = max(self._seen.values())
        short = list(self._short_of(end))
        if len(short) == len(self.kinds) and (now is None or now < end):
            return False
        return all(self._is_idle(kind, now) or newest - self.lateness >= end for kind in short)

    def _short_of(self, end: float) -> Iterable[Modality]:
        return (kind for kind in sorted(self.kinds) if self._seen.get(kind, 0.0) < end - SAME)

    def _is_idle(self, kind: Modality, now: float | None) -> bool:
        return now is not None and now - self._last_came(kind) >= self.idle - SAME

    def _has_stopped(self, kind: Modality, now: float | None) -> bool:
        """Idle, and not merely slow: a camera of one picture a second is no camera that has gone."""
        interval = self._came[kind].interval if kind in self._came else 0.0
        return now is None or now - self._last_came(kind) >= max(self.idle, 2 * interval) - SAME

    def _last_came(self, kind: Modality) -> float:
        return self._came[kind].last if kind in self._came else self._begun or 0.0
