"""A live source that another process reads, as this one sees it: frames, and how it is doing."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np

from ebmc_core.modality import Modality
from stream.apart.decoders import Decoders
from stream.apart.shelf import Print, Shelf, Ticket
from stream.apart.wire import GO, Ended, Frames, Opened, Said, packed, received
from stream.errors import SourceError, SourceLost
from stream.records import AudioFrame, Frame, VideoFrame
from stream.sources.backoff import Backoff
from stream.sources.packets import kind_of
from stream.sources.source import Condition, Link, Media

log = logging.getLogger(__name__)

FETCHED = 4 * 1024  # bytes that are read ahead; see `decoders.BEHIND`
ROUNDING = 2e-6  # seconds
DIED = "the process that decoded it ended"


class Remotely(Protocol):
    """A source as it is sent to the process that reads it."""

    @property
    def name(self) -> str:
        """Of the stream."""
        ...

    def open(self) -> AbstractAsyncContextManager[Media]:
        """Open it there."""
        ...

    def resumed(self, origin: float | None) -> "Remotely":
        """The same to be opened again after its process died, event time going on: `origin` is the wall clock at 0."""
        ...


@asynccontextmanager
async def opened_apart(source: Remotely, decoders: Decoders) -> AsyncGenerator[Media]:
    """Have a source opened and read by a process apart. Raises `SourceError`."""
    remote = _Remote(source, decoders)
    try:
        opened = await remote.connect(source)
        yield Media(opened.kinds, opened.duration, remote.frames(opened), opened.condition)
    finally:
        remote.close()


class _Remote:
    """The source through all the processes that read it, of which there is one, unless it dies."""

    def __init__(self, source: Remotely, decoders: Decoders) -> None:
        self._source, self._decoders, self._settings = source, decoders, decoders.settings
        self._line: _Line | None = None

    async def connect(self, source: Remotely) -> Opened:
        """Send it to a process, and wait until it is open there."""
        self.close()
        try:
            self._line = line = await _line(self._decoders)
            line.writer.write(packed(source))
            while not isinstance(message := await line.next(), Opened):
                if isinstance(message, Ended):
                    raise message.error or SourceError(f"{source.name}: it ended")
        except (EOFError, OSError) as error:
            raise SourceError(f"{source.name}: {DIED} ({error})") from error
        return message

    async def frames(self, opened: Opened) -> AsyncGenerator[Frame]:
        """What it sends, whichever process reads it."""
        condition, earlier = opened.condition, Condition()
        newest: dict[Modality, float] = {}  # event time up to which there are frames, seconds
        while True:
            try:
                async for message in self._sent():
                    if isinstance(message, Condition):
                        _update(condition, message, earlier)
                        continue
                    for frame in message:
                        kind = kind_of(frame)
                        if kind not in opened.kinds:  # it came back as something else
                            earlier.dropped["new kind"] += 1
                        elif frame.pts < newest.get(kind, 0.0) - ROUNDING:  # another process knew of it already
                            earlier.dropped["overlap"] += 1
                        else:
                            newest[kind] = frame.end
                            yield frame
                return
            except (EOFError, OSError):
                await self._resume(condition)
                earlier = Condition(
                    reconnects=condition.reconnects + 1, gaps=condition.gaps + 1, dropped=condition.dropped.copy()
                )

    def close(self) -> None:
        """Nothing more is wanted; the other process ends what it does for this source."""
        if self._line:
            self._line.close()
        self._line = None

    async def _sent(self) -> AsyncGenerator[Condition | Iterator[Frame]]:
        """What comes from one process until the source ends. Raises `EOFError` and `OSError` when that dies."""
        if self._line is None:
            raise EOFError
        line = self._line
        line.writer.write(GO)
        while True:
            match await line.next():
                case Frames(items):
                    yield (line.frame(pts, what) for pts, what in items)
                case Condition() as told:
                    yield told
                case Ended(error):
                    if error:
                        raise error
                    return
                case _:
                    pass

    async def _resume(self, condition: Condition) -> None:
        """Have another process go on. Raises `SourceLost` when that takes too long."""
        lost, wait = time.monotonic(), Backoff(self._settings.reconnect_wait, self._settings.reconnect_most)
        source, limit = self._source.resumed(condition.origin), self._settings.gone_after
        condition.state, condition.last = Link.WAITING, DIED
        log.warning("%s is lost (%s); trying to get it back", source.name, DIED)
        while True:
            away = time.monotonic() - lost
            if limit is not None and away > limit:
                raise SourceLost(f"{source.name}: is away for {away:.0f} s ({condition.last}); giving it up")
            await asyncio.sleep(wait.next())
            try:
                await self.connect(source)
            except SourceError as error:
                condition.last = str(error)
            else:
                log.info("%s is back after %.1f s", source.name, time.monotonic() - lost)
                return


@dataclass(frozen=True, slots=True, eq=False)
class _Line:
    """The way to one source in one process. shelf: where its pictures are."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    shelf: Shelf

    async def next(self) -> object:
        """The next message; what is for the log goes there at once."""
        while isinstance(message := await received(self.reader), Said):
            logging.getLogger(message.logger).log(message.level, "%s", message.text)
        return message

    def frame(self, pts: float, what: bytes | Ticket) -> Frame:
        """A frame as it was there."""
        if isinstance(what, bytes):
            return AudioFrame(pts, np.frombuffer(what, np.float32))
        return VideoFrame(pts, Print(self.shelf, what))

    def close(self) -> None:
        """Leave it."""
        self.writer.close()


async def _line(decoders: Decoders) -> _Line:
    end, shelf = decoders.place()
    end.setblocking(False)
    return _Line(*await asyncio.open_connection(sock=end, limit=FETCHED), shelf)


def _update(condition: Condition, told: Condition, earlier: Condition) -> None:
    """What is told of a source now. earlier: what was counted by processes that died."""
    for name in (field.name for field in fields(told)):
        if name not in ("windows", "reconnects", "gaps", "dropped"):
            setattr(condition, name, getattr(told, name))
    condition.reconnects, condition.gaps = earlier.reconnects + told.reconnects, earlier.gaps + told.gaps
    condition.dropped = earlier.dropped + told.dropped
