"""A source that hands on frames from memory as fast as they are taken, as a file does."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from ebmc_core.modality import Modality
from stream.records import Frame
from stream.sources.source import Media


class ListedSource:
    """Frames in the order in which they are due. kinds: the media it has, even where no frame of one is left."""

    live = False

    def __init__(self, name: str, frames: Sequence[Frame], kinds: frozenset[Modality]) -> None:
        self.name, self._frames, self._kinds = name, frames, kinds

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Media]:
        """Nothing to open."""
        yield Media(self._kinds, None, self._play())

    async def _play(self) -> AsyncGenerator[Frame]:
        for frame in self._frames:
            yield frame
