"""A partition whose chunks are not what they should be."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from ebmc_core.modality import Modality
from stream.channel import Channel
from stream.chunks.chunk import Chunk, ChunkError
from stream.chunks.lane import HOLE, Counts, Lane, Outlets
from stream.chunks.piecewise import PiecewiseSource
from stream.chunks.progress import Commit
from stream.settings import Settings
from stream.sources.source import Source

FIRST = Chunk("cam-1", "run", 0, frozenset({Modality.AUDIO}), 0.0, 1.0, b"")


def test_a_hole_of_thirty_years_is_not_filled_with_windows() -> None:
    """The run ends before it and begins after it; what is shorter than `HOLE` is a hole in one run."""
    later = replace(FIRST, sequence=1, start=1e9, end=1e9 + 1)
    chunks = [FIRST, later, replace(later, sequence=2, start=1e9 + HOLE, end=1e9 + HOLE + 1, last=True)]

    async def scenario() -> tuple[list[int], Counts]:
        sources, refused, failed = Channel[Source](8), list[ChunkError](), list[BaseException]()
        begun: list[int] = []

        async def refuse(record: Any, error: ChunkError) -> None:
            refused.append(error)

        async def follow(source: PiecewiseSource) -> None:
            begun.append(source.first)
            async with source.open() as media:
                async for _ in media.frames:
                    pass

        async def pipeline() -> None:
            async with asyncio.TaskGroup() as streams:
                async for source in sources:
                    assert isinstance(source, PiecewiseSource)
                    streams.create_task(follow(source))

        counts, link = Counts(), Any
        lane = Lane(Commit(0, 0, {}), link, Outlets(sources, refuse, failed.append), Settings(), 16, counts)  # type: ignore[arg-type]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(pipeline())
            for offset, chunk in enumerate(chunks):
                place = SimpleNamespace(partition=0, offset=offset, timestamp=0)
                record = SimpleNamespace(**vars(place), key=b"cam-1", value=chunk.media, headers=chunk.headers)
                await lane.take(record)
            sources.close()
        assert not refused and not failed
        return begun, counts

    begun, counts = asyncio.run(scenario())
    assert begun == [0, (10**9 - 4) * 2 + 1]
    assert counts.chunks == 3
