"""How much a client may send: a bucket that fills steadily and that messages draw from."""

import time
from collections.abc import Callable

BURST = 3.0  # seconds of the rate that may come at once: a browser sends what piled up behind a slow network


class Allowance:
    """`rate` per second on average, with bursts. now: the clock, seconds."""

    def __init__(self, rate: float, now: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._most, self._now = rate, rate * BURST, now
        self._left, self._since = self._most, now()

    def take(self, amount: float) -> bool:
        """Whether so much may come now; if so, it is counted."""
        now = self._now()
        self._left = min(self._most, self._left + (now - self._since) * self._rate)
        self._since = now
        if amount > self._left:
            return False
        self._left -= amount
        return True
