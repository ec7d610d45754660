"""A live source that plays a reel in open loop: each frame at its due time, however far behind the pipeline is."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import cast

from stream.apart.decoders import Decoders
from stream.apart.remote import opened_apart
from stream.bench.pace import PaceClock
from stream.bench.reel import CHUNK, Reel
from stream.errors import SourceError
from stream.records import AudioFrame, Frame
from stream.sources.buffer import LiveBuffer
from stream.sources.source import Condition, Media

TICK = 0.5  # seconds; how long a look for frames waits at most
BUFFER = 2.0  # seconds of frames that wait for the pipeline, as `Settings.live_buffer` has it


@dataclass(slots=True)
class Played(Condition):
    """How a source that is played is doing.

    begun: when event time 0 was, on the clock; None before the first frame was asked for. lateness: how much later than
    due a frame was handed over, at worst, because decoding did not get its turn; seconds. fed: frames by kind, into the
    buffer.
    """

    begun: float | None = None
    lateness: float = 0.0
    fed: Counter[str] = field(default_factory=Counter[str])


@dataclass(frozen=True, slots=True)
class Play:
    """What is played, for `seconds` of the clock, wherever it is decoded; for the rest see `PlayedSource`."""

    name: str
    reel: Reel
    clock: PaceClock
    seconds: float
    wait: float
    buffer: float

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Media]:
        """Ready to play; the time begins to run when the first frame is asked for."""
        condition = Played()
        buffer = LiveBuffer(self.buffer, condition)
        buffer.attach()
        player = _Player(self, buffer, condition)
        try:
            yield Media(self.reel.kinds, self.seconds, player.frames(), condition)
        finally:
            buffer.close()
            await player.stop()

    def resumed(self, origin: float | None) -> "Play":
        """What is played does not begin anew."""
        raise SourceError(f"{self.name}: the process that played it has ended")


class PlayedSource:
    """Plays `seconds` of a reel through the buffer that all live sources have, which drops and counts what is late.

    wait: seconds that it begins later, so that the windows of many streams do not all end in the same instant.
    decoders: processes that play it, as they read real live sources. started: the first frame was asked for. taken:
    frames by kind, as they were fed, that the pipeline has taken.
    """

    live = True

    def __init__(
        self, name: str, reel: Reel, clock: PaceClock, seconds: float, wait: float = 0.0, buffer: float = BUFFER
    ) -> None:
        self.name, self.seconds, self._clock = name, seconds, clock
        self._play = Play(name, reel, clock, seconds, wait, buffer)
        self.decoders: Decoders | None = None
        self.started, self.condition, self.taken = asyncio.Event(), Played(), Counter[str]()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Media]:
        """Open it; see `Play`."""
        opened = opened_apart(self._play, self.decoders) if self.decoders else self._play.open()
        async with opened as media:
            self.condition = cast("Played", media.condition)
            yield replace(media, frames=self._frames(media))

    def moment(self, event_time: float) -> float:
        """When that event time was or will be, on the clock."""
        begun = self.condition.begun
        return (self._clock.now() if begun is None else begun) + event_time

    @property
    def reached(self) -> float:
        """Event time that is due now; 0 before it has begun."""
        begun = self.condition.begun
        return 0.0 if begun is None else max(0.0, self._clock.now() - begun)

    @property
    def dropped(self) -> int:
        """Frames that the pipeline did not fetch in time."""
        return sum(self.condition.dropped.values())

    async def _frames(self, media: Media) -> AsyncGenerator[Frame]:
        self.started.set()
        async for item in media.frames:
            frame, pieces = cast("Frame", item), 1
            if self.decoders and isinstance(frame, AudioFrame):  # what came together is one
                pieces = round(len(frame.samples) / CHUNK)
            self.taken[kind(frame)] += pieces
            yield frame


class _Player:
    """The thread that hands the frames of one play over, and who takes them."""

    def __init__(self, play: Play, buffer: LiveBuffer, condition: Played) -> None:
        self._play, self._buffer, self._condition = play, buffer, condition
        self._stop, self._ended, self._errors = threading.Event(), threading.Event(), list[SourceError]()
        self._thread = threading.Thread(target=self._feed, name=f"play-{play.name}", daemon=True)

    async def frames(self) -> AsyncGenerator[Frame]:
        """What was handed over, as it is taken."""
        self._thread.start()
        while True:
            ended = self._ended.is_set()
            frames = await self._buffer.take(TICK)
            for frame in frames:
                yield frame
            if ended and not frames:
                break
        for error in self._errors:
            raise error

    async def stop(self) -> None:
        """End the play."""
        self._stop.set()
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join)

    def _feed(self) -> None:
        play, condition = self._play, self._condition
        clock = play.clock
        try:
            handed = play.reel.handed()
            moment, frame = next(handed)  # opening and seeking are not part of the play
            condition.begun = begun = clock.now() + play.wait
            while moment <= play.seconds and not clock.wait_until(begun + moment, self._stop):
                condition.lateness = max(condition.lateness, clock.now() - begun - moment)
                condition.fed[kind(frame)] += 1
                self._buffer.put(frame)
                moment, frame = next(handed)
        except SourceError as error:
            self._errors.append(error)
        finally:
            self._ended.set()
            self._buffer.wake()


def kind(frame: Frame) -> str:
    """What a frame is counted under."""
    return "sound" if isinstance(frame, AudioFrame) else "pictures"
