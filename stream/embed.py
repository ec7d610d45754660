"""The pipeline inside another program.

pipeline = Pipeline("cam-1")
...                                    # from any thread:
pipeline.push_audio(samples)           #   float32 [n], 16 kHz mono
pipeline.push_video(image)             #   uint8 [H, W, 3], RGB
async for event in pipeline:
    print(event.window.end, event.sentiment.score, event.trust)
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack, suppress

import numpy as np
from numpy.typing import NDArray

from ebmc_core.modality import Modality
from engines.engine import Engine
from stream.apart.decoders import decoders_for
from stream.channel import Channel, Closed, Policy
from stream.clock import WallClock
from stream.event import SentimentEvent
from stream.front_ends import FrontEnds, load_front_ends
from stream.fusion import open_fusion
from stream.pipeline import Run, run
from stream.records import AUDIO_RATE
from stream.runner import cause
from stream.settings import Settings, load_settings
from stream.sinks.sink import Unopened
from stream.sources.feed import FeedSource
from stream.sources.source import Source, source_from

WAITING = 256  # events that the program has not taken yet; then the oldest is dropped


class Pipeline:
    """Sentiment events of media that a program pushes, or of any other sources.

    Iterate it once: that loads the models, runs, and frees everything when the loop is left or all sources have ended.
    """

    def __init__(
        self,
        name: str = "feed",
        *,
        kinds: frozenset[Modality] = frozenset({Modality.AUDIO, Modality.VIDEO}),
        sources: Sequence[Source | str] = (),
        settings: Settings | None = None,
        without: frozenset[Modality] = frozenset(),
        front: FrontEnds | None = None,
        engine: Engine | None = None,
    ) -> None:
        """name, kinds: of what is pushed. sources: read these instead, sources or what the command line would name.

        front, engine: loaded models that several pipelines of one program share; without them it loads its own.
        Raises `SourceError` and `SettingsError`.
        """
        self._settings, self._without = settings or load_settings(), without
        self._feed = None if sources else FeedSource(name, kinds)
        self._sources = [source_from(s, self._settings) if isinstance(s, str) else s for s in sources]
        self._front, self._engine = front, engine
        self.dropped = 0
        """Events that were lost since the program did not take them in time."""

    def push_audio(self, samples: NDArray[np.float32], pts: float | None = None, rate: int = AUDIO_RATE) -> None:
        """Hand over sound, `[n]` mono. pts: seconds on the caller's clock; without it, it follows what was before."""
        self._pushed.push_audio(samples, pts, rate)

    def push_video(self, image: NDArray[np.uint8], pts: float | None = None) -> None:
        """Hand over a picture, uint8 `[H, W, 3]`, RGB. pts: as for sound; without it, now."""
        self._pushed.push_video(image, pts)

    def close(self) -> None:
        """Nothing more will be pushed: the windows that are open become events, and the iteration ends."""
        self._pushed.close()

    @property
    def _pushed(self) -> FeedSource:
        if self._feed is None:
            raise TypeError("this pipeline reads sources of its own; nothing can be pushed into it")
        return self._feed

    async def __aiter__(self) -> AsyncGenerator[SentimentEvent]:
        with ExitStack() as models:
            front = self._front or models.enter_context(await asyncio.to_thread(self._load))
            engine = self._engine or models.enter_context(open_fusion(self._settings))
            taken = _Taken()
            sources = [self._feed] if self._feed else self._sources
            models.enter_context(decoders_for(sources, self._settings))
            this = Run(front, engine, [taken], WallClock(), self._settings, without=self._without)
            running = asyncio.get_running_loop().create_task(run(sources, this))
            running.add_done_callback(lambda _: taken.events.close())
            try:
                async for event in taken.events:
                    self.dropped = sum(taken.events.dropped.values())
                    yield event
                await _outcome(running, this)
            finally:
                running.cancel()
                with suppress(asyncio.CancelledError, ExceptionGroup):
                    await running

    def _load(self) -> FrontEnds:
        return load_front_ends(self._settings, lambda _: None)


async def _outcome(running: "asyncio.Task[None]", this: Run) -> None:
    """Raise what the run ended with, if it did not end well."""
    try:
        await running
    except ExceptionGroup as group:
        raise cause(group) or group from group
    for error in this.broken:
        raise error


class _Taken(Unopened):
    """The sink that the program takes events from."""

    def __init__(self) -> None:
        self.events: Channel[SentimentEvent] = Channel(WAITING, Policy.DROP_OLDEST)

    async def send(self, event: SentimentEvent) -> None:
        """Keep it until it is taken."""
        with suppress(Closed):
            await self.events.send(event)
