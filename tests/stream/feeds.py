"""A source made of frames that a test chose, a sink that remembers, and a whole pipeline over them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np

from ebmc_core.modality import Modality
from engines.engine import Engine
from stream.bench.gathered import Gathered
from stream.clock import Clock, WallClock
from stream.errors import SourceError
from stream.event import SentimentEvent
from stream.front_ends import FrontEnds
from stream.pipeline import Run, run
from stream.recording import Recorder
from stream.records import AUDIO_RATE, AudioFrame, Frame, VideoFrame
from stream.settings import Settings
from stream.sources.file import FileSource
from stream.sources.source import Media, Source


class FeedSource:
    """Plays frames; ends with an error if it is given one."""

    live = False

    def __init__(self, frames: Sequence[Frame], name: str = "feed", error: SourceError | None = None) -> None:
        self.name, self._frames, self._error = name, frames, error

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Media]:
        kinds = {Modality.AUDIO if isinstance(frame, AudioFrame) else Modality.VIDEO for frame in self._frames}
        yield Media(frozenset(kinds), None, self._play())

    async def _play(self) -> AsyncGenerator[Frame]:
        for frame in self._frames:
            yield frame
        if self._error:
            raise self._error


class LiveFeed(FeedSource):
    """Plays frames when they are due, as a camera does, and waits for nobody."""

    live = True

    def __init__(self, frames: Sequence[Frame], clock: Clock, name: str = "feed") -> None:
        super().__init__(frames, name)
        self._clock = clock

    async def _play(self) -> AsyncGenerator[Frame]:
        begin = self._clock.now()
        for frame in self._frames:
            await self._clock.sleep_until(begin + frame.end)
            yield frame


def play(
    sources: Sequence[Source],
    front: FrontEnds,
    engine: Engine,
    without: frozenset[Modality] = frozenset(),
    realtime: bool = False,
    clock: Clock | None = None,
    settings: Settings | None = None,
    record: Recorder | None = None,
) -> tuple[list[SentimentEvent], Run]:
    """Run sources through the whole pipeline; their events and what the run found out."""
    sink = Gathered()
    this = Run(front, engine, [sink], clock or WallClock(), settings or Settings(), realtime, without, record)
    asyncio.run(run(sources, this))
    return sink.events, this


def frames_of(path: Path) -> list[Frame]:
    """Every frame of a file, as the pipeline gets them."""

    async def read() -> list[Frame]:
        async with FileSource(str(path), Settings().video_rate).open() as media:
            return [frame async for frame in media.frames if isinstance(frame, AudioFrame | VideoFrame)]

    return asyncio.run(read())


def sound(samples: np.ndarray, start: float = 0.0) -> list[AudioFrame]:
    """Samples as frames of 0.1 s."""
    step = AUDIO_RATE // 10
    return [
        AudioFrame(start + first / AUDIO_RATE, samples[first : first + step].astype(np.float32))
        for first in range(0, len(samples), step)
    ]


def pictures(images: Sequence[np.ndarray], start: float = 0.0, rate: float = 10.0) -> list[VideoFrame]:
    """Images as frames of a steady camera."""
    return [VideoFrame(start + number / rate, image) for number, image in enumerate(images)]


def interleave(*tracks: Sequence[Frame]) -> list[Frame]:
    """Tracks in the order of their timestamps, as a file holds them."""
    return sorted((frame for track in tracks for frame in track), key=lambda frame: frame.pts)


def substance(events: Sequence[SentimentEvent]) -> list[dict[str, object]]:
    """Events without what may differ between two runs: how long it took."""
    return [{key: value for key, value in event.as_dict().items() if key != "latency"} for event in events]
