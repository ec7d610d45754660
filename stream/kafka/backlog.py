"""What is not acknowledged yet, in order: at most so many in memory, then on disk.

    put ─▶ memory ─────────────────────────▶ take ─▶ flight ─▶ acknowledged
             └─▶ disk (while behind) ─▶ loaded ─┘       └─▶ back to the disk, when the link broke

Order: what is on disk is older than what is in memory. A message keeps its place (a number that rises) wherever it is,
so that those that come back from a broken link go first again.
"""

import asyncio
import logging
import sqlite3
import time
from collections import Counter, deque
from collections.abc import Callable

from stream.kafka.message import Message
from stream.kafka.spill import Dropped, Row, Spill

log = logging.getLogger(__name__)
READ = 500  # messages that are read from the disk at once


class Backlog:
    """Messages in their order. `memory`: how many may wait there. dropped: told by stream, reason and count."""

    def __init__(self, spill: Spill, memory: int, dropped: Callable[[str, str, int], None]) -> None:
        self._spill, self._limit, self._dropped = spill, memory, dropped
        self._memory: deque[Row] = deque()
        self._loaded: deque[Row] = deque()
        self._flight: dict[int, Message] = {}
        self._kept: set[int] = set()  # places in flight that are on disk too
        self._acknowledged: list[Row] = []  # on disk, not needed any more
        self._next, self._cursor = spill.last + 1, 0  # cursor: what is on disk up to here was loaded
        self._behind = spill.count > 0
        self._disk = asyncio.Lock()
        self._broken = False  # the disk could not be written
        self._spilled = spill.count  # how many went over the disk since it was last empty

    @property
    def waiting(self) -> int:
        """All that is not acknowledged."""
        unkept = len(self._flight) - len(self._kept)
        return len(self._memory) + unkept + self.on_disk

    @property
    def on_disk(self) -> int:
        """What is on disk and not acknowledged."""
        return self._spill.count - len(self._acknowledged)

    @property
    def spilled(self) -> float:
        """Bytes of messages on disk."""
        return self._spill.bytes

    @property
    def behind(self) -> bool:
        """Whether what is put in now goes over the disk."""
        return self._behind

    @property
    def flight(self) -> int:
        """How many are sent and not acknowledged."""
        return len(self._flight)

    @property
    def full(self) -> bool:
        """Whether more waits in memory than should."""
        return len(self._memory) > self._limit

    def caught_up(self) -> int:
        """Nothing is on disk any more; how many went over it since the last time."""
        spilled, self._spilled = self._spilled, 0
        return spilled

    def put(self, message: Message) -> None:
        """Add the newest. When even twice the limit waits in memory, because the disk fails, the oldest is dropped."""
        if len(self._memory) >= 2 * self._limit:
            _, oldest = self._memory.popleft()
            self._dropped(oldest.stream, "memory-full", 1)
        self._memory.append((self._next, message))
        self._next += 1

    async def take(self) -> Row | None:
        """The oldest that is not in flight goes into flight; None when there is none."""
        if self._behind and not self._loaded:
            async with self._disk:
                await self._load()
        if self._loaded:
            place, message = self._loaded.popleft()
            self._kept.add(place)
        elif not self._behind and self._memory and not self._disk.locked():
            place, message = self._memory.popleft()
        else:
            return None
        self._flight[place] = message
        return place, message

    def settle(self, place: int) -> None:
        """A message in flight was acknowledged, or given up."""
        message = self._flight.pop(place)
        if place in self._kept:
            self._kept.remove(place)
            self._acknowledged.append((place, message))

    async def return_flight(self) -> None:
        """The link broke: what was in flight is next again."""
        async with self._disk:
            self._memory.extendleft(reversed(self._unkept()))
            self._flight.clear()
            self._kept.clear()
            self._loaded.clear()
            self._cursor = 0
            self._behind = self.on_disk > 0

    async def keep(self) -> None:
        """All that waits goes to the disk; the caps are applied there. A disk that fails is told once."""
        async with self._disk:
            flight, memory = self._unkept(), list(self._memory)
            self._memory.clear()
            try:
                await asyncio.to_thread(self._spill.write, flight + memory)
            except sqlite3.Error as error:
                self._memory.extendleft(reversed(memory))
                self._disk_failed(error)
                return
            except BaseException:  # cancelled: whether it is written or not, `keep_rest` writes it once
                self._memory.extendleft(reversed(memory))
                raise
            self._broken = False
            for place, _ in flight:
                self._kept.add(place)
                self._cursor = max(self._cursor, place)  # they are on their way already
            self._behind = self._behind or bool(memory)
            self._spilled += len(flight) + len(memory)
            await self._tidy()

    async def tidy(self) -> None:
        """Delete from the disk what was acknowledged, and what is over the caps."""
        if self._acknowledged or self._spill.count:
            async with self._disk:
                await self._tidy()

    def keep_rest(self) -> int:
        """At the end of a run: write down all that is left, here and now, or drop it. Returns how many there are."""
        rows = self._unkept() + list(self._memory)
        try:
            self._spill.delete(self._acknowledged)
            self._spill.write(rows)
            self._count(self._spill.trim(time.time(), 0))
        except sqlite3.Error as error:
            self._disk_failed(error)
            for stream, count in Counter(message.stream for _, message in rows).items():
                self._dropped(stream, "disk", count)
        left = self._spill.count
        self._spill.close()
        return left

    async def _load(self) -> None:
        try:
            await self._forget()
            rows = await asyncio.to_thread(self._spill.read, self._cursor, READ)
        except sqlite3.Error as error:
            self._disk_failed(error)
            return
        if rows:
            self._loaded.extend(rows)
            self._cursor = rows[-1][0]
        else:
            self._behind = False  # what is left on disk is in flight; the next is in memory

    async def _tidy(self) -> None:
        try:
            await self._forget()
            # up to the cursor they are on their way, and are not dropped
            self._count(await asyncio.to_thread(self._spill.trim, time.time(), self._cursor))
        except sqlite3.Error as error:
            self._disk_failed(error)

    async def _forget(self) -> None:
        if gone := list(self._acknowledged):
            await asyncio.to_thread(self._spill.delete, gone)
            del self._acknowledged[: len(gone)]

    def _unkept(self) -> list[Row]:
        """What is in flight and not on disk."""
        return [row for row in self._flight.items() if row[0] not in self._kept]

    def _count(self, dropped: Dropped) -> None:
        for (stream, reason), count in dropped.items():
            self._dropped(stream, reason, count)

    def _disk_failed(self, error: sqlite3.Error) -> None:
        if not self._broken:
            log.error("events that wait cannot be kept on disk (%s); the oldest in memory will be dropped", error)
        self._broken = True
