"""A source into chunks on a topic.

What the brokers do not take for a while is kept on disk, in order; a source that can wait does so before that.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass, field, replace

from av.error import FFmpegError

from stream.chunks.chunk import LARGEST, Chunk
from stream.chunks.copying import copied
from stream.chunks.cutting import Cutter
from stream.clock import WallClock
from stream.errors import INTERRUPTED, SourceError
from stream.health import Health, beating
from stream.interrupting import interruptible
from stream.kafka.address import Address
from stream.kafka.backlog import Backlog
from stream.kafka.delivery import Delivery
from stream.kafka.library import quiet, require
from stream.kafka.message import Message
from stream.kafka.report import Report
from stream.kafka.spill import open_spill
from stream.records import AudioFrame, VideoFrame
from stream.service import notifying
from stream.settings import Settings
from stream.sources.decoding import reason
from stream.sources.file import FileSource
from stream.sources.replay import ReplaySource
from stream.sources.source import Media, Source

MEBIBYTE = 1024 * 1024
WAITING = 16  # chunks without acknowledgement that a source which can wait does not exceed
LIVE_LATENESS = 1.0  # seconds by which one kind of a live source may run ahead before it is not waited for


@dataclass(slots=True)
class Ingest:
    """What is to be done, and what was done. length: of a chunk, seconds. stop: set it to end.

    copied: whether the media was cut without encoding it anew; None while that is not known.
    """

    source: Source
    address: Address
    settings: Settings
    stream: str
    length: float = 1.0
    realtime: bool = False
    progress: Callable[["Ingest"], None] = lambda _: None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    chunks: int = 0
    media: float = 0.0
    size: int = 0
    late: int = 0
    copied: bool | None = None
    left: int = 0
    broken: SourceError | None = None
    health: Health = field(default_factory=Health)

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
    this.health.expect(this.stream)
    this.health.loaded()  # there is no model here
    with notifying(this.health):
        asyncio.run(_ingest(this, report))


async def _ingest(this: Ingest, report: Callable[[str], None]) -> None:
    kafka = this.settings.kafka.model_copy(
        update={"memory": WAITING, "in_flight": 4, "compression": "none", "linger_ms": 0, "max_message_bytes": LARGEST}
    )
    run = kafka.run or uuid.uuid4().hex

    def asked(_: object) -> None:
        this.health.leaving()
        report("stopping: sending what is cut (Ctrl-C again to leave it)")

    async with AsyncExitStack() as stack:
        stack.enter_context(quiet())
        stack.enter_context(interruptible(this.stop, asked))
        await stack.enter_async_context(beating(this.health))
        spill = open_spill(kafka.spill, this.address, kafka.spill_mib * MEBIBYTE, kafka.spill_age)
        told = Report(this.address)
        backlog = Backlog(spill, kafka.memory, told.dropped)
        stack.callback(lambda: _keep(this, backlog, told))
        delivery = Delivery(this.address, kafka, backlog, told)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        delivering = tasks.create_task(delivery.run())
        stack.callback(delivering.cancel)
        if unusable := await delivery.unusable():
            raise unusable
        try:
            async with aclosing(_chunks(this, run)) as chunks:
                async for chunk in chunks:
                    await _deliver(this, chunk, delivery, backlog)
        except SourceError as error:
            if not this.chunks:
                raise
            this.broken = error
        delivery.end()
        await asyncio.wait([delivering], timeout=kafka.close_timeout)


async def _deliver(this: Ingest, chunk: Chunk, delivery: Delivery, backlog: Backlog) -> None:
    """Put it with what is to be delivered; a source that can wait does, while too much is there."""
    now = round(time.time() * 1000)
    delivery.put(Message(chunk.stream.encode(), chunk.media, chunk.dated(now), now))
    this.chunks += 1
    this.media, this.size = chunk.end, this.size + len(chunk.media)
    this.progress(this)
    while not this.source.live and not this.stop.is_set() and backlog.waiting >= WAITING:
        await delivery.moved()


async def _chunks(this: Ingest, run: str) -> AsyncGenerator[Chunk]:
    """The chunks of the source, at its pace."""
    if isinstance(this.source, FileSource):
        found = await asyncio.to_thread(copied, this.source.path, this.stream, run, this.length)
        if found is not None:
            this.copied = True
            this.health.forget(this.stream)  # it was there, and nothing of it is waited for
            async for chunk in _paced(found, this):
                yield chunk
            return
    this.copied = False
    async with this.source.open() as media:
        this.health.source(this.stream, media.condition)
        live = this.source.live
        lateness = LIVE_LATENESS if live else this.settings.lateness
        cutter = Cutter(this.stream, run, media.kinds, this.length, lateness)
        try:
            async with aclosing(_frames(media, this)) as frames:
                async for frame in frames:
                    if live and cutter.origin is None and media.condition.origin is not None:
                        cutter.origin = time.time() - time.monotonic() + media.condition.origin
                    for chunk in await asyncio.to_thread(cutter.push, frame):
                        yield chunk
        except SourceError as error:  # what came before is whole
            this.broken = error
        for chunk in await asyncio.to_thread(cutter.finish):
            yield chunk
        this.late = cutter.late


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
                if this.realtime:
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
