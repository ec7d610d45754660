"""A sink that keeps every event."""

from types import TracebackType
from typing import Self

from stream.event import SentimentEvent


class Gathered:
    """All events, in the order in which they came."""

    def __init__(self) -> None:
        self.events: list[SentimentEvent] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def send(self, event: SentimentEvent) -> None:
        """Keep one."""
        self.events.append(event)
