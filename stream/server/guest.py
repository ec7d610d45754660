"""A source of somebody who visits: its effects can be switched, and its end asked for."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

from ebmc_core.modality import Modality
from stream.errors import SourceError
from stream.inbox import Arrival, Mark
from stream.records import AudioFrame, Frame, VideoFrame
from stream.server.effects import Effects
from stream.server.hub import Hub
from stream.server.messages import Switches
from stream.sources.source import Condition, Media, Source


class GuestSource:
    """Another source, made worse by its effects. It tells the hub when its last window is known.

    begin: seconds of the source that are left out at its beginning. error: why it ended before its time; the pipeline
    of all visitors does not hear of it. seconds: event time that came so far.
    """

    def __init__(self, source: Source, hub: Hub, begin: float = 0.0) -> None:
        self.name, self.live = source.name, source.live
        self.effects, self.condition = Effects(), Condition()
        self.error: SourceError | None = None
        self.seconds = 0.0
        self._source, self._hub, self._begin = source, hub, begin
        self._off: set[Modality] = set()
        self._left = False

    def switch(self, switches: Switches) -> None:
        """From the next frame, and the next window, on."""
        self.effects.switches = switches
        self._off.clear()
        self._off |= switches.off

    def leave(self) -> None:
        """No more frames: the windows that are open become events, and the stream ends."""
        self._left = True

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Media]:
        """Open it; when it is left, the hub knows how many windows there were."""
        try:
            async with self._source.open() as media:
                self.condition = media.condition
                yield replace(media, frames=self._frames(media.frames), off=self._off)
        except SourceError as error:
            self.error = self.error or error
            raise
        finally:
            self._hub.end(self.name, self.condition.windows)

    async def _frames(self, frames: AsyncGenerator[Frame | Mark | Arrival]) -> AsyncGenerator[Frame | Mark | Arrival]:
        try:
            async with aclosing(frames):
                async for frame in frames:
                    if self._left:
                        return
                    if (changed := await self._changed(frame)) is not None:
                        yield changed
        except SourceError as error:
            self.error = error

    async def _changed(self, frame: Frame | Mark | Arrival) -> Frame | Mark | Arrival | None:
        if isinstance(frame, AudioFrame | VideoFrame):
            if frame.pts < self._begin:
                return None
            frame = replace(frame, pts=round(frame.pts - self._begin, 6))
            self.seconds = max(self.seconds, frame.end)
        if isinstance(frame, VideoFrame):
            if self.effects.switches.blurred:
                return await asyncio.to_thread(self.effects.picture, frame)
            return self.effects.picture(frame)
        return self.effects.sound(frame) if isinstance(frame, AudioFrame) else frame
