"""The chunks of a source, at its pace: copied where its media allow it, else encoded anew."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, suppress
from dataclasses import replace

from av.error import FFmpegError

from stream.chunks.chunk import Chunk
from stream.chunks.copying import copied
from stream.chunks.cutting import Cutter
from stream.chunks.errand import Ingest
from stream.chunks.live_cutting import LiveCutter
from stream.clock import WallClock
from stream.errors import SourceError
from stream.inbox import Arrival, Mark
from stream.records import AudioFrame, Frame, VideoFrame
from stream.sources.decoding import reason
from stream.sources.file import FileSource
from stream.sources.network import NetworkSource
from stream.sources.packets import MediaPacket, Packets
from stream.sources.source import Condition, Media

LIVE_LATENESS = 1.0  # seconds by which one kind of a live source may run ahead before it is not waited for


async def chunks_of(this: Ingest, run: str) -> AsyncGenerator[Chunk]:
    """The chunks of the source, at its pace."""
    source, how = this.source, (this.stream, run)
    if isinstance(source, FileSource) and not this.encode:
        found = await asyncio.to_thread(copied, source.path, *how, this.length, this.settings.lateness)
        if found is not None:
            this.copied, this.condition, late = True, Condition(), this.late
            async for chunk in _paced(iter(found), this):
                this.late = late + found.late
                yield chunk
            return
    this.copied = False
    if isinstance(source, NetworkSource) and not this.encode:
        async with source.open_packets() as packets:
            kinds, lateness = packets.kinds, LIVE_LATENESS if source.live else this.settings.lateness
            cutter = LiveCutter(*how, kinds, this.length, lateness, this.settings.video_rate)
            async with aclosing(_cut(this, cutter, packets)) as chunks:
                async for chunk in chunks:
                    yield chunk
        return
    async with source.open() as media:
        lateness = LIVE_LATENESS if source.live else this.settings.lateness
        async with aclosing(_cut(this, Cutter(*how, media.kinds, this.length, lateness), media)) as chunks:
            async for chunk in chunks:
                yield chunk


async def _cut(this: Ingest, cutter: Cutter | LiveCutter, media: Media | Packets) -> AsyncGenerator[Chunk]:
    """What comes, as chunks."""
    live, this.condition, late = this.source.live, media.condition, this.late
    items = media.items if isinstance(media, Packets) else media.frames
    try:
        async with aclosing(_coming(items, this)) as coming:
            async for item in coming:
                if live and cutter.origin is None and media.condition.origin is not None:
                    cutter.origin = time.time() - time.monotonic() + media.condition.origin
                chunks = await asyncio.to_thread(_push, cutter, item)
                this.late = late + cutter.late
                for chunk in chunks:
                    this.copied = isinstance(cutter, LiveCutter) and cutter.copied
                    yield chunk
    except SourceError as error:  # what came before is whole
        this.broken = error
    for chunk in await asyncio.to_thread(cutter.finish):
        yield chunk
    this.late = late + cutter.late


def _push(cutter: Cutter | LiveCutter, item: Frame | MediaPacket) -> list[Chunk]:
    if isinstance(cutter, LiveCutter):
        return cutter.push(item)
    return [] if isinstance(item, MediaPacket) else cutter.push(item)


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


async def _coming(
    items: AsyncGenerator[Frame | Mark | Arrival] | AsyncGenerator[Frame | MediaPacket], this: Ingest
) -> AsyncGenerator[Frame | MediaPacket]:
    """Frames and packets until the source ends or we are told to stop; at their pace if this is real time."""
    clock = WallClock()
    begin = clock.now()
    stopping = asyncio.ensure_future(this.stop.wait())
    following = aiter(items)
    try:
        while not this.stop.is_set():
            coming = asyncio.ensure_future(anext(following, None))
            await asyncio.wait([coming, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                coming.cancel()
                await asyncio.wait([coming])
                return
            item = coming.result()
            if item is None:
                return
            if isinstance(item, AudioFrame | VideoFrame):
                if this.realtime and not this.source.live:
                    await _stoppable(clock, begin + item.end, this.stop)
                yield item
            elif isinstance(item, MediaPacket):
                yield item
    finally:
        stopping.cancel()
        await items.aclose()


async def _stoppable(clock: WallClock, moment: float, stop: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, moment - clock.now())):
            await stop.wait()
