"""Media from standard input or a named pipe, read so that a silent writer hangs nothing."""

import os
import select
import stat
import sys
import threading
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import BinaryIO

from stream.errors import SourceError
from stream.printable import printable
from stream.settings import Settings
from stream.sources.decoding import open_container
from stream.sources.reading import read_recording
from stream.sources.recording import Recording
from stream.sources.source import Media

LOOK = 200  # milliseconds between two looks at whether to stop
HINT = "is the writer sending a container that can be streamed (MPEG-TS, Matroska, WAV, MP4 with its index in front)?"


class PipeReader:
    """Bytes of a pipe, for PyAV. path: a named pipe, or None for standard input.

    `stop` ends a read that waits: the pipe then reads as ended.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._descriptor = -1
        self._stopped = threading.Event()

    def open(self) -> "PipeReader | BinaryIO":
        """What PyAV can read from: this, or standard input itself when it is a file, which can be searched."""
        if self._path:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
        else:
            self._descriptor = os.dup(sys.stdin.fileno())
        if stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            return os.fdopen(self._descriptor, "rb", closefd=False)
        return self

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, as soon as there are any; none at the end."""
        while not self._stopped.is_set():
            if self._silent():
                continue
            try:
                return os.read(self._descriptor, size)
            except BlockingIOError:
                continue
        return b""

    def stop(self) -> None:
        """Let the read that waits, and all after it, return nothing. From any thread."""
        self._stopped.set()

    def close(self) -> None:
        """Give the pipe back."""
        os.close(self._descriptor)

    def _silent(self) -> bool:
        if not hasattr(select, "poll"):  # Windows cannot wait for a pipe; the read blocks, in a thread of its own
            return False
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN | select.POLLHUP)
        return not poll.poll(LOOK)


class PipeSource:
    """A container that a pipe brings, at the pace of its writer; the writer waits when the pipeline does.

    path: a named pipe, or None for standard input. Raises `SourceError` when standard input is a terminal.
    """

    live = False

    def __init__(self, path: Path | None, video_rate: float) -> None:
        self._path, self._video_rate = path, video_rate
        self.name = printable(path.stem) if path else "stdin"
        if path is None and sys.stdin.isatty():
            raise SourceError("standard input is a terminal; pipe media into it: cat talk.mp4 | ebmc run -")

    def open(self) -> AbstractAsyncContextManager[Media]:
        """Wait for the writer and read what it sends. Raises `SourceError`."""
        reader = PipeReader(self._path)
        return read_recording(self.name, lambda: self._opened(reader), reader.stop)

    def _opened(self, reader: PipeReader) -> Recording:
        called = str(self._path or "standard input")
        target = reader.open()
        try:
            return Recording(called, open_container(called, target, HINT), self._video_rate, reader.close)
        except SourceError:
            reader.close()
            raise


def from_uri(uri: str, settings: Settings) -> PipeSource:
    """Standard input, as `-` names it."""
    return PipeSource(None, settings.video_rate)
