"""A sink that notes when each event came, and how long after the end of its window that was on the wall clock."""

from array import array
from collections.abc import Mapping

from stream.bench.pace import PaceClock
from stream.bench.played import PlayedSource
from stream.event import SentimentEvent
from stream.sinks.sink import Unopened


class Arrivals(Unopened):
    """Events as they come. Keeps 24 bytes of each, and the events themselves only if it is told to.

    The delay is measured from outside: from when the source was due to hand over the window's last instant, whatever
    the pipeline says about itself.
    """

    def __init__(self, sources: Mapping[str, PlayedSource], clock: PaceClock, keep: bool = False) -> None:
        self._sources, self._clock, self._keep = sources, clock, keep
        self.events: list[SentimentEvent] = []
        self.ends: array[float] = array("d")  # event time at which the window ended, seconds
        self.delays: array[float] = array("d")  # window end to event, ms on the wall clock
        self.moments: array[float] = array("d")  # when it came, on the clock

    async def send(self, event: SentimentEvent) -> None:
        """Note one event."""
        now, source = self._clock.now(), self._sources[event.window.stream]
        self.ends.append(event.window.end)
        self.delays.append(self._clock.wall_ms(now - source.moment(event.window.end)))
        self.moments.append(now)
        if self._keep:
            self.events.append(event)

    def between(self, first: float, last: float) -> list[int]:
        """Places of the events whose window ended after `first` and not after `last`, seconds of event time."""
        return [place for place, end in enumerate(self.ends) if first < end <= last + 1e-6]
