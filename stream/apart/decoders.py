"""The processes that read and decode live sources for this one."""

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol, runtime_checkable

from stream.apart.shelf import Shelf, shelf_file
from stream.settings import Settings
from stream.sources.source import Source

log = logging.getLogger(__name__)

BEAT = 1.0  # seconds between two signs of life
SILENT = 10  # beats that may be missing before a process is given up,
STARTING = 90  # and before the first one
BEHIND = 4 * 1024  # bytes that may wait in a socket; the rest shall wait in the source's buffer, which drops
LEAVING = 0.3  # seconds that a process may take to end by itself
ABLE = hasattr(socket, "send_fds")  # POSIX


@runtime_checkable
class Movable(Protocol):
    """A source that can be read in a process apart, once it is told where."""

    decoders: "Decoders | None"


class Decoders:
    """At most `most` processes, each started when its first source comes. A context manager; leaving ends them.

    settings: how long to wait before another process goes on with the sources of one that died.
    """

    def __init__(self, settings: Settings, most: int = 1) -> None:
        self.settings = settings
        self._most = most if ABLE else 0
        self._processes: list[_Process] = []

    def __enter__(self) -> "Decoders":
        return self

    def __exit__(self, *raised: object) -> None:
        for process in self._processes:
            process.end()

    @property
    def pids(self) -> list[int]:
        """Of the processes that run."""
        return [process.pid for process in self._processes if process.alive]

    def offer(self, sources: Sequence[Source]) -> None:
        """Have those of these sources decoded here that can be."""
        for source in sources if self._most else ():
            if isinstance(source, Movable):
                source.decoders = self

    def place(self) -> tuple[socket.socket, Shelf]:
        """Room for one more source, in the process that has the fewest: how to talk to it, and where its pictures are.

        Raises `OSError` when no process can be started.
        """
        for process in [process for process in self._processes if not process.alive]:
            self._processes.remove(process)
            process.end()
        if len(self._processes) < self._most:
            self._processes.append(_Process())
        return min(self._processes, key=lambda process: process.sources).place()


class _Process:
    """One of them. It ends when this end of its control socket is closed, so it never outlives this process."""

    def __init__(self) -> None:
        here, there = socket.socketpair()
        with there:
            command = [sys.executable, "-m", "stream.apart.serving", str(there.fileno())]
            environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                pass_fds=[there.fileno()],
                env=environment,
                start_new_session=True,  # Ctrl-C is for this process, which ends the other when it is done with it
            )
        self._control, self.sources, self._silent = here, 0, 0
        here.setblocking(False)
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._child.poll() is None

    def place(self) -> tuple[socket.socket, Shelf]:
        """Room for one more source."""
        here, there = socket.socketpair()
        file = shelf_file()
        with there:
            there.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BEHIND)
            socket.send_fds(self._control, [b"s"], [there.fileno(), file])
        self.sources += 1
        return here, Shelf(file)

    def end(self) -> None:
        """Let it end by itself, and make it end when it does not."""
        self._watching.cancel()
        self._control.close()
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(LEAVING)
        self._child.kill()
        self._child.wait()

    async def _watch(self) -> None:
        """Give it up when it gives no sign of life: what it read is then lost, and opened anew in another."""
        patience = STARTING
        while self._silent < patience:
            await asyncio.sleep(BEAT)
            self._silent += 1
            try:
                if not self._control.recv(4096):
                    break
                self._silent, patience = 0, SILENT
            except BlockingIOError:
                continue
            except OSError:
                break
        if self.alive:
            log.warning("the process that decodes (%d) does not answer any more; starting another", self.pid)
            self._child.kill()


def decoders_for(sources: Sequence[Source], settings: Settings) -> Decoders:
    """As many processes as the settings say: one where several live sources come, unless they say otherwise.

    One source alone is read in this process: nobody is kept waiting, and a process is 70 MB.
    """
    movable = [source for source in sources if isinstance(source, Movable)]
    decoders = Decoders(settings, min(1, len(movable) // 2) if settings.decoders is None else settings.decoders)
    decoders.offer(movable)
    return decoders
