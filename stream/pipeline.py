"""The whole flow on one screen.

    source ─frames─▶ inbox ─▶ session ─closed windows─▶ features ─▶ engine ─event─▶ sinks
                                 └─────a face that is lost, early──────▶─┘

Each arrow is a bounded channel; a stage that ends closes its end, so the end of a source drains through to the sinks.
A live source does not wait for the stages after it, and a window does not wait for a kind of frames that has stopped.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from ebmc_core.modality import Modality
from engines.engine import Engine
from stream.batcher import Batcher
from stream.channel import Channel, Policy
from stream.clock import Clock
from stream.early import Outlook
from stream.errors import SourceError
from stream.event import EngineName, Latency, SentimentEvent, event_from
from stream.front_ends import FrontEnds
from stream.health import Health, beat
from stream.inbox import Inbox
from stream.metrics import Metrics
from stream.recording import Recorder
from stream.records import AudioFrame, VideoFrame, WindowFeatures
from stream.session import Closing, Session
from stream.settings import Settings
from stream.sinks.sink import Sink, hasty
from stream.sources.source import Media, Source
from stream.worker import Load, Worker

WINDOWS, BATCH, EVENTS = 8, 64, 1024  # limits of the channels; BATCH: also the most windows that are fused at once
LINGER = 0.01  # seconds that a window waits for those of other streams, to be fused with them


@dataclass(slots=True)
class Run:
    """What a pipeline needs, and what it found out.

    realtime: frames are paced by their timestamps, and windows do not wait for speech recognition.
    record: keeps what came in, so that it can be replayed.
    stop: set it and the sources end as if they were over. broken: sources that could not be read to their end.
    streams: how many are running. media: seconds of event time that were seen, summed over the streams.
    loads: what each worker did.
    """

    front: FrontEnds
    engine: Engine
    sinks: Sequence[Sink]
    clock: Clock
    settings: Settings
    realtime: bool = False
    without: frozenset[Modality] = frozenset()
    record: Recorder | None = None
    metrics: Metrics = field(default_factory=Metrics)
    health: Health = field(default_factory=Health)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    broken: list[SourceError] = field(default_factory=list[SourceError])
    streams: int = 0
    media: float = 0.0
    events: int = 0
    loads: dict[str, Load] = field(default_factory=dict[str, Load])


@dataclass(frozen=True, slots=True, eq=False)
class Leaving:
    """A closed window on its way. ended: when it was over, closed: when that was known, both on the clock."""

    closing: Closing
    ended: float
    closed: float


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """A window whose features are complete, since `featured` on the clock."""

    features: WindowFeatures
    leaving: Leaving
    featured: float


async def run(sources: Sequence[Source] | AsyncGenerator[Source], this: Run) -> None:
    """Turn sources into events until all of them have ended. A broken source does not stop the others.

    sources: all that there are, or, where more of them come while it runs, as they come.
    """
    live = this.realtime or (isinstance(sources, Sequence) and any(source.live for source in sources))
    ready: Channel[Ready] = Channel(BATCH)
    outlets = [Channel[SentimentEvent](EVENTS, Policy.DROP_OLDEST if live else Policy.BLOCK) for _ in this.sinks]
    async with asyncio.TaskGroup() as tasks:
        beating = tasks.create_task(beat(this.health))
        tasks.create_task(follow_all(sources, ready, beating, this))
        tasks.create_task(infer(ready, outlets, this, BATCH if live and not this.record else 1))
        for sink, outlet in zip(this.sinks, outlets, strict=True):
            tasks.create_task(publish(outlet, sink, this))


async def follow_all(
    sources: Sequence[Source] | AsyncGenerator[Source], ready: Channel[Ready], beside: asyncio.Task[None], this: Run
) -> None:
    """Follow each source. When every stream has ended no more windows will come."""
    async with asyncio.TaskGroup() as streams:
        if isinstance(sources, Sequence):
            for source in sources:
                streams.create_task(follow(source, ready, this))
        else:
            async with aclosing(sources):
                async for source in sources:
                    streams.create_task(follow(source, ready, this))
    ready.close()
    beside.cancel()


async def follow(source: Source, ready: Channel[Ready], this: Run) -> None:
    """One source from its first frame to its last window."""
    closed: Channel[Leaving] = Channel(WINDOWS)
    try:
        async with source.open() as media:
            live = this.realtime or source.live  # of a web address it is known once it is open
            behind = this.settings.behind
            inbox = Inbox(
                this.clock if live and not media.stamped else None,
                lambda: max(closed.waited, this.front.hearing.backlog) > behind,
            )
            keep = this.record.stream(source.name, media.kinds) if this.record else None
            session = Session(source.name, media, this.without, this.front, this.settings, not live, inbox.heard, keep)
            this.streams += 1
            this.health.source(source.name, media.condition)
            this.metrics.source(source.name, media.condition)
            try:
                await session.open()
                async with asyncio.TaskGroup() as tasks:
                    reading = tasks.create_task(ingest(media, inbox, this))
                    beside = [
                        tasks.create_task(inbox.tick(session.next_deadline)),
                        tasks.create_task(cancel_when(this.stop, reading)),
                    ]
                    if live and session.outlook and any(map(hasty, this.sinks)):
                        beside.append(tasks.create_task(foretell(session.outlook, inbox, ready, this)))
                    tasks.create_task(observe(inbox, session, closed, beside, this))
                    tasks.create_task(assemble(closed, session, media, ready, this))
            finally:
                this.streams -= 1
                this.loads |= session.loads
                this.metrics.forget(source.name)
                this.health.forget(source.name)
                await session.close()
    except SourceError as error:
        this.health.forget(source.name)
        this.broken.append(error)


async def ingest(media: Media, inbox: Inbox, this: Run) -> None:
    """Read the source, at the pace of its timestamps if this is real time."""
    begin, end = this.clock.now(), 0.0
    try:
        async with aclosing(media.frames) as frames:
            async for frame in frames:
                if isinstance(frame, AudioFrame | VideoFrame):
                    end = max(end, frame.end)
                    if this.realtime:
                        await this.clock.sleep_until(begin + frame.end)
                await inbox.send(frame)
    except SourceError as error:  # what was decoded before is still reported
        this.broken.append(error)
    finally:
        this.media += end
        inbox.close()


async def observe(
    inbox: Inbox, session: Session, closed: Channel[Leaving], beside: Sequence[asyncio.Task[None]], this: Run
) -> None:
    """Begin the work on each record, and pass on the windows that it closed. Ends the tasks beside it at the end."""
    async for arrival in inbox:
        for closing in await session.take(arrival):
            now = this.clock.now()
            await closed.send(Leaving(closing, inbox.moment(closing.window.end) or now, now))
    for task in beside:
        task.cancel()
    for closing in await session.finish():
        now = this.clock.now()
        await closed.send(Leaving(closing, now, now))
    closed.close()


async def assemble(closed: Channel[Leaving], session: Session, media: Media, ready: Channel[Ready], this: Run) -> None:
    """Wait for the features of each closed window, in order."""
    begun = this.clock.now()
    async for leaving in closed:
        features = await session.assemble(leaving.closing)
        now = this.clock.now()
        await ready.send(Ready(features, leaving, now))
        media.condition.windows = features.window.index + 1
        this.metrics.source(session.name, media.condition)
        this.metrics.depth("windows", len(closed), session.name)
        this.metrics.lag(session.name, now - leaving.ended)
        done = features.window.end - media.first * this.settings.hop  # what came before was another's
        this.metrics.factor(session.name, done / max(now - begun, 1e-3))
        session.tell(this.metrics)


async def foretell(outlook: Outlook, inbox: Inbox, ready: Channel[Ready], this: Run) -> None:
    """Between two windows: pass on at once that there is no face to read any more."""
    async for features in outlook:
        now = this.clock.now()
        ended = inbox.moment(features.window.end) or now
        await ready.send(Ready(features, Leaving(Closing(features.window, None, None), ended, now), now))


async def infer(ready: Channel[Ready], outlets: Sequence[Channel[SentimentEvent]], this: Run, most: int) -> None:
    """Fuse the windows that are ready, of all streams, in one batch of at most `most`.

    One by one where two runs must be equal to the last digit: a batch of another size sums in another order.
    """
    batcher, worker = Batcher(this.engine.context), Worker("engine")
    try:
        while windows := await ready.receive_many(most, LINGER if this.streams > 1 else 0.0):
            batch = batcher.batch([window.features for window in windows])
            begin = this.clock.now()
            fused = await worker.run(this.engine.infer, batch)
            now = this.clock.now()
            name = EngineName(this.engine.backend, this.engine.model, this.engine.digest)  # the one that answered
            for row, window in enumerate(windows):
                waited, engine = ((now - since) * 1000 for since in (window.leaving.ended, begin))
                latency = Latency(round(max(waited, 0.0), 1), round(max(engine, 0.0), 2))
                event = event_from(window.features, fused, row, latency, name)
                if not event.early:
                    account(event, window, begin, now, this)
                for sink, outlet in zip(this.sinks, outlets, strict=True):
                    if not event.early or hasty(sink):
                        await outlet.send(event)
    finally:
        this.loads[worker.name] = worker.load
        worker.close()
        for outlet in outlets:
            outlet.close()


async def publish(outlet: Channel[SentimentEvent], sink: Sink, this: Run) -> None:
    """Hand every event to one sink, in order. A sink that is slow delays no other."""
    lost = 0
    async for event in outlet:
        begin = this.clock.now()
        await sink.send(event)
        this.metrics.stage("publish", this.clock.now() - begin)
        if (count := outlet.dropped.total() - lost) > 0:
            this.metrics.dropped(event.window.stream, "sinks", "sink is slow", count)
            lost += count


async def cancel_when(stop: asyncio.Event, reading: asyncio.Task[None]) -> None:
    """End the reading of a source, which may never end by itself."""
    await stop.wait()
    reading.cancel()


def account(event: SentimentEvent, window: Ready, begin: float, now: float, this: Run) -> None:
    """Where the time went between the end of a window and its event."""
    leaving = window.leaving
    this.events += 1
    for stage, since, until in (
        ("capture", leaving.ended, leaving.closed),
        ("features", leaving.closed, window.featured),
        ("wait", window.featured, begin),
        ("engine", begin, now),
        ("total", leaving.ended, now),
    ):
        this.metrics.stage(stage, max(0.0, until - since))
    this.metrics.event(event)
