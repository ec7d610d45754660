"""The wall clock without the moments in which the machine stood still."""

import asyncio
import time

MOST = 0.1  # seconds that may pass between two looks at the clock; what goes beyond is a stall of the machine
LOOK = 0.02  # seconds between two looks while somebody waits


class SteadyClock:
    """Seconds as on the wall, while somebody waits for them; a stall of the process counts as `MOST` and no more.

    Frames that are due meanwhile then do not come all at once, as from a camera that stood still as well.
    """

    def __init__(self) -> None:
        self._moment, self._looked = 0.0, time.monotonic()

    def now(self) -> float:
        looked = time.monotonic()
        self._moment += min(MOST, looked - self._looked)
        self._looked = looked
        return self._moment

    async def sleep_until(self, moment: float) -> None:
        while True:
            left = moment - self.now()
            if left <= 0:
                return
            await asyncio.sleep(min(left, LOOK))
