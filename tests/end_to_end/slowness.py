"""How much slower than alone a program runs just now, since the machine has other work."""

import threading
import time
from types import TracebackType
from typing import Self

BURST = 0.005  # seconds of work at a time
PAUSE = 0.05  # seconds between two bursts, so that measuring costs the program little


class Slowness:
    """Works a little, all the while the block runs. factor: how many times as long as its own time that work took."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._worked = self._took = 0.0
        self._thread = threading.Thread(target=self._measure, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    @property
    def factor(self) -> float:
        """At least 1."""
        return max(1.0, self._took / self._worked) if self._worked else 1.0

    def _measure(self) -> None:
        while not self._over.wait(PAUSE):
            begin, worked = time.monotonic(), time.thread_time()
            while time.thread_time() - worked < BURST:
                pass
            self._took += time.monotonic() - begin
            self._worked += time.thread_time() - worked
