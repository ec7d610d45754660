"""The whole flow on one screen.

    source ─frames─▶ session ─closed windows─▶ features ─▶ engine ─▶ event ─▶ sinks

Each arrow is a bounded channel; a stage that ends closes its end, so the end of a source drains through to the sinks.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from ebmc_core.modality import Modality
from engines.engine import Engine
from stream.batcher import Batcher
from stream.channel import Channel
from stream.clock import Clock
from stream.errors import SourceError
from stream.event import EngineName, Latency, SentimentEvent, event_from
from stream.front_ends import FrontEnds
from stream.records import AudioFrame, Frame, WindowFeatures
from stream.session import Closing, Session
from stream.settings import Settings
from stream.sinks.sink import Sink
from stream.sources.source import Media, Source
from stream.worker import Load, Worker

FRAMES, WINDOWS, BATCH = 32, 8, 64  # limits of the channels, and the most windows fused at once


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """A window whose features are complete. captured: when its last frame came in, on the clock."""

    features: WindowFeatures
    captured: float


@dataclass(slots=True)
class Run:
    """What a pipeline needs, and what it found out.

    realtime: frames are paced by their timestamps, and windows do not wait for speech recognition.
    stop: set it and the sources end as if they were over. broken: sources that could not be read to their end.
    media: seconds of event time that were seen, summed over the streams. loads: what each worker did.
    """

    front: FrontEnds
    engine: Engine
    sinks: Sequence[Sink]
    clock: Clock
    settings: Settings
    realtime: bool = False
    without: frozenset[Modality] = frozenset()
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    broken: list[SourceError] = field(default_factory=list[SourceError])
    media: float = 0.0
    events: int = 0
    loads: dict[str, Load] = field(default_factory=dict[str, Load])


async def run(sources: Sequence[Source], this: Run) -> None:
    """Turn sources into events until all of them have ended. A broken source does not stop the others."""
    ready: Channel[Ready] = Channel(BATCH)
    events: Channel[SentimentEvent] = Channel(BATCH)
    async with asyncio.TaskGroup() as tasks:
        streams = [tasks.create_task(stream_windows(source, ready, this)) for source in sources]
        tasks.create_task(close_after(streams, ready))
        tasks.create_task(infer(ready, events, this))
        tasks.create_task(publish(events, this))


async def stream_windows(source: Source, ready: Channel[Ready], this: Run) -> None:
    """One source from its first frame to its last window."""
    frames: Channel[Frame] = Channel(FRAMES)
    closed: Channel[Closing] = Channel(WINDOWS)
    try:
        async with source.open() as media:
            patient = not (this.realtime or source.live)
            session = Session(source.name, media.kinds, this.without, this.front, this.settings, this.clock, patient)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(ingest(media, frames, this))
                    tasks.create_task(observe(frames, session, closed))
                    tasks.create_task(assemble(closed, session, ready))
            finally:
                this.loads |= session.loads
                await session.close()
    except SourceError as error:
        this.broken.append(error)


async def ingest(media: Media, frames: Channel[Frame], this: Run) -> None:
    """Read the source, at the pace of its timestamps if this is real time."""
    begin, end = this.clock.now(), 0.0
    try:
        async with aclosing(media.frames) as source:
            async for frame in source:
                if this.stop.is_set():
                    break
                until = frame.end if isinstance(frame, AudioFrame) else frame.pts
                if this.realtime:
                    await this.clock.sleep_until(begin + until)
                await frames.send(frame)
                end = max(end, until)
    except SourceError as error:  # what was decoded before is still reported
        this.broken.append(error)
    this.media += end
    await frames.close()


async def observe(frames: Channel[Frame], session: Session, closed: Channel[Closing]) -> None:
    """Begin the work on each frame, and pass on the windows that it closed."""
    async for frame in frames:
        for closing in await session.take(frame):
            await closed.send(closing)
    for closing in await session.finish():
        await closed.send(closing)
    await closed.close()


async def assemble(closed: Channel[Closing], session: Session, ready: Channel[Ready]) -> None:
    """Wait for the features of each closed window, in order."""
    async for closing in closed:
        await ready.send(Ready(await session.assemble(closing), closing.captured))


async def close_after(streams: Sequence[asyncio.Task[None]], ready: Channel[Ready]) -> None:
    """When every stream has ended no more windows will come."""
    await asyncio.wait(streams)
    await ready.close()


async def infer(ready: Channel[Ready], events: Channel[SentimentEvent], this: Run) -> None:
    """Fuse whatever windows are ready, of all streams, in one batch."""
    batcher, worker = Batcher(this.engine.context), Worker("engine")
    try:
        while windows := await ready.receive_many(BATCH):
            batch = batcher.batch([window.features for window in windows])
            begin = this.clock.now()
            fused = await worker.run(this.engine.infer, batch)
            now = this.clock.now()
            name = EngineName(this.engine.backend, this.engine.model, this.engine.digest)  # the one that answered
            for row, window in enumerate(windows):
                waited, engine = ((now - since) * 1000 for since in (window.captured, begin))
                latency = Latency(round(max(waited, 0.0), 1), round(max(engine, 0.0), 2))
                await events.send(event_from(window.features, fused, row, latency, name))
    finally:
        this.loads[worker.name] = worker.load
        worker.close()
        await events.close()


async def publish(events: Channel[SentimentEvent], this: Run) -> None:
    """Hand every event to every sink, in order."""
    async for event in events:
        this.events += 1
        for sink in this.sinks:
            await sink.send(event)
