"""A sink that keeps every event."""

from stream.event import SentimentEvent
from stream.sinks.sink import Unopened


class Gathered(Unopened):
    """All events, in the order in which they came."""

    def __init__(self) -> None:
        self.events: list[SentimentEvent] = []

    async def send(self, event: SentimentEvent) -> None:
        """Keep one."""
        self.events.append(event)
