"""A named thread for heavy calls, so that the event loop stays free; a bounded number wait for it."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@dataclass(slots=True)
class Load:
    """How much a worker did. calls: number. busy: seconds."""

    calls: int = 0
    busy: float = 0.0


class Worker:
    """Runs calls one after the other in its own thread. `submit` waits while `limit` calls are pending."""

    def __init__(self, name: str, limit: int = 32) -> None:
        self.name, self.load = name, Load()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._room = asyncio.Semaphore(limit)

    async def submit(
        self, call: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> asyncio.Future[Result]:
        """Queue a call; the future holds its result. Returns as soon as there is room for it."""
        await self._room.acquire()
        future = asyncio.get_running_loop().run_in_executor(self._pool, lambda: self._timed(call, *args, **kwargs))
        future.add_done_callback(self._done)
        return future

    async def run(self, call: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        """Queue a call and wait for its result."""
        return await (await self.submit(call, *args, **kwargs))

    def close(self) -> None:
        """Drop what has not begun. Does not wait: the loop must never join a thread."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _done(self, future: asyncio.Future[Result]) -> None:
        self._room.release()
        if not future.cancelled():
            future.exception()  # seen: who awaits it gets it, and when nobody does any more the loop need not cry

    def _timed(self, call: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        start = time.perf_counter()
        try:
            return call(*args, **kwargs)
        finally:
            self.load.calls += 1
            self.load.busy += time.perf_counter() - start
