"""A live source into which frames are pushed when a reel hands them on, so that raw timestamps meet the event clock."""

import asyncio
import math
import threading
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from stream.bench.pace import PaceClock
from stream.bench.played import kind
from stream.bench.reel import Reel
from stream.errors import SourceError
from stream.records import AudioFrame
from stream.sources.feed import FeedSource
from stream.sources.source import Condition, Media


class PushedSource:
    """Plays `seconds` of a reel into a feed. A timestamp that is not a number is one that is missing.

    begun: when it began, on the clock; None before it did. fed: frames by kind.
    """

    live = True

    def __init__(self, name: str, reel: Reel, clock: PaceClock, seconds: float) -> None:
        self.name, self._reel, self._clock, self.seconds = name, reel, clock, seconds
        self._source = FeedSource(name, reel.kinds)
        self.begun: float | None = None
        self.fed, self._errors = Counter[str](), list[SourceError]()

    @property
    def condition(self) -> Condition:
        """What the feed dropped, and how often its time jumped."""
        return self._source.condition

    @property
    def reached(self) -> float:
        """Seconds since it began."""
        return 0.0 if self.begun is None else max(0.0, self._clock.now() - self.begun)

    def moment(self, event_time: float) -> float:
        """When that event time was or will be, on the clock."""
        return (self._clock.now() if self.begun is None else self.begun) + event_time

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Media]:
        """Begin to push."""
        stop = threading.Event()
        thread = threading.Thread(target=self._push, args=(stop,), name=f"push-{self.name}", daemon=True)
        async with self._source.open() as media:
            thread.start()
            try:
                yield media
            finally:
                stop.set()
                await asyncio.to_thread(thread.join)
        for error in self._errors:
            raise error

    def _push(self, stop: threading.Event) -> None:
        try:
            handed = self._reel.handed()
            moment, frame = next(handed)
            self.begun = self._clock.now()
            while moment <= self.seconds and not self._clock.wait_until(self.begun + moment, stop):
                self.fed[kind(frame)] += 1
                pts = None if math.isnan(frame.pts) else frame.pts
                if isinstance(frame, AudioFrame):
                    self._source.push_audio(frame.samples, pts, frame.rate)
                else:
                    self._source.push_video(frame.image, pts)
                moment, frame = next(handed)
        except SourceError as error:
            self._errors.append(error)
        finally:
            self._source.close()
