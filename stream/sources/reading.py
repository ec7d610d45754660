"""A recording read by a thread that nothing ever waits for, so that no read that hangs can hang the program."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

from stream.errors import SourceError
from stream.records import Frame
from stream.sources.buffer import BlockingBuffer
from stream.sources.recording import Recording
from stream.sources.source import Condition, Media

AHEAD = 16  # frames that are decoded before they are wanted
LEAVING = 0.3  # seconds that a thread may take to close what it reads; it is left behind after that


@asynccontextmanager
async def read_recording(
    name: str, opened: Callable[[], Recording], stop: Callable[[], None] = lambda: None
) -> AsyncGenerator[Media]:
    """Open and read a recording in a daemon thread of its own; the thread waits while nobody takes its frames.

    opened: opens it, in the thread; may raise `SourceError`. stop: asks a read that hangs to end.
    """
    buffer = BlockingBuffer(AHEAD)
    buffer.attach()
    reader = _Reader(opened, buffer)
    threading.Thread(target=reader.run, name=f"decode-{name}", daemon=True).start()
    try:
        recording = await reader.recording
        condition = Condition()
        yield Media(recording.kinds, recording.duration, _frames(buffer, recording, condition), condition)
    finally:
        buffer.close()
        stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVING):
                await reader.done.wait()


async def _frames(buffer: BlockingBuffer, recording: Recording, condition: Condition) -> AsyncGenerator[Frame]:
    while frames := await buffer.take():
        for frame in frames:
            yield frame
        condition.gaps = recording.timeline.jumps
    if recording.complaint:
        raise SourceError(recording.complaint)


class _Reader:
    """What the thread does, and what it tells the loop."""

    def __init__(self, opened: Callable[[], Recording], buffer: BlockingBuffer) -> None:
        self._opened, self._buffer = opened, buffer
        self._loop = asyncio.get_running_loop()
        self.recording: asyncio.Future[Recording] = self._loop.create_future()
        self.done = asyncio.Event()

    def run(self) -> None:
        try:
            recording = self._opened()
        except BaseException as error:  # whoever waits for the recording gets it
            self._tell(self._refuse, error)
            return
        self._tell(self._accept, recording)
        error = None
        try:
            for frame in recording.frames():
                if not self._buffer.put(frame):
                    break
        except BaseException as raised:  # whoever takes the frames gets it
            error = raised
        recording.close()
        self._buffer.end(error)
        self._tell(self.done.set)

    def _accept(self, recording: Recording) -> None:
        if not self.recording.done():
            self.recording.set_result(recording)

    def _refuse(self, error: BaseException) -> None:
        self.done.set()
        if not self.recording.done():
            self.recording.set_exception(error)

    def _tell(self, call: Callable[..., None], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop has ended: nobody waits any more
            self._loop.call_soon_threadsafe(call, *arguments)
