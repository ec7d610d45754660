"""A live source read in the background, and waiting for what happens to it."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from ebmc_core.modality import Modality
from stream.errors import SourceError
from stream.records import AudioFrame, Frame, VideoFrame
from stream.settings import Settings
from stream.sources.source import Condition, Source

RTSP_SERVER = Path(__file__).with_name("rtsp_server.py")
QUICK = Settings(open_timeout=30, read_timeout=1.5, reconnect_wait=0.2, reconnect_most=1)  # for what hangs
STEADY = QUICK.model_copy(update={"read_timeout": 30.0})  # a machine that stalls for a moment is no source that hangs


class Listener:
    """What a source gave so far."""

    def __init__(self, kinds: frozenset[Modality], duration: float | None, condition: Condition) -> None:
        self.kinds, self.duration, self.condition = kinds, duration, condition
        self.frames: list[Frame] = []
        self.error: SourceError | None = None
        self.ended = False

    @property
    def sound(self) -> list[AudioFrame]:
        return [frame for frame in self.frames if isinstance(frame, AudioFrame)]

    @property
    def pictures(self) -> list[VideoFrame]:
        return [frame for frame in self.frames if isinstance(frame, VideoFrame)]

    def assert_in_order(self) -> None:
        """Per kind, nothing overlaps and nothing goes back."""
        for before, after in zip(self.sound, self.sound[1:], strict=False):
            assert after.pts >= before.end - 2e-6
        for before, after in zip(self.pictures, self.pictures[1:], strict=False):
            assert after.pts > before.pts


@asynccontextmanager
async def listening(source: Source) -> AsyncIterator[Listener]:
    """Open the source and read it in the background until the block ends."""
    async with source.open() as media:
        listener = Listener(media.kinds, media.duration, media.condition)

        async def read() -> None:
            try:
                async for frame in media.frames:
                    listener.frames.append(frame)
            except SourceError as error:
                listener.error = error
            finally:
                listener.ended = True
                await media.frames.aclose()

        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(read())
            yield listener
            reading.cancel()


async def until(condition: Callable[[], object], seconds: float = 40.0) -> float:
    """Wait for it; how long that took. Fails at the deadline."""
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > seconds:
            raise AssertionError(f"did not happen within {seconds} s")
        await asyncio.sleep(0.02)
    return time.monotonic() - begin


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Program:
    """A process that serves a stream, to be killed, stopped and started again."""

    def __init__(self, *command: str | Path) -> None:
        self._command = [sys.executable, *map(str, command)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(self._command, stdout=quiet, stderr=quiet, stdin=quiet, start_new_session=True)

    def await_port(self, port: int, seconds: float = 60.0) -> None:
        """Wait until it listens there."""
        begin = time.monotonic()
        while time.monotonic() - begin < seconds:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError(f"nothing listens on port {port}")

    def signal(self, number: signal.Signals) -> None:
        """To the process that serves; what it has started lives on."""
        assert self._process
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@contextmanager
def serving(*command: str | Path, started: bool = True) -> Iterator[Program]:
    program = Program(*command)
    if started:
        program.start()
    try:
        yield program
    finally:
        program.kill()
