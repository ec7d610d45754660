"""How long to wait before the next attempt."""

import random


class Backoff:
    """Exponential waits with jitter, so that many streams do not all come back to a server at once.

    first, most: seconds. Each wait is twice the one before, up to `most`, and then between half and all of that.
    A few lines of our own: libraries for retrying report every attempt, through settings that the whole process shares.
    """

    def __init__(self, first: float, most: float, chance: random.Random | None = None) -> None:
        self._first, self._most, self._chance = first, most, chance or random.Random()
        self._failures = 0

    def next(self) -> float:
        """Seconds to wait after one more failure."""
        wait = min(self._most, self._first * 2.0 ** min(self._failures, 32))
        self._failures += 1
        return wait * self._chance.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It worked."""
        self._failures = 0
