"""The other end of `NOTIFY_SOCKET`: what a service manager hears, in order."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

DEADLINE = 150.0  # seconds that a test waits for a word


@dataclass
class Manager:
    """heard: each line of each datagram with the moment it came, on the monotonic clock."""

    environment: dict[str, str]
    heard: list[tuple[float, str]] = field(default_factory=list)

    def lines(self) -> list[str]:
        return [line for _, line in self.heard]

    def count(self, line: str) -> int:
        return self.lines().count(line)

    def wait_for(self, line: str, times: int = 1) -> None:
        """Until it was heard so often; fails after the deadline."""
        until = time.monotonic() + DEADLINE
        while self.count(line) < times:
            assert time.monotonic() < until, (line, times, self.lines())
            time.sleep(0.02)


@contextmanager
def listening_manager(path: str, watchdog: float) -> Iterator[Manager]:
    """A manager at a path, or at `@NAME` among the abstract names. watchdog: seconds."""
    environment = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": str(round(watchdog * 1e6))}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        link.bind("\0" + path[1:] if path.startswith("@") else path)
        link.settimeout(0.1)
        manager, over = Manager(environment), threading.Event()

        def hear() -> None:
            while not over.is_set():
                try:
                    text = link.recv(65536).decode()
                except TimeoutError:
                    continue
                manager.heard += [(time.monotonic(), line) for line in text.splitlines()]

        thread = threading.Thread(target=hear)
        thread.start()
        try:
            yield manager
        finally:
            over.set()
            thread.join()


def own_environment(manager: Manager) -> dict[str, str]:
    """For a process that the manager would start."""
    return {**os.environ, **manager.environment}
