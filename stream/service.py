"""What a service manager hears from the program: systemd's `sd_notify`, datagrams to the socket in `NOTIFY_SOCKET`.

READY=1         once /health/ready says so; until then STATUS= tells what is waited for, and the start may take longer
WATCHDOG=1      for as long as /health/live says so: an event loop that is stuck falls silent, and systemd restarts it
STOPPING=1      when the end begins: Ctrl-C, SIGTERM, or every source is over

Without `NOTIFY_SOCKET` nothing is done.
"""

import logging
import os
import socket
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from stream.errors import SettingsError
from stream.health import Health

log = logging.getLogger(__name__)

TICK = 1.0  # seconds between two looks at the health, at most
EXTENSION = 30.0  # seconds that systemd waits on for READY=1 after each word of a program that still lives
PATIENCE = 1.0  # seconds for a manager that does not take what it is told


@contextmanager
def notifying(health: Health, environment: Mapping[str, str] | None = None) -> Generator[None]:
    """Tell the manager how it is while the block runs, from a thread of its own. Raises `SettingsError`.

    environment: where `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` are, the process's own by default.
    """
    environment = os.environ if environment is None else environment
    path = environment.get("NOTIFY_SOCKET")
    if not path:
        yield
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | getattr(socket, "SOCK_CLOEXEC", 0)) as link:
        link.settimeout(PATIENCE)
        teller, over = Teller(health, link, address_of(path)), threading.Event()
        watchdog = watchdog_seconds(environment)
        pause = TICK if watchdog is None else min(TICK, watchdog / 3)

        def tell_on() -> None:
            teller.tell()
            while not over.wait(pause):
                teller.tell()

        thread = threading.Thread(target=tell_on, name="service", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            health.leaving()
            teller.tell()


def address_of(path: str) -> str:
    """The address of a `NOTIFY_SOCKET`: a path, or `@NAME` in Linux' abstract names. Raises `SettingsError`."""
    if path.startswith("@"):
        return "\0" + path[1:]
    if not path.startswith("/"):
        raise SettingsError(f"NOTIFY_SOCKET={path}: only /PATH and @NAME are known; unset it to run without a manager")
    return path


def watchdog_seconds(environment: Mapping[str, str]) -> float | None:
    """How long the manager bears silence, None when it does not watch this process. Raises `SettingsError`."""
    wanted, whose = environment.get("WATCHDOG_USEC"), environment.get("WATCHDOG_PID")
    if not wanted or (whose and whose != str(os.getpid())):
        return None
    if not wanted.isdecimal() or int(wanted) == 0:
        raise SettingsError(f"WATCHDOG_USEC={wanted}: must be a number of microseconds; unset it to run unwatched")
    return int(wanted) / 1e6


@dataclass(slots=True)
class Teller:
    """Says what has changed since it last spoke. Used by one thread at a time."""

    health: Health
    link: socket.socket
    address: str
    _said: set[str] = field(default_factory=set[str])
    _status: str = ""
    _deaf: bool = False

    def tell(self) -> None:
        """One datagram, if there is anything to say. A manager that cannot be reached is logged once."""
        lines: list[str] = []
        waiting, live = self.health.unready(), self.health.live()[0]
        if not waiting and not self.health.ends:
            self._once("READY=1", lines)
        if self.health.ends:
            self._once("STOPPING=1", lines)
        elif live and "READY=1" not in self._said:
            lines.append(f"EXTEND_TIMEOUT_USEC={round(EXTENSION * 1e6)}")
        if live:
            lines.append("WATCHDOG=1")
        status = self._told(waiting, live)
        if status != self._status:
            lines.append(f"STATUS={status}")
        if lines and self._send("\n".join(lines)):
            self._said.update(line for line in lines if line in ("READY=1", "STOPPING=1"))
            self._status = status

    def _once(self, line: str, lines: list[str]) -> None:
        if line not in self._said:
            lines.append(line)

    def _told(self, waiting: Mapping[str, str], live: bool) -> str:
        if self.health.ends:
            return "stopping"
        if not live:
            return "the event loop is stuck"
        if waiting:
            return "waiting: " + ", ".join(f"{what} ({how})" for what, how in waiting.items())
        return "running"

    def _send(self, text: str) -> bool:
        try:
            self.link.sendto(text.encode(), self.address)
        except OSError as error:  # a full socket, or nobody behind it: the next word may arrive
            if not self._deaf:
                log.warning("the service manager at NOTIFY_SOCKET does not listen (%s)", error.strerror or error)
            self._deaf = True
            return False
        self._deaf = False
        return True
