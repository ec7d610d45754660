"""One run of a stream, as its chunks come: what the pipeline follows."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from stream.channel import Channel
from stream.chunks.chunk import Chunk, ChunkError
from stream.chunks.reading import ChunkReader
from stream.inbox import Mark
from stream.records import Frame
from stream.sources.source import Condition, Media

WAITING = 4  # chunks of a stream that may wait to be read
HELD = 0.25  # seconds; of a chunk's sound so much may only come out of the converter with the next one


@dataclass(slots=True)
class Piece:
    """A chunk and where it lies. over: set when it was read, or refused."""

    chunk: Chunk
    over: Callable[[], None]
    refuse: Callable[[ChunkError], Awaitable[None]]


@dataclass(slots=True)
class PiecewiseSource:
    """Chunks as a source. name: the stream's within this process. first: the index of the first window that is wanted.

    ended: called when the pipeline has made all windows; over: then True. A chunk that cannot be read is refused, and
    its stretch is missing; the stream goes on.
    """

    name: str
    first_chunk: Chunk
    first: int
    video_rate: float
    ended: Callable[[], None] = lambda: None
    live: bool = False
    over: bool = False
    condition: Condition = field(default_factory=Condition)
    _pieces: Channel[Piece] = field(default_factory=lambda: Channel(WAITING))

    async def put(self, piece: Piece) -> None:
        """Hand over the next chunk; waits for room."""
        await self._pieces.send(piece)

    def close(self) -> None:
        """No more chunks will come."""
        self._pieces.close()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Media]:
        """Begin to read."""
        yield Media(self.first_chunk.kinds, None, self._frames(), self.condition, first=self.first)
        self.over = True
        self.ended()

    async def _frames(self) -> AsyncGenerator[Frame | Mark]:
        reader, end = ChunkReader(self.video_rate, self.first_chunk.origin is not None), self.first_chunk.start
        async for piece in self._pieces:
            chunk = piece.chunk
            if chunk.start > end + HELD:
                self.condition.gaps += 1
            try:
                for frame in await asyncio.to_thread(reader.frames, chunk):
                    yield frame
            except ChunkError as error:
                await piece.refuse(error)
                yield Mark(chunk.end)
            end = chunk.end
            yield Mark(end - HELD)
            piece.over()
        for frame in await asyncio.to_thread(reader.rest):
            yield frame
