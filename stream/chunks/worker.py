"""A worker from the outside: load the models, take part in the group until it is told to stop, say how it went."""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from engines.engine import Engine
from stream.chunks.counts import Counts, WorkMeters
from stream.chunks.shift import Duty, Shift
from stream.clock import WallClock
from stream.errors import SourceError
from stream.front_ends import FrontEnds, load_front_ends
from stream.fusion import open_fusion
from stream.health import Health, beating, pages, watched
from stream.interrupting import interruptible
from stream.kafka.faults import LOST, mend, told
from stream.kafka.library import quiet, require
from stream.metrics import Metrics
from stream.pipeline import Run
from stream.runner import Options
from stream.service import notifying
from stream.settings import Settings

log = logging.getLogger(__name__)
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds between two shifts


@dataclass(slots=True)
class Crew:
    """What all shifts of a worker share."""

    duty: Duty
    front: FrontEnds
    engine: Engine
    settings: Settings
    options: Options
    metrics: Metrics
    health: Health
    counts: Counts

    def run_for(self, shift: Shift) -> Run:
        """The pipeline of one shift."""
        return Run(
            self.front,
            self.engine,
            [shift],
            WallClock(),
            self.settings,
            without=self.options.without,
            metrics=self.metrics,
            health=self.health,
        )


def run_worker(duty: Duty, settings: Settings, options: Options, report: Callable[[str], None]) -> Counts:
    """Work until Ctrl-C or SIGTERM. Raises `EbmcError` when it cannot begin: brokers out of reach, wrong settings."""
    require()
    metrics, health = watched(_stream)
    counts = Counts(metrics=metrics)
    metrics.registry.register(WorkMeters(counts))
    with ExitStack() as stack:
        stack.enter_context(pages(options.metrics, metrics, health, report))
        stack.enter_context(notifying(health))
        stack.enter_context(quiet())
        front = stack.enter_context(load_front_ends(settings, report))
        engine = stack.enter_context(open_fusion(settings))
        crew = Crew(duty, front, engine, settings, options, metrics, health, counts)
        asyncio.run(_working(crew, report))
    return crew.counts


def _stream(name: str) -> str:
    """The stream of one of its runs, which have names of their own in a worker: `cam-1@3`."""
    return name.rpartition("@")[0] or name


async def _working(crew: Crew, report: Callable[[str], None]) -> None:
    """The loop beats between two shifts too: brokers that are away are no reason to restart the worker."""
    async with beating(crew.health):
        await _shifts(crew, report)


async def _shifts(crew: Crew, report: Callable[[str], None]) -> None:
    """One shift after the other; what ends one is told once."""
    ever, pause, stop = asyncio.Event(), FIRST_PAUSE, asyncio.Event()

    def joined() -> None:
        ever.set()
        crew.counts.shifts += 1
        crew.health.loaded()
        report(f"working on {crew.duty.chunks} in the group {crew.duty.group}; Ctrl-C ends it")

    def asked(_: object) -> None:
        crew.health.leaving()
        report("stopping: the others of the group go on from what is committed (Ctrl-C again to stop at once)")

    with interruptible(stop, asked):
        while not stop.is_set():
            begin = time.monotonic()
            kafka = crew.settings.kafka
            shift = Shift(crew.duty, crew.settings, kafka, crew.run_for, crew.engine.context, crew.counts, joined)
            error = await _one(shift, stop)
            if error is None:
                continue
            if not ever.is_set():
                where = f"kafka://{','.join(crew.duty.brokers)}/{crew.duty.chunks}"
                raise SourceError(f"{where}: {mend(error) or f'cannot be reached ({told(error)})'}") from error
            log.warning("the work broke off (%s) and begins again from what was committed", told(error))
            pause = FIRST_PAUSE if time.monotonic() - begin > LONGEST_PAUSE else min(2 * pause, LONGEST_PAUSE)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause * random.uniform(0.5, 1.0)):
                    await stop.wait()


async def _one(shift: Shift, stop: asyncio.Event) -> BaseException | None:
    """What a shift failed with, of the things that another one may be spared."""
    try:
        await shift.work(stop)
    except LOST as error:
        return error
    except BaseExceptionGroup as group:
        lost, other = group.split(LOST)
        if other or lost is None:
            raise
        return _first(lost)
    return None


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
