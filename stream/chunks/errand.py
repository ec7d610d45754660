"""What an ingest is asked to do, and what it has done."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from stream.errors import INTERRUPTED, SourceError
from stream.health import Address as Listening
from stream.kafka.address import Address
from stream.settings import Settings
from stream.sources.source import Condition, Link, Source

MISSING = 2  # exit code when chunks will never be on the topic


@dataclass(slots=True)
class Ingest:
    """What is to be done, and what was done. length: of a chunk, seconds. stop: set it to end.

    loop: begin a file again at its end, each time as a run of its own. encode: copy nothing. metrics: where to serve
    metrics and health. copied: whether the media was cut without encoding it anew; None while that is not known.
    media: seconds that were cut; before: those of runs that are over. condition: the source's. lag: from the end of the
    newest chunk of a live source until it was cut, seconds. lost: chunks that will never be on the topic, by reason.
    """

    source: Source
    address: Address
    settings: Settings
    stream: str
    length: float = 1.0
    realtime: bool = False
    loop: bool = False
    encode: bool = False
    metrics: Listening | None = None
    progress: Callable[["Ingest"], None] = lambda _: None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    chunks: int = 0
    media: float = 0.0
    before: float = 0.0
    size: int = 0
    late: int = 0
    lost: Mapping[str, int] = field(default_factory=dict[str, int])
    copied: bool | None = None
    left: int = 0
    condition: Condition = field(default_factory=lambda: Condition(Link.WAITING))
    lag: float | None = None
    broken: SourceError | None = None

    @property
    def exit_code(self) -> int:
        """Of the command."""
        if self.stop.is_set():
            return INTERRUPTED
        if self.broken:
            return self.broken.exit_code
        return MISSING if self.lost else 0
