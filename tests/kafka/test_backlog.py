"""What waits: in order, in bounded memory, on disk within its caps, and each message once."""

import asyncio
import logging
import sqlite3
import stat
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from stream.errors import SinkError
from stream.kafka.address import Address
from stream.kafka.backlog import Backlog
from stream.kafka.message import Message
from stream.kafka.spill import Spill, open_spill

HERE = Address(("localhost:9092",), "topic")
MEBIBYTE = 2**20


def message(number: int, age: float = 0.0, size: int = 10) -> Message:
    """A message whose value starts with its number. age: seconds since it was made."""
    value = f"{number}".ljust(size).encode()
    return Message(b"cam", value, (("n", b"\xff\x00"),), round((time.time() - age) * 1000))


def spill_in(folder: Path, cap: float = MEBIBYTE, age: float = 3600.0) -> Spill:
    return Spill(folder / "spill.sqlite", cap, age)


def numbers(rows: list[tuple[int, Message]]) -> list[int]:
    return [int(each.value) for _, each in rows]


def test_messages_come_back_whole_and_in_order_also_to_the_next_process(tmp_path: Path) -> None:
    rows = [(place, message(place)) for place in (5, 3, 4)]
    spill = spill_in(tmp_path)
    spill.write(rows)
    spill.close()
    again = spill_in(tmp_path)
    assert again.read(0, 10) == sorted(rows)
    assert (again.count, again.last, again.bytes) == (3, 5, sum(each.size for _, each in rows))
    again.delete(rows)
    again.close()
    assert list(tmp_path.iterdir()) == []


def test_only_we_may_read_what_was_said(tmp_path: Path) -> None:
    spill = open_spill(tmp_path / "new", HERE, MEBIBYTE, 60)
    spill.write([(1, message(1))])
    (file,) = (path for path in (tmp_path / "new").iterdir() if path.suffix == ".sqlite")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    spill.close()


def test_the_cap_drops_the_oldest_and_counts_them(tmp_path: Path) -> None:
    spill = spill_in(tmp_path, cap=1000)
    spill.write([(place, message(place, size=90)) for place in range(1, 21)])
    dropped = spill.trim(time.time(), after=2)
    kept = numbers(spill.read(0, 100))
    assert kept[:2] == [1, 2], "those are on their way"
    assert kept[2:] == list(range(21 - len(kept[2:]), 21))
    assert spill.bytes <= 1000 < spill.bytes + message(1, size=90).size
    assert dropped == Counter({("cam", "spill-full"): 20 - len(kept)})
    spill.close()


def test_what_is_too_old_is_dropped(tmp_path: Path) -> None:
    spill = spill_in(tmp_path, age=60)
    spill.write([(1, message(1, age=90)), (2, message(2, age=61)), (3, message(3, age=10))])
    assert spill.trim(time.time(), 0) == Counter({("cam", "expired"): 2})
    assert numbers(spill.read(0, 9)) == [3]
    spill.close()


def test_a_write_that_fails_changes_nothing(tmp_path: Path) -> None:
    spill = spill_in(tmp_path)
    spill.write([(1, message(1))])
    with pytest.raises(sqlite3.Error):
        spill.write([(2, message(2)), (3, Message(b"cam", b"x", (), object()))])  # pyright: ignore[reportArgumentType]
    assert (spill.count, spill.bytes, numbers(spill.read(0, 9))) == (1, message(1).size, [1])
    spill.close()


def test_two_processes_do_not_share_a_file_and_what_one_left_the_next_takes(tmp_path: Path) -> None:
    first, second = (open_spill(tmp_path, HERE, MEBIBYTE, 3600) for _ in range(2))
    first.write([(1, message(1))])
    second.write([(1, message(2)), (2, message(3))])
    second.close()
    first.close()
    after = open_spill(tmp_path, HERE, MEBIBYTE, 3600)
    assert sorted(numbers(after.read(0, 9))) == [1, 2, 3]
    elsewhere = open_spill(tmp_path, Address(("other:9092",), "topic"), MEBIBYTE, 3600)
    assert elsewhere.count == 0, "what was for one cluster is never sent to another"
    for each in (after, elsewhere):
        each.close()


def test_a_folder_that_cannot_be_written_is_known_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SinkError, match=r"events cannot be kept there .*EBMC_KAFKA_SPILL"):
        open_spill(tmp_path / "file" / "below", HERE, MEBIBYTE, 60)
    damaged = tmp_path / "damaged"
    spill = open_spill(damaged, HERE, MEBIBYTE, 60)
    spill.write([(1, message(1))])
    spill.close()
    for path in damaged.glob("*.sqlite"):
        path.write_bytes(b"this is no database" * 100)
    with pytest.raises(SinkError, match="not a database"):
        open_spill(damaged, HERE, MEBIBYTE, 60)


def test_a_disk_that_fails_keeps_the_newest_in_memory_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dropped: Counter[str] = Counter()
    spill = spill_in(tmp_path)
    backlog = Backlog(spill, 10, lambda stream, reason, count: dropped.update({reason: count}))
    spill.close()  # every call fails from here on

    async def scenario() -> list[int]:
        for number in range(1, 31):
            backlog.put(message(number))
            if backlog.full:
                await backlog.keep()
        taken: list[int] = []
        while row := await backlog.take():
            taken.append(int(row[1].value))
        return taken

    assert asyncio.run(scenario()) == list(range(11, 31))
    assert dropped == {"memory-full": 10}
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


class Waiting(RuleBasedStateMachine):
    """Whatever happens in between: all that was put in is delivered at least once, the first times in order."""

    @initialize(memory=st.integers(1, 5))
    def open(self, memory: int) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.memory = memory
        self.put_in, self.delivered, self.flight = 0, list[int](), list[tuple[int, int]]()
        self.backlog = self.opened()

    def opened(self) -> Backlog:
        spill = open_spill(Path(self.folder.name), HERE, MEBIBYTE, 3600)
        return Backlog(spill, self.memory, lambda *lost: pytest.fail(f"dropped {lost}"))

    @rule(count=st.integers(1, 4))
    def put(self, count: int) -> None:
        for _ in range(count):
            self.put_in += 1
            self.backlog.put(message(self.put_in))
            if self.backlog.full:
                asyncio.run(self.backlog.keep())

    @rule(count=st.integers(1, 4))
    def take(self, count: int) -> None:
        async def some() -> None:
            for _ in range(count):
                if row := await self.backlog.take():
                    self.flight.append((row[0], int(row[1].value)))

        asyncio.run(some())

    @rule(count=st.integers(1, 4))
    def acknowledge(self, count: int) -> None:
        for place, number in self.flight[:count]:
            self.backlog.settle(place)
            self.delivered.append(number)
        del self.flight[:count]

    @rule()
    def keep(self) -> None:
        asyncio.run(self.backlog.keep())

    @rule()
    def tidy(self) -> None:
        asyncio.run(self.backlog.tidy())

    @rule()
    def lose_the_link(self) -> None:
        asyncio.run(self.backlog.return_flight())
        self.flight.clear()

    @rule()
    def run_again(self) -> None:
        self.backlog.keep_rest()
        self.flight.clear()
        self.backlog = self.opened()

    @invariant()
    def nothing_is_lost_nor_repeated(self) -> None:
        if hasattr(self, "backlog"):
            assert self.backlog.waiting == self.put_in - len(self.delivered)
            assert self.delivered == list(range(1, len(self.delivered) + 1))
            assert self.backlog.flight == len(self.flight)

    def teardown(self) -> None:
        async def rest() -> None:
            await self.backlog.return_flight()
            while row := await self.backlog.take():
                self.backlog.settle(row[0])
                self.delivered.append(int(row[1].value))

        if hasattr(self, "backlog"):
            with self.folder:
                asyncio.run(rest())
                assert self.backlog.keep_rest() == 0
                assert self.delivered == list(range(1, self.put_in + 1))


TestWaiting = Waiting.TestCase
TestWaiting.settings = settings(deadline=None, max_examples=40, stateful_step_count=25)


@given(st.lists(st.integers(0, 300), max_size=30), st.integers(0, 2000))
@settings(deadline=None, max_examples=30)
def test_the_size_that_is_kept_never_exceeds_the_cap(sizes: list[int], cap: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spill = spill_in(Path(folder), cap=cap)
        spill.write([(place, message(place, size=size)) for place, size in enumerate(sizes, start=1)])
        dropped = spill.trim(time.time(), 0)
        rows = spill.read(0, 100)
        assert spill.bytes == sum(each.size for _, each in rows) <= cap
        assert dropped.total() + len(rows) == len(sizes)
        spill.close()
