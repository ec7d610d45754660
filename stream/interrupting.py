"""Ctrl-C and SIGTERM: the first asks for an end, the second does not wait for it."""

import asyncio
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress


@contextmanager
def interruptible(stop: asyncio.Event, asked: Callable[[asyncio.Task[object] | None], None]) -> Generator[None]:
    """The first signal calls `asked` with the task of the block and sets `stop`; another one cancels the task.

    The loop keeps its handlers after the block: what is closed there must not be torn apart.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def interrupt() -> None:
        if not stop.is_set():
            asked(task)
        elif task:
            task.cancel()
        stop.set()

    with suppress(NotImplementedError):  # Windows has no signal handlers on the loop
        loop.add_signal_handler(signal.SIGINT, interrupt)
        loop.add_signal_handler(signal.SIGTERM, interrupt)
    yield
