"""One process at a time: the others wait until it has done the work."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def only_one(path: Path, waiting: Callable[[], None]) -> Generator[None]:
    """Hold the lock of that file, which is made and stays; `waiting` is called when another process holds it.

    The system lets go of it when a process ends in whatever way. Where locks do not exist (Windows, some network
    folders) nobody waits, and the checksums alone protect. Raises `OSError` when the file cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        _lock(file, waiting)
        yield


def _lock(file: IO[str], waiting: Callable[[], None]) -> None:
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        waiting()
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:
        return
