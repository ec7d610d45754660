"""A live source that plays a reel in open loop: each frame at its due time, however far behind the pipeline is."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from stream.bench.buffer import LIMIT, FrameBuffer
from stream.bench.pace import PaceClock
from stream.bench.reel import Reel
from stream.errors import SourceError
from stream.records import Frame
from stream.sources.source import Media


class PlayedSource:
    """Plays `seconds` of a reel.

    begun: when event time 0 was, on the clock; None before the first frame was asked for, which sets `started`. wait:
    seconds that it begins later, so that the windows of many streams do not all end in the same instant. lateness: how
    much later than due a frame was handed over, at worst, because decoding did not get its turn; seconds.
    """

    live = True

    def __init__(
        self, name: str, reel: Reel, clock: PaceClock, seconds: float, wait: float = 0.0, limit: int = LIMIT
    ) -> None:
        self.name, self._reel, self._clock, self.seconds = name, reel, clock, seconds
        self._wait, self._limit = wait, limit
        self.begun: float | None = None
        self.lateness, self.started = 0.0, asyncio.Event()
        self.buffer: FrameBuffer | None = None
        self._error: SourceError | None = None

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Media]:
        """Ready to play; the time begins to run when the first frame is asked for."""
        stop, self.buffer = threading.Event(), FrameBuffer(self._limit)
        thread = threading.Thread(target=self._feed, args=(self.buffer, stop), name=f"play-{self.name}", daemon=True)
        try:
            yield Media(self._reel.kinds, self.seconds, self._frames(self.buffer, thread))
        finally:
            stop.set()
            if thread.ident is not None:
                await asyncio.to_thread(thread.join)

    def moment(self, event_time: float) -> float:
        """When that event time was or will be, on the clock."""
        return (self._clock.now() if self.begun is None else self.begun) + event_time

    @property
    def reached(self) -> float:
        """Event time that is due now; 0 before it has begun."""
        return 0.0 if self.begun is None else max(0.0, self._clock.now() - self.begun)

    async def _frames(self, buffer: FrameBuffer, thread: threading.Thread) -> AsyncGenerator[Frame]:
        thread.start()
        self.started.set()
        while (frame := await buffer.get()) is not None:
            yield frame
        if self._error:
            raise self._error

    def _feed(self, buffer: FrameBuffer, stop: threading.Event) -> None:
        try:
            handed = self._reel.handed()
            moment, frame = next(handed)  # opening and seeking are not part of the play
            self.begun = self._clock.now() + self._wait
            while moment <= self.seconds and not self._clock.wait_until(self.begun + moment, stop):
                self.lateness = max(self.lateness, self._clock.now() - self.begun - moment)
                buffer.put(frame)
                moment, frame = next(handed)
        except SourceError as error:
            self._error = error
        finally:
            buffer.put(None)
