"""A source into chunks on a topic.

What the brokers do not take for a while is kept on disk, in order; a source that can wait does so before that.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, ExitStack, aclosing
from itertools import count

from stream.chunks.chunk import LARGEST, Chunk
from stream.chunks.errand import Ingest
from stream.chunks.ingest_meters import IngestMeters
from stream.chunks.source_chunks import chunks_of
from stream.errors import SourceError
from stream.health import Health, pages, watched
from stream.interrupting import interruptible
from stream.kafka.backlog import Backlog
from stream.kafka.delivery import Delivery
from stream.kafka.library import quiet, require
from stream.kafka.message import Message
from stream.kafka.report import Report
from stream.kafka.spill import open_spill
from stream.metrics import Metrics
from stream.service import notifying
from stream.sources.pipe import PipeSource
from stream.sources.replay import ReplaySource

MEBIBYTE = 1024 * 1024
WAITING = 16  # chunks without acknowledgement that a source which can wait does not exceed
TELL = 0.5  # seconds between two looks at the source, for the meters


def ingest(this: Ingest, report: Callable[[str], None]) -> None:
    """Run it to its end. Raises `EbmcError` when it cannot begin."""
    require()
    if isinstance(this.source, ReplaySource):
        raise SourceError("replay: is a recorded session, which ebmc run plays again; ebmc ingest takes media")
    if this.loop and isinstance(this.source, PipeSource):
        raise SourceError("--loop: standard input cannot begin again; leave it out, or name a file")
    metrics, health = watched()
    metrics.registry.register(IngestMeters(this))
    with ExitStack() as stack:
        stack.enter_context(pages(this.metrics, metrics, health, report))
        stack.enter_context(notifying(health))
        asyncio.run(_ingest(this, metrics, health, report))


async def _ingest(this: Ingest, metrics: Metrics, health: Health, report: Callable[[str], None]) -> None:
    kafka = this.settings.kafka.model_copy(
        update={"memory": WAITING, "in_flight": 4, "compression": "none", "linger_ms": 0, "max_message_bytes": LARGEST}
    )

    def asked(_: object) -> None:
        health.leaving()
        report("stopping: sending what is cut (Ctrl-C again to leave it)")

    async with AsyncExitStack() as stack:
        stack.enter_context(quiet())
        stack.enter_context(interruptible(this.stop, asked))
        spill = open_spill(kafka.spill, this.address, kafka.spill_mib * MEBIBYTE, kafka.spill_age)
        told = Report(this.address)
        told.metrics = metrics
        backlog = Backlog(spill, kafka.memory, told.dropped)
        stack.callback(lambda: _keep(this, backlog, told))
        delivery = Delivery(this.address, kafka, backlog, told)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        delivering = tasks.create_task(delivery.run())
        stack.callback(delivering.cancel)
        stack.callback(tasks.create_task(_tell(this, metrics, health)).cancel)
        if unusable := await delivery.unusable():
            raise unusable
        try:
            async for run in _runs(this, kafka.run or uuid.uuid4().hex):
                async with aclosing(chunks_of(this, run)) as chunks:
                    async for chunk in chunks:
                        await _deliver(this, chunk, delivery, backlog)
        except SourceError as error:
            if not this.chunks:
                raise
            this.broken = error
        delivery.end()
        await asyncio.wait([delivering], timeout=kafka.close_timeout)


async def _runs(this: Ingest, name: str) -> AsyncGenerator[str]:
    """Names of runs: one, or as many as the file is begun again."""
    yield name
    for number in count(2):
        if not this.loop or this.stop.is_set() or this.broken or not this.chunks:
            return
        this.before = this.media
        yield f"{name}-{number}"


async def _tell(this: Ingest, metrics: Metrics, health: Health) -> None:
    """The meters and the health pages, until it is cancelled."""
    health.loaded()  # there are no models here
    while True:
        health.beat()
        health.source(this.stream, this.condition)
        metrics.source(this.stream, this.condition)
        await asyncio.sleep(TELL)


async def _deliver(this: Ingest, chunk: Chunk, delivery: Delivery, backlog: Backlog) -> None:
    """Put it with what is to be delivered; a source that can wait does, while too much is there."""
    now = round(time.time() * 1000)
    if chunk.origin is not None:
        this.lag = max(0.0, now / 1000 - chunk.origin - chunk.end)
    delivery.put(Message(chunk.stream.encode(), chunk.media, chunk.dated(now), now))
    this.chunks += 1
    this.media, this.size = this.before + chunk.end, this.size + len(chunk.media)
    this.progress(this)
    while not this.source.live and not this.stop.is_set() and backlog.waiting >= WAITING:
        await delivery.moved()


def _keep(this: Ingest, backlog: Backlog, told: Report) -> None:
    this.left = backlog.keep_rest()
    this.lost = told.lost
    told.sum_up(this.left)
