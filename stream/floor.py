"""The least of a noisy value over the last minute: what is left when delay, which only adds, is taken away. Pure."""

from collections import deque

REACH = 60.0  # seconds; a burst of delay shorter than this moves nothing
BUCKET = 5.0  # seconds


class Floor:
    """The least value of the last `REACH` seconds, kept as one number per `BUCKET`.

    Delay between two clocks is a constant, plus drift, plus jitter that is never negative; so the least of a
    minute of frames follows the drift, late by at most `REACH` times its rate (12 ms at 200 ppm), and not the jitter.
    """

    def __init__(self) -> None:
        self._buckets: deque[tuple[int, float]] = deque()
        self._older = float("inf")  # least of all buckets but the newest
        self._first = 0.0
        self.newest = float("-inf")

    def push(self, when: float, value: float) -> None:
        """Take one value. when: seconds, not falling."""
        number = int(when // BUCKET)
        if when - self.newest > 2 * BUCKET:  # what is older than a pause says nothing about now
            self.clear()
        if not self._buckets:
            self._first = when
        self.newest = when
        if self._buckets and self._buckets[-1][0] == number:
            if value < self._buckets[-1][1]:
                self._buckets[-1] = number, value
            return
        self._buckets.append((number, value))
        while self._buckets[0][0] <= number - REACH / BUCKET:
            self._buckets.popleft()
        self._older = min((least for _, least in list(self._buckets)[:-1]), default=float("inf"))

    @property
    def value(self) -> float:
        """The floor; only when something was pushed."""
        return min(self._older, self._buckets[-1][1])

    @property
    def span(self) -> float:
        """Seconds from the first value to the newest."""
        return self.newest - self._first if self._buckets else 0.0

    @property
    def recent(self) -> float:
        """The least of the last 5 to 10 seconds; minus infinity until there were 5."""
        return min(self._buckets[-2][1], self._buckets[-1][1]) if len(self._buckets) > 1 else float("-inf")

    def clear(self) -> None:
        """Forget everything: the clock behind the values has changed."""
        self._buckets.clear()
        self._older = float("inf")
