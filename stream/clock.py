"""The wall clock as an object, so that tests can replace it."""

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
