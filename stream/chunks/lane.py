"""One partition in a worker's hands: its chunks into the pipeline, its windows onto the topic, its progress."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from aiokafka.errors import ProducerClosed

from stream.channel import Channel, Closed
from stream.chunks.chunk import Chunk, ChunkError, chunk_from
from stream.chunks.counts import Counts
from stream.chunks.piecewise import Piece, PiecewiseSource
from stream.chunks.progress import NONE, Commit, PartitionProgress, name_of
from stream.event import SentimentEvent
from stream.kafka.link import Link
from stream.kafka.message import message_from
from stream.settings import Settings
from stream.sources.source import Source

log = logging.getLogger(__name__)
NUMBERS = count(1)
HOLE = 600.0  # seconds of event time of which nothing came; the windows in a longer one are not written
PATIENCE = 10.0  # seconds that the windows before a hole have to be written
REACH = 4.0  # seconds before a window that a worker reads when it takes over: speech that reaches into it


@dataclass(slots=True, eq=False)
class StreamRun:
    """One run of a stream. name: in this process. key: in commits. heard: when its last chunk came, on the clock.

    end: event time up to which its chunks reach, seconds. over: set when its last window is written.
    """

    stream: str
    run: str
    key: str
    origin: float | None
    source: PiecewiseSource
    end: float
    sequence: int = NONE
    heard: float = field(default_factory=time.monotonic)
    sending: asyncio.Future[Any] | None = None
    closed: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Outlets:
    """Where a lane puts things. sources: new streams. refuse: reports a record that is no use."""

    sources: Channel[Source]
    refuse: Callable[[Any, ChunkError], Awaitable[None]]
    failed: Callable[[BaseException], None]


class Lane:
    """A partition from what was committed on. Lives until it is revoked or something fails."""

    def __init__(
        self, begin: Commit, link: Link, outlets: Outlets, settings: Settings, context: int, counts: Counts
    ) -> None:
        """context: how many windows the model reads to fuse one, that one included."""
        self.link, self._outlets, self._settings, self._counts = link, outlets, settings, counts
        self._before = context - 1
        self.progress = PartitionProgress(begin, lambda index: (index - self._before) * settings.hop - REACH)
        self.committed = begin
        self.runs: dict[str, StreamRun] = {}  # by their names in this process
        self._current: dict[str, StreamRun] = {}  # by their keys
        self.revoked = False
        self.writing = asyncio.Lock()
        """Held while something is sent, and while a transaction is committed."""

    async def take(self, record: Any) -> None:
        """The next record of the partition; waits while its stream has enough to do."""
        if record.offset < self.progress.next:
            return
        try:
            chunk = chunk_from(record.key, record.value, record.headers)
        except ChunkError as error:
            await self._refuse(record, error)
            self.progress.skip(record.offset)
            return
        run = self._current.get(name_of(chunk.stream, chunk.run))
        if run and not run.closed and chunk.sequence > run.sequence and chunk.start > run.end + HOLE:
            await self._pass_over(run, chunk)
        if run is None or run.closed:
            run = await self._begin(chunk, run)
        if chunk.sequence <= run.sequence:
            self._counts.repeats += 1
            self.progress.skip(record.offset)
            return
        run.sequence, run.end, run.heard = chunk.sequence, chunk.end, time.monotonic()
        self._counts.took(record)
        self.progress.take(record.offset, run.key, chunk.end)

        async def refuse(error: ChunkError) -> None:
            await self._refuse(record, error)

        try:
            await run.source.put(Piece(chunk, lambda: self.progress.read(record.offset), refuse))
        except Closed:  # it was revoked while we waited
            return
        if chunk.last:
            self._close(run)

    async def write(self, run: StreamRun, event: SentimentEvent) -> None:
        """Put the event of a window on the topic, after that of the window before was acknowledged."""
        if run.sending:
            await asyncio.wait([run.sending])
        if self.revoked:  # it was revoked while we waited
            return
        if run.sending:
            run.sending.result()
        index = event.window.index
        if index <= self.progress.written(run.key):  # it is there, and was made again for those after it
            self._ended(run)
            return
        event = replace(event, window=replace(event.window, stream=run.stream))
        if run.origin is not None:
            late = max(0.0, time.time() - run.origin - event.window.end)
            self._counts.delivered(late)
            event = replace(event, latency=replace(event.latency, capture_to_event_ms=round(late * 1000, 1)))
        async with self.writing:
            now = time.time()
            try:
                run.sending = await self.link.send(message_from(event, run.run, now))
            except ProducerClosed:
                if self.revoked:
                    return
                raise
        run.sending.add_done_callback(lambda future: self._written(run, index, now, future))

    def release(self, silence: float) -> None:
        """End the streams of which nothing came for so long, seconds: their open windows are written as they are."""
        for run in list(self.runs.values()):
            if not run.closed and time.monotonic() - run.heard > silence:
                self._close(run)

    def abandon(self) -> None:
        """The partition is another worker's: what is under way here is nobody's."""
        self.revoked = True
        for run in self.runs.values():
            run.source.close()
            if run.sending:  # its link may be closed now, and then nobody answers
                run.sending.cancel()

    async def settled(self) -> None:
        """Wait until all that was sent is acknowledged."""
        sending = [run.sending for run in self.runs.values() if run.sending and not run.sending.done()]
        if sending:
            await asyncio.wait(sending)

    async def _begin(self, chunk: Chunk, before: StreamRun | None) -> StreamRun:
        """A run of a stream whose first chunk this is, here. before: the same run, which was taken to be over."""
        key = name_of(chunk.stream, chunk.run)
        name = f"{chunk.stream}@{next(NUMBERS)}"  # never used twice: an abandoned one may still give
        written = self.progress.written(key)
        if written != NONE:
            self._counts.taken_over += 1
            log.info("%s: taken over after window %d", chunk.stream, written)
        settings = self._settings
        overlapping = max(0, math.floor((chunk.start - settings.window) / settings.hop) + 1)
        first = max(overlapping, written + 1 - self._before) if written != NONE else overlapping
        source = PiecewiseSource(name, chunk, first, settings.video_rate)
        run = self.runs[name] = self._current[key] = StreamRun(
            chunk.stream, chunk.run, key, chunk.origin, source, chunk.end
        )
        run.sequence = before.sequence if before else NONE
        source.ended = lambda: self._ended(run)
        await self._outlets.sources.send(source)
        return run

    async def _pass_over(self, run: StreamRun, chunk: Chunk) -> None:
        """A chunk begins long after the one before: the run ends there and begins anew, so that nobody, by writing one
        chunk, can ask for a million windows.
        """
        log.warning("%s: nothing came from %.0f to %.0f s: no windows there", chunk.stream, run.end, chunk.start)
        self._close(run)
        with suppress(TimeoutError):  # windows that come after later ones would be taken for repeats
            async with asyncio.timeout(PATIENCE):
                await run.over.wait()

    def _close(self, run: StreamRun) -> None:
        """No more chunks of this run."""
        run.closed = True
        run.source.close()

    def _written(self, run: StreamRun, index: int, sent: float, future: asyncio.Future[Any]) -> None:
        error = None if future.cancelled() else future.exception()
        if self.revoked or future.cancelled():
            return
        if error:
            self._outlets.failed(error)
            return
        self._counts.acknowledged(sent)
        self.progress.write(run.key, index)
        self._ended(run)

    def _ended(self, run: StreamRun) -> None:
        """The end of a run, once the pipeline has made its last window and that is written."""
        made = max(run.source.condition.windows, run.source.first)
        if run.closed and run.source.over and self.progress.written(run.key) >= made - 1:
            self.runs.pop(run.source.name, None)
            run.over.set()
            if self._current.get(run.key) is run:
                del self._current[run.key]
                self.progress.end(run.key)

    async def _refuse(self, record: Any, error: ChunkError) -> None:
        if not self.progress.reported(record.offset):
            self._counts.letters[error.cause] += 1
            await self._outlets.refuse(record, error)
