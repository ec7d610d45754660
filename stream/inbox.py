"""What a session takes in, in order. A session is a function of its inbox: the same records give the same windows.

So whatever depends on the clock or on how fast the machine was is a record too, and a recorded inbox can be replayed.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from stream.channel import Channel
from stream.clock import Clock, EventClock
from stream.records import AudioFrame, Frame, VideoFrame

FRAMES = 32  # records that wait
LIVE = 8  # of a live source, which drops what is too much: half a second
NAP = 0.02  # seconds between two looks whether a window's time has come, at least


@dataclass(frozen=True, slots=True)
class Heard:
    """The pass of speech recognition that was running has finished."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time went on, and nothing came."""


@dataclass(frozen=True, slots=True)
class Passed:
    """A picture at `pts` (event time, seconds) that is not looked at: it only tells how far the pictures have come."""

    pts: float


@dataclass(frozen=True, slots=True)
class Mark:
    """All frames up to `until` (event time, seconds) have come, of every kind: what did not come is missing."""

    until: float


Record = Frame | Passed | Heard | Tick | Mark


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """A record as it came in.

    at: the event time it was then, by the clock, seconds; None where no clock counts (a file that is read as fast as it
    can be). busy: the analysis of sound was so far behind that windows which close now go without it. pending: so many
    of the newest pictures had not been looked at yet; windows which close now go without them.
    """

    record: Record
    at: float | None = None
    busy: bool = False
    pending: int = 0


class Inbox:
    """The records of one stream, stamped when the session takes them.

    clock: None for what is read as fast as it can be, or was stamped before (a replay). busy: whether the analysis of
    sound is too far behind at this moment.
    """

    def __init__(self, clock: Clock | None, busy: Callable[[], bool]) -> None:
        self._channel: Channel[Record | Arrival] = Channel(LIVE if clock else FRAMES)
        self._clock, self._busy = clock, busy
        self._time = EventClock()

    async def send(self, record: Record | Arrival) -> None:
        """Wait for room, then put the record in."""
        await self._channel.send(record)

    def heard(self) -> None:
        """A pass of speech recognition has finished. In a replay, the recording says when it had."""
        if self._clock:
            self._channel.offer(Heard())

    def close(self) -> None:
        """Nothing more will come."""
        self._channel.close()

    async def __aiter__(self) -> AsyncIterator[Arrival]:
        async for record in self._channel:
            yield record if isinstance(record, Arrival) else self._stamped(record)

    async def tick(self, deadline: Callable[[], float | None]) -> None:
        """Put in a `Tick` whenever the deadline (event time) of the next window has passed; until it is cancelled."""
        while clock := self._clock:
            due = deadline()
            now = clock.now()
            moment = now + 10 * NAP if due is None else self._time.moment(due)
            if due is not None and moment <= now and not len(self._channel):
                self._channel.offer(Tick())
            await clock.sleep_until(max(moment, now + NAP))

    def moment(self, event_time: float) -> float | None:
        """The clock's moment of an event time; None where no clock counts."""
        return self._time.moment(event_time) if self._clock and self._time.known else None

    def _stamped(self, record: Record) -> Arrival:
        if self._clock is None:
            return Arrival(record)
        now = self._clock.now()
        if isinstance(record, AudioFrame | VideoFrame):
            self._time.came(now, record.end)
        return Arrival(record, round(self._time.at(now), 6), self._busy())
