"""One run from the outside: load, open sinks, run, drain, say how it went."""

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass

from ebmc_core.errors import EbmcError
from ebmc_core.modality import Modality
from engines.selection import open_engine
from stream.clock import WallClock
from stream.errors import INTERRUPTED
from stream.front_ends import FrontEnds, load_front_ends
from stream.pipeline import Run, run
from stream.settings import Settings
from stream.sinks.sink import Sink
from stream.sources.source import Source
from stream.stats import RunStats
from stream.worker import Load


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. broken: one line for each source that could not be read to its end."""

    exit_code: int
    broken: tuple[str, ...]
    stats: RunStats


def run_sources(
    sources: Sequence[Source],
    sinks: Sequence[Sink],
    settings: Settings,
    realtime: bool,
    without: frozenset[Modality],
    begin: float,
    report: Callable[[str], None],
) -> Outcome:
    """Load the models, run all sources to their end, close everything.

    begin: when the program started, in `time.monotonic()` seconds. Raises `EbmcError` when nothing can be run.
    """
    with load_front_ends(settings, report) as front, open_engine(settings.engine, settings.checkpoint) as engine:
        loaded = time.monotonic()
        this = Run(front, engine, sinks, WallClock(), settings, realtime, without)
        interrupted = asyncio.run(_run(sources, this, report))
        stats = RunStats(
            loaded - begin, time.monotonic() - loaded, this.media, this.events, {**_loads(front), **this.loads}
        )
    code = INTERRUPTED if interrupted else max((error.exit_code for error in this.broken), default=0)
    return Outcome(code, tuple(str(error) for error in this.broken), stats)


async def _run(sources: Sequence[Source], this: Run, report: Callable[[str], None]) -> bool:
    """Returns whether it was interrupted. The first Ctrl-C ends the sources, a second one drops what is not out yet."""
    loop, pipeline = asyncio.get_running_loop(), asyncio.current_task()

    def interrupt() -> None:
        if this.stop.is_set() and pipeline:
            pipeline.cancel()
        this.stop.set()
        report("stopping: finishing the windows that are open (Ctrl-C again to drop them)")

    with suppress(NotImplementedError):  # Windows has no signal handlers on the loop
        loop.add_signal_handler(signal.SIGINT, interrupt)
        loop.add_signal_handler(signal.SIGTERM, interrupt)
    try:
        async with AsyncExitStack() as stack:
            for sink in this.sinks:
                await stack.enter_async_context(sink)
            await run(sources, this)
    except asyncio.CancelledError:
        if not this.stop.is_set():
            raise
    except BaseExceptionGroup as group:
        if error := cause(group):
            raise error from group
        raise
    return this.stop.is_set()


def _loads(front: FrontEnds) -> dict[str, Load]:
    return {worker.name: worker.load for worker in (front.listening, front.hearing, front.reading)}


def cause(error: BaseException) -> EbmcError | None:
    """The first error of ours inside a group of errors."""
    if isinstance(error, BaseExceptionGroup):
        return next((found for inner in error.exceptions if (found := cause(inner))), None)
    return error if isinstance(error, EbmcError) else None
