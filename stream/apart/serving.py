"""What a process that decodes does: `python -m stream.apart.serving FD`, started by `stream.apart.decoders`."""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import aclosing, suppress
from contextvars import ContextVar

from stream.apart.decoders import BEAT
from stream.apart.remote import Remotely
from stream.apart.shelf import Shelf, Ticket
from stream.apart.wire import GO, Ended, Frames, Opened, Said, packed, received
from stream.errors import SourceError
from stream.records import AudioFrame, VideoFrame
from stream.sources.converting import Negative
from stream.sources.source import Media

TOLD = 0.25  # seconds between two reports of how a source is doing
EACH, MOST = 0.006, 0.1  # seconds that a frame waits for others, for each other source that is read, and at most: what
# it costs to take frames depends on nothing but in how many pieces they come
SAME = 2e-6  # seconds; event times are rounded
NO_ROOM = "no room for a picture"  # the reason under which one is dropped that finds no place
LINE: ContextVar[asyncio.StreamWriter] = ContextVar("LINE")  # to whoever has the source that is being read


class Serving:
    """One source: opens it, sends its frames as they come, and how it is doing, until nobody wants it or it ends."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, shelf: Shelf, sources: Callable[[], int]
    ) -> None:
        """sources: how many this process reads."""
        self._reader, self._writer, self._shelf, self._sources = reader, writer, shelf, sources
        self._wanted = asyncio.Event()
        self._parcel = Parcel()

    async def run(self) -> None:
        """From the first message to the end."""
        LINE.set(self._writer)
        source = await received(self._reader)
        serving = asyncio.ensure_future(self._serve(source))
        leaving = asyncio.ensure_future(self._heed())
        await asyncio.wait((serving, leaving), return_when=asyncio.FIRST_COMPLETED)
        for task in (serving, leaving):
            task.cancel()
        await asyncio.gather(serving, leaving, return_exceptions=True)

    async def _heed(self) -> None:
        """Frames are wanted when a byte comes, and nothing is any more when the other end is closed."""
        while word := await self._reader.read(1):
            if word == GO:
                self._wanted.set()

    async def _serve(self, source: Remotely) -> None:
        error: SourceError | None = None
        try:
            async with source.open() as media:
                self._send(Opened(media.kinds, media.duration, media.condition))
                await self._wanted.wait()
                telling = asyncio.ensure_future(self._tell(media))
                try:
                    await self._pump(media)
                finally:
                    telling.cancel()
                self._send(media.condition)
        except SourceError as raised:
            error = raised
        self._send(Ended(error))
        await self._writer.drain()

    async def _pump(self, media: Media) -> None:
        """Frames that come together go together. What cannot be sent waits in the source, which drops."""
        loop = asyncio.get_running_loop()
        origin = None
        async with aclosing(media.frames) as frames:
            async for frame in frames:
                if origin != media.condition.origin:  # event time must go on from it if this process dies
                    origin = media.condition.origin
                    self._send(media.condition)
                if not self._parcel.begun:
                    self._parcel.begun = True
                    loop.call_later(min(MOST, EACH * (self._sources() - 1)), self._flush)
                if isinstance(frame, AudioFrame):
                    self._parcel.add_sound(frame)
                elif isinstance(frame, VideoFrame):
                    pixels = frame.pixels
                    if ticket := self._shelf.put(pixels.held if isinstance(pixels, Negative) else frame.image):
                        self._parcel.pictures.append((frame.pts, ticket))
                    else:
                        media.condition.dropped[NO_ROOM] += 1
                if self._writer.transport.get_write_buffer_size():
                    self._flush()
                    await self._writer.drain()
        self._flush()

    def _flush(self) -> None:
        if items := self._parcel.items():
            self._send(Frames(items))
        self._parcel = Parcel()

    async def _tell(self, media: Media) -> None:
        """How the source is doing, whenever that has changed."""
        told = b""
        while True:
            await asyncio.sleep(TOLD)
            if (now := packed(media.condition)) != told:
                told = now
                self._writer.write(now)

    def _send(self, message: object) -> None:
        self._writer.write(packed(message))


class Parcel:
    """Frames that are sent together; sound without a gap as one frame. begun: one waits, or did."""

    def __init__(self) -> None:
        self.begun = False
        self.pictures: list[tuple[float, Ticket]] = []
        self._sound: list[tuple[float, list[bytes]]] = []
        self._end = 0.0

    def add_sound(self, frame: AudioFrame) -> None:
        """The next frame of sound."""
        if not self._sound or abs(frame.pts - self._end) > SAME:
            self._sound.append((frame.pts, []))
        self._sound[-1][1].append(frame.samples.tobytes())
        self._end = frame.end

    def items(self) -> list[tuple[float, bytes | Ticket]]:
        """Each kind in its order."""
        return [*((pts, b"".join(parts)) for pts, parts in self._sound), *self.pictures]


class Forwarding(logging.Handler):
    """Lines for the log go to the program, which says them in its own way."""

    def emit(self, record: logging.LogRecord) -> None:
        """What is said of a source is said by its task; anything else is told to nobody."""
        if line := LINE.get(None):
            line.write(packed(Said(record.levelno, record.name, record.getMessage())))


async def serve(control: socket.socket) -> None:
    """Take in sources until the program is gone, and show it a sign of life."""
    loop, gone, tasks = asyncio.get_running_loop(), asyncio.Event(), set[asyncio.Task[None]]()

    def take() -> None:
        try:
            word, files, _, _ = socket.recv_fds(control, 1, 2)
        except BlockingIOError:
            return
        except OSError:
            word, files = b"", []
        if not word:
            loop.remove_reader(control)
            gone.set()
            return
        line, file = files
        task = loop.create_task(served(line, file, lambda: len(tasks)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    control.setblocking(False)
    loop.add_reader(control, take)
    while not gone.is_set():
        with suppress(BlockingIOError, OSError):
            control.send(b".")
        with suppress(TimeoutError):
            async with asyncio.timeout(BEAT):
                await gone.wait()


async def served(line: int, file: int, sources: Callable[[], int]) -> None:
    """One source from its message to its end."""
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=line))
    writer.transport.set_write_buffer_limits(high=0)
    shelf = Shelf(file)
    with suppress(EOFError, OSError):
        await Serving(reader, writer, shelf, sources).run()
    writer.close()


def main() -> None:
    """Serve, and leave behind whatever hangs."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the program ends this process, when it is done with it
        signal.signal(number, signal.SIG_IGN)
    logging.basicConfig(level=logging.DEBUG, handlers=[Forwarding()])
    gc.freeze()
    asyncio.run(serve(socket.socket(fileno=int(sys.argv[1]))))
    os._exit(0)


if __name__ == "__main__":
    main()
