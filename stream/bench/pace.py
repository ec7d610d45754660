"""A clock that runs faster than the wall's, so that hours of a stream can be tried in minutes."""

import asyncio
import threading
import time


class PaceClock:
    """Seconds that pass `speed` times as fast as on the wall. The pipeline and the sources of a run share it."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed

    def now(self) -> float:
        """Seconds since some fixed moment, of this clock; may be asked from any thread."""
        return time.monotonic() * self.speed

    async def sleep_until(self, moment: float) -> None:
        """Sleep in the event loop."""
        await asyncio.sleep(self._left(moment))

    def wait_until(self, moment: float, stop: threading.Event) -> bool:
        """Block a thread until `moment`, or until `stop` is set; returns whether it is set."""
        left = self._left(moment)
        return stop.wait(left) if left > 0 else stop.is_set()

    def wall_ms(self, seconds: float) -> float:
        """Seconds of this clock in milliseconds of the wall's."""
        return 1000 * seconds / self.speed

    def _left(self, moment: float) -> float:
        return max(0.0, (moment - self.now()) / self.speed)
