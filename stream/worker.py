"""A named lane of heavy calls in a pool of threads, so that the event loop stays free; a bounded number wait for it."""

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

RECENT = 16  # calls that count for how long one takes of late


@dataclass(slots=True)
class Load:
    """How much a worker did. calls: number. busy: seconds; recent: of a call of late."""

    calls: int = 0
    busy: float = 0.0
    recent: float = 0.0

    def add(self, seconds: float) -> None:
        """One more call."""
        self.calls += 1
        self.busy += seconds
        self.recent += (seconds - self.recent) / min(self.calls, RECENT)


def made_to_stand_back(nice: int, make: Callable[[], Result]) -> Result:
    """Make something whose own native threads stand back for others by `nice`: threads inherit that from their maker.

    Threads that run Python must not stand back: one that is put aside while it holds the interpreter's lock holds up
    all others. Where the system knows no priority of a thread they are as any other.
    """

    def lowered() -> Result:
        with suppress(OSError, AttributeError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)
        return make()

    with ThreadPoolExecutor(1, thread_name_prefix="maker") as maker:
        return maker.submit(lowered).result()


class Worker:
    """Runs calls in the order they came, `width` of them side by side. `submit` waits while `limit` calls are pending.

    pool: threads that are shared with other workers; without it the worker has threads of its own. What works for one
    stream, or keeps something between calls, has a width of 1.
    """

    def __init__(self, name: str, pool: ThreadPoolExecutor | None = None, limit: int = 32, width: int = 1) -> None:
        self.name, self.load = name, Load()
        self._own = None if pool else ThreadPoolExecutor(width, thread_name_prefix=name)
        self._pool = pool or self._own
        self._limit, self._width, self._closed = limit, width, False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._forget()

    @property
    def backlog(self) -> float:
        """Seconds until a new call would begin, going by what calls took of late."""
        return len(self._waiting) * self.load.recent / self._width

    async def submit(
        self, call: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> asyncio.Future[Result]:
        """Queue a call; the future holds its result. Returns as soon as there is room for it."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # a worker may outlive a loop; what was going on there is nobody's business any more
            self._loop = loop
            self._forget()
        await self._room.acquire()
        future: asyncio.Future[Result] = loop.create_future()
        future.add_done_callback(self._seen)
        self._waiting.append((partial(call, *args, **kwargs), future))
        self._begin()
        return future

    async def run(self, call: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        """Queue a call and wait for its result."""
        return await (await self.submit(call, *args, **kwargs))

    def close(self) -> None:
        """Drop what has not begun. Does not wait: the loop must never join a thread."""
        self._closed = True
        if self._loop and not self._loop.is_closed():  # else nobody waits any more
            for _, future in self._waiting:
                future.cancel()
        self._waiting.clear()
        if self._own:
            self._own.shutdown(wait=False, cancel_futures=True)

    def _forget(self) -> None:
        self._room, self._running = asyncio.Semaphore(self._limit), 0
        self._waiting: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()

    def _begin(self) -> None:
        while self._waiting and self._running < self._width and not self._closed:
            call, future = self._waiting.popleft()
            if future.done():  # nobody wants it any more
                self._room.release()
                continue
            self._running += 1
            job = asyncio.get_running_loop().run_in_executor(self._pool, self._timed, call)
            job.add_done_callback(partial(self._finished, future))

    def _finished(self, future: asyncio.Future[Any], job: asyncio.Future[Any]) -> None:
        self._running -= 1
        self._room.release()
        if job.cancelled():
            future.cancel()
        elif not future.done():
            if error := job.exception():
                future.set_exception(error)
            else:
                future.set_result(job.result())
        self._begin()

    @staticmethod
    def _seen(future: asyncio.Future[Any]) -> None:
        if not future.cancelled():
            future.exception()  # who awaits it gets it, and when nobody does any more the loop need not cry

    def _timed(self, call: Callable[[], Result]) -> Result:
        start = time.perf_counter()
        try:
            return call()
        finally:
            self.load.add(time.perf_counter() - start)
