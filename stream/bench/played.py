"""A live source that plays a reel in open loop: each frame at its due time, however far behind the pipeline is."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from stream.bench.pace import PaceClock
from stream.bench.reel import Reel
from stream.errors import SourceError
from stream.records import AudioFrame, Frame
from stream.sources.buffer import LiveBuffer
from stream.sources.source import Condition, Media

TICK = 0.5  # seconds; how long a look for frames waits at most
BUFFER = 2.0  # seconds of frames that wait for the pipeline, as `Settings.live_buffer` has it


class PlayedSource:
    """Plays `seconds` of a reel through the buffer that all live sources have, which drops and counts what is late.

    begun: when event time 0 was, on the clock; None before the first frame was asked for, which sets `started`. wait:
    seconds that it begins later, so that the windows of many streams do not all end in the same instant. lateness: how
    much later than due a frame was handed over, at worst, because decoding did not get its turn; seconds. fed, taken:
    frames by kind, into the buffer and out of it.
    """

    live = True

    def __init__(
        self, name: str, reel: Reel, clock: PaceClock, seconds: float, wait: float = 0.0, buffer: float = BUFFER
    ) -> None:
        self.name, self._reel, self._clock, self.seconds = name, reel, clock, seconds
        self._wait, self._seconds = wait, buffer
        self.begun: float | None = None
        self.lateness, self.started = 0.0, asyncio.Event()
        self.condition, self.fed, self.taken = Condition(), Counter[str](), Counter[str]()
        self._ended, self._error = threading.Event(), list[SourceError]()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Media]:
        """Ready to play; the time begins to run when the first frame is asked for."""
        stop, buffer = threading.Event(), LiveBuffer(self._seconds, self.condition)
        buffer.attach()
        thread = threading.Thread(target=self._feed, args=(buffer, stop), name=f"play-{self.name}", daemon=True)
        try:
            yield Media(self._reel.kinds, self.seconds, self._frames(buffer, thread), self.condition)
        finally:
            stop.set()
            buffer.close()
            if thread.ident is not None:
                await asyncio.to_thread(thread.join)

    def moment(self, event_time: float) -> float:
        """When that event time was or will be, on the clock."""
        return (self._clock.now() if self.begun is None else self.begun) + event_time

    @property
    def reached(self) -> float:
        """Event time that is due now; 0 before it has begun."""
        return 0.0 if self.begun is None else max(0.0, self._clock.now() - self.begun)

    @property
    def dropped(self) -> int:
        """Frames that the pipeline did not fetch in time."""
        return sum(self.condition.dropped.values())

    async def _frames(self, buffer: LiveBuffer, thread: threading.Thread) -> AsyncGenerator[Frame]:
        thread.start()
        self.started.set()
        while True:
            ended = self._ended.is_set()
            frames = await buffer.take(TICK)
            for frame in frames:
                self.taken[kind(frame)] += 1
                yield frame
            if ended and not frames:
                break
        for error in self._error:
            raise error

    def _feed(self, buffer: LiveBuffer, stop: threading.Event) -> None:
        try:
            handed = self._reel.handed()
            moment, frame = next(handed)  # opening and seeking are not part of the play
            self.begun = self._clock.now() + self._wait
            while moment <= self.seconds and not self._clock.wait_until(self.begun + moment, stop):
                self.lateness = max(self.lateness, self._clock.now() - self.begun - moment)
                self.fed[kind(frame)] += 1
                buffer.put(frame)
                moment, frame = next(handed)
        except SourceError as error:
            self._error.append(error)
        finally:
            self._ended.set()
            buffer.wake()


def kind(frame: Frame) -> str:
    """What a frame is counted under."""
    return "sound" if isinstance(frame, AudioFrame) else "pictures"
