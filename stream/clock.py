"""The wall clock as an object, so that tests can replace it, and event time as it tells it."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Monotonic seconds, and a way to wait for them."""

    def now(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        ...

    async def sleep_until(self, moment: float) -> None:
        """Return once `now()` is at least `moment`."""
        ...


class WallClock:
    """The machine's monotonic clock."""

    def now(self) -> float:
        """Seconds since some fixed moment."""
        return time.monotonic()

    async def sleep_until(self, moment: float) -> None:
        """Sleep in the event loop."""
        await asyncio.sleep(max(0.0, moment - self.now()))


class EventClock:
    """Which event time it is now, learned from when frames come.

    A frame cannot come before its end, so the frame that came with the least delay of late tells the most: event time is
    the clock minus the least of (arrival - end of the frame) over the last `memory` to `2 * memory` seconds. It forgets,
    so that a source whose clock runs slow does not fall behind for ever.
    """

    def __init__(self, memory: float = 30.0) -> None:
        self._memory = memory
        self._begun = 0.0
        self._least: float | None = None
        self._before: float | None = None
        self._now = 0.0

    @property
    def known(self) -> bool:
        """Whether any frame came."""
        return self._least is not None

    def came(self, moment: float, end: float) -> None:
        """A frame that ends at event time `end` came at the clock's `moment`."""
        delay = moment - end
        if self._least is not None and moment - self._begun > self._memory:
            self._before, self._least, self._begun = self._least, None, moment
        if self._least is None:
            self._begun = self._begun or moment
        self._least = delay if self._least is None else min(self._least, delay)

    def at(self, moment: float) -> float:
        """The event time at the clock's `moment`, seconds; it never goes back."""
        self._now = max(self._now, moment - self._delay())
        return self._now

    def moment(self, event_time: float) -> float:
        """The clock's moment of an event time."""
        return event_time + self._delay()

    def _delay(self) -> float:
        known = [delay for delay in (self._least, self._before) if delay is not None]
        return min(known, default=0.0)
