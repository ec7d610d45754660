"""How several processes that run tests (`pytest -n 2`) share the machine.

A file's tests stay together, so that what they share is made once; so do those of a room that has one broker, one
server or one export for all of its files. Rooms are given out first, since they hold most tests. A test that is marked
`alone` uses all of the machine, or a moment's delay counts for it: nothing else runs beside it.
"""

import fcntl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import pytest

SAID = pytest.StashKey[str]()  # what is to be said at the end of a run
ROOMS = ("end_to_end", "engines", "kafka", "server")
LOCKED = Path(__file__), Path(__file__).with_name("conftest.py")  # a door and the machine; locked, not written


def together(test: str) -> str:
    """What a test shares a process with: its room, or its file. test: `tests/kafka/test_sink.py::test_…`."""
    file = PurePosixPath(test.partition("::")[0])
    return file.parent.name if file.parent.name in ROOMS else str(file)


@contextmanager
def place(alone: bool, locked: tuple[Path, Path] = LOCKED) -> Generator[None]:
    """Wait for a place on the machine, and hold it. Those that come after one who waits to be alone wait for it."""
    with locked[0].open() as door, locked[1].open() as machine:
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(machine, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        yield
