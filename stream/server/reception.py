"""Who is here: sources on their way into the one pipeline, and how many may be at once."""

import secrets
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from stream.channel import Channel
from stream.server.guest import GuestSource
from stream.server.hub import Hub
from stream.server.messages import Code, VisitError
from stream.sources.source import Source


@dataclass(slots=True, eq=False)
class Reception:
    """Names visits, counts them, and hands their sources to the pipeline. limit: visits at the same time, at most.

    came: how many were let in, refused: how many were not, since the server began.
    """

    hub: Hub
    limit: int
    here: set[str] = field(default_factory=set[str])
    came: int = 0
    refused: int = 0
    _arriving: Channel[Source] = field(default_factory=lambda: Channel[Source](64))

    def enter(self) -> str:
        """The stream id of a new visit. Raises `VisitError` when the house is full."""
        if len(self.here) >= self.limit:
            self.refused += 1
            raise VisitError(
                Code.TOO_MANY_SESSIONS, f"{self.limit} sessions are running, which is the limit: try again later"
            )
        name = f"web-{secrets.token_hex(4)}"
        self.here.add(name)
        self.came += 1
        return name

    async def bring(self, source: GuestSource) -> None:
        """Let the pipeline follow a source."""
        self.hub.begin(source.name)
        await self._arriving.send(source)

    def leave(self, name: str) -> None:
        """A visit is over."""
        self.here.discard(name)

    async def sources(self) -> AsyncGenerator[Source]:
        """The sources, as they come, until the house is closed."""
        async for source in self._arriving:
            yield source

    def close(self) -> None:
        """Nobody is let in any more."""
        self._arriving.close()
