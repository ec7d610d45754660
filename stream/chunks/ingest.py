"""A source into chunks on a topic.

What the brokers do not take for a while is kept on disk, in order; a source that can wait does so before that.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, aclosing, suppress
from dataclasses import dataclass, field, replace
from itertools import count

from av.error import FFmpegError

from stream.chunks.chunk import LARGEST, Chunk
from stream.chunks.copying import copied
from stream.chunks.cutting import Cutter
from stream.chunks.ingest_meters import IngestMeters
from stream.clock import WallClock
from stream.errors import INTERRUPTED, SourceError
from stream.health import Address as Listening
from stream.health import Health, pages, watched
from stream.interrupting import interruptible
from stream.kafka.address import Address
from stream.kafka.backlog import Backlog
from stream.kafka.delivery import Delivery
from stream.kafka.library import quiet, require
from stream.kafka.message import Message
from stream.kafka.report import Report
from stream.kafka.spill import open_spill
from stream.metrics import Metrics
from stream.records import AudioFrame, VideoFrame
from stream.service import notifying
from stream.settings import Settings
from stream.sources.decoding import reason
from stream.sources.file import FileSource
from stream.sources.pipe import PipeSource
from stream.sources.replay import ReplaySource
from stream.sources.source import Condition, Link, Media, Source

MEBIBYTE = 1024 * 1024
WAITING = 16  # chunks without acknowledgement that a source which can wait does not exceed
TELL = 0.5  # seconds between two looks at the source, for the meters
LIVE_LATENESS = 1.0  # seconds by which one kind of a live source may run ahead before it is not waited for


@dataclass(slots=True)
class Ingest:
    """What is to be done, and what was done. length: of a chunk, seconds. stop: set it to end.

    loop: begin a file again at its end, each time as a run of its own. metrics: where to serve metrics and health.
    copied: whether the media was cut without encoding it anew; None while that is not known. media: seconds that were
    cut; before: those of runs that are over. condition: the source's. lag: from the end of the newest chunk of a live
    source until it was cut, seconds.
    """

    source: Source
    address: Address
    settings: Settings
    stream: str
    length: float = 1.0
    realtime: bool = False
    loop: bool = False
    metrics: Listening | None = None
    progress: Callable[["Ingest"], None] = lambda _: None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    chunks: int = 0
    media: float = 0.0
    before: float = 0.0
    size: int = 0
    late: int = 0
    copied: bool | None = None
    left: int = 0
    condition: Condition = field(default_factory=lambda: Condition(Link.WAITING))
    lag: float | None = None
    broken: SourceError | None = None

    @property
    def exit_code(self) -> int:
        """Of the command."""
        if self.stop.is_set():
            return INTERRUPTED
        return self.broken.exit_code if self.broken else 0


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
                async with aclosing(_chunks(this, run)) as chunks:
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


async def _chunks(this: Ingest, run: str) -> AsyncGenerator[Chunk]:
    """The chunks of the source, at its pace."""
    if isinstance(this.source, FileSource):
        found = await asyncio.to_thread(copied, this.source.path, this.stream, run, this.length)
        if found is not None:
            this.copied, this.condition = True, Condition()
            async for chunk in _paced(found, this):
                yield chunk
            return
    this.copied = False
    async with this.source.open() as media:
        live, this.condition = this.source.live, media.condition
        lateness = LIVE_LATENESS if live else this.settings.lateness
        late = this.late
        cutter = Cutter(this.stream, run, media.kinds, this.length, lateness)
        try:
            async with aclosing(_frames(media, this)) as frames:
                async for frame in frames:
                    if live and cutter.origin is None and media.condition.origin is not None:
                        cutter.origin = time.time() - time.monotonic() + media.condition.origin
                    for chunk in await asyncio.to_thread(cutter.push, frame):
                        this.late = late + cutter.late
                        yield chunk
        except SourceError as error:  # what came before is whole
            this.broken = error
        for chunk in await asyncio.to_thread(cutter.finish):
            yield chunk
        this.late = late + cutter.late


async def _paced(found: Iterator[Chunk], this: Ingest) -> AsyncGenerator[Chunk]:
    """Chunks that are cut in a thread; at the pace of their event time if this is real time."""
    clock = WallClock()
    begin = clock.now()
    try:
        while not this.stop.is_set() and (chunk := await asyncio.to_thread(next, found, None)):
            if this.realtime:
                await _stoppable(clock, begin + chunk.end, this.stop)
            yield replace(chunk, last=True) if this.stop.is_set() else chunk
    except FFmpegError as error:
        raise SourceError(f"{this.source.name}: reading broke off ({reason(error)})") from error


async def _frames(media: Media, this: Ingest) -> AsyncGenerator[AudioFrame | VideoFrame]:
    """Frames until the source ends or we are told to stop; at their pace if this is real time."""
    clock = WallClock()
    begin = clock.now()
    stopping = asyncio.ensure_future(this.stop.wait())
    frames = aiter(media.frames)
    try:
        while not this.stop.is_set():
            coming = asyncio.ensure_future(anext(frames, None))
            await asyncio.wait([coming, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                coming.cancel()
                await asyncio.wait([coming])
                return
            frame = coming.result()
            if frame is None:
                return
            if isinstance(frame, AudioFrame | VideoFrame):
                if this.realtime and not this.source.live:
                    await _stoppable(clock, begin + frame.end, this.stop)
                yield frame
    finally:
        stopping.cancel()
        await media.frames.aclose()


async def _stoppable(clock: WallClock, moment: float, stop: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, moment - clock.now())):
            await stop.wait()


def _keep(this: Ingest, backlog: Backlog, told: Report) -> None:
    this.left = backlog.keep_rest()
    told.sum_up(this.left)
