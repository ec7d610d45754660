"""What tests that run side by side may count on."""

import fcntl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.room import ROOMS, place, together


@pytest.fixture
def locked(tmp_path: Path) -> tuple[Path, Path]:
    """A door and a machine of the test's own."""
    for path in (found := (tmp_path / "door", tmp_path / "machine")):
        path.touch()
    return found


@pytest.fixture
def started(locked: tuple[Path, Path]) -> Callable[[bool, list[str], str], threading.Thread]:
    """A thread that takes a place, says so, and gives it back."""

    def start(alone: bool, said: list[str], name: str) -> threading.Thread:
        def run() -> None:
            with place(alone, locked):
                said.append(name)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    return start


Started = Callable[[bool, list[str], str], threading.Thread]


def shut(door: Path) -> bool:
    """Whether somebody waits inside a door."""
    with door.open() as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_two_may_run_side_by_side(locked: tuple[Path, Path], started: Started) -> None:
    said: list[str] = []
    with place(False, locked):
        started(False, said, "beside").join(30)
        assert said == ["beside"]


@pytest.mark.parametrize(("first", "second"), [(True, False), (False, True), (True, True)])
def test_who_is_alone_is_alone(locked: tuple[Path, Path], started: Started, first: bool, second: bool) -> None:
    said: list[str] = []
    with place(first, locked):
        other = started(second, said, "later")
        other.join(0.3)
        assert said == []
    other.join(30)
    assert said == ["later"]


def test_who_waits_to_be_alone_is_not_overtaken(locked: tuple[Path, Path], started: Started) -> None:
    said: list[str] = []
    with place(False, locked):
        alone = started(True, said, "alone")
        while not shut(locked[0]):
            assert alone.is_alive()
        beside = started(False, said, "beside")
        beside.join(0.3)
        assert said == []
    alone.join(30)
    beside.join(30)
    assert said == ["alone", "beside"]


def test_what_shares_a_broker_or_a_server_stays_together() -> None:
    assert (
        together("tests/kafka/test_sink.py::test_it[a::b]") == together("tests/kafka/test_avro.py::test_it") == "kafka"
    )
    assert together("tests/stream/test_ring.py::test_it") == "tests/stream/test_ring.py"
    assert all((Path(__file__).parents[1] / room).is_dir() for room in ROOMS)
