"""A clock that a test moves."""

import asyncio


class ManualClock:
    """Stands still until `advance`; whoever waits for a moment that is reached is woken."""

    def __init__(self, moment: float = 100.0) -> None:
        self._moment = moment
        self._waiting: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self._moment

    async def sleep_until(self, moment: float) -> None:
        if moment > self._moment:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append((moment, future))
            await future

    async def advance(self, seconds: float, step: float = 0.01) -> None:
        """Let time pass in small steps, and let everybody who woke up go on."""
        end = self._moment + seconds
        while self._moment < end - 1e-9:
            self._moment = min(end, self._moment + step)
            for moment, future in self._waiting:
                if moment <= self._moment and not future.done():
                    future.set_result(None)
            self._waiting = [one for one in self._waiting if not one[1].done()]
            for _ in range(5):
                await asyncio.sleep(0)
