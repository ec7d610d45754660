"""One run from the outside: load, open sinks, run, drain, say how it went."""

import asyncio
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ebmc_core.errors import EbmcError
from ebmc_core.modality import Modality
from stream.apart.decoders import decoders_for
from stream.clock import WallClock
from stream.errors import INTERRUPTED
from stream.front_ends import FrontEnds, load_front_ends
from stream.fusion import open_fusion
from stream.health import Address, pages, watched
from stream.interrupting import interruptible
from stream.pipeline import Run, run
from stream.recording import Recorder
from stream.service import notifying
from stream.settings import Settings
from stream.sinks.sink import Metered, Sink
from stream.sources.source import Source
from stream.stats import RunStats
from stream.worker import Load


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. broken: one line for each source that could not be read to its end."""

    exit_code: int
    broken: tuple[str, ...]
    stats: RunStats


@dataclass(frozen=True, slots=True)
class Options:
    """How to run. begin: when the program started, in `time.monotonic()` seconds.

    record: a folder for everything that comes in. metrics: where to serve metrics and health, None for nowhere.
    """

    realtime: bool = False
    without: frozenset[Modality] = frozenset()
    record: Path | None = None
    metrics: Address | None = None
    begin: float = field(default_factory=time.monotonic)


def run_sources(
    sources: Sequence[Source],
    sinks: Sequence[Sink],
    settings: Settings,
    options: Options,
    report: Callable[[str], None],
) -> Outcome:
    """Load the models, run all sources to their end, close everything. Raises `EbmcError` when nothing can be run."""
    metrics, health = watched()
    with ExitStack() as stack:
        recorder = stack.enter_context(Recorder(options.record)) if options.record else None
        stack.enter_context(pages(options.metrics, metrics, health, report))
        stack.enter_context(notifying(health))
        front = stack.enter_context(load_front_ends(settings, report))
        engine = stack.enter_context(open_fusion(settings))
        stack.enter_context(decoders_for(sources, settings))
        for sink in sinks:
            if isinstance(sink, Metered):
                sink.report_to(metrics)
        loaded = time.monotonic()
        for source in sources:
            health.expect(source.name)
        health.loaded()
        this = Run(
            front, engine, sinks, WallClock(), settings, options.realtime, options.without, recorder, metrics, health
        )
        interrupted = asyncio.run(_run(sources, this, report))
        stats = RunStats(
            loaded - options.begin,
            time.monotonic() - loaded,
            this.media,
            this.events,
            {**_loads(front), **this.loads},
            metrics.summary(),
        )
    code = INTERRUPTED if interrupted else max((error.exit_code for error in this.broken), default=0)
    return Outcome(code, tuple(str(error) for error in this.broken), stats)


async def _run(sources: Sequence[Source], this: Run, report: Callable[[str], None]) -> bool:
    """Returns whether it was interrupted."""
    try:
        with _interruptible(this, report):
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


@contextmanager
def _interruptible(this: Run, report: Callable[[str], None]) -> Generator[None]:
    """The first Ctrl-C ends the sources and lets what is open become events; a second one, or a deadline, drops it."""
    deadlines: list[asyncio.TimerHandle] = []

    def asked(pipeline: asyncio.Task[object] | None) -> None:
        this.health.leaving()
        report("stopping: finishing the windows that are open (Ctrl-C again to drop them)")
        if pipeline:
            deadlines.append(asyncio.get_running_loop().call_later(this.settings.drain, pipeline.cancel))

    try:
        with interruptible(this.stop, asked):
            yield
    finally:
        for deadline in deadlines:
            deadline.cancel()


def _loads(front: FrontEnds) -> dict[str, Load]:
    return {worker.name: worker.load for worker in (front.listening, front.hearing, front.reading)}


def cause(error: BaseException) -> EbmcError | None:
    """The first error of ours inside a group of errors."""
    if isinstance(error, BaseExceptionGroup):
        return next((found for inner in error.exceptions if (found := cause(inner))), None)
    return error if isinstance(error, EbmcError) else None
