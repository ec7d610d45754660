"""A bounded queue between two stages, with a named policy for what happens when it is full.

    block            the sender waits              frames on their way to the session, windows, events of files
    drop-oldest      the oldest item makes room    events of a live run, for each sink by itself

Whatever is dropped is counted, by the reason. Between a live source and the loop stands no channel but a `LiveBuffer`
(`stream/sources/buffer.py`), which a thread fills: it keeps the newest sound, the latest picture, and nothing that has
waited too long.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from enum import StrEnum
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Closed(Exception):
    """The other end of the channel is closed."""


class Policy(StrEnum):
    """What a full channel does."""

    BLOCK = "block"
    DROP_OLDEST = "drop-oldest"


class Channel(Generic[Item]):
    """First in, first out, at most `limit` items.

    now: the clock that measures how long items wait. dropped: how many items were lost, by reason (`full`). The sender
    closes the channel when there is no more to come; what is in it can still be received.
    """

    def __init__(self, limit: int, policy: Policy = Policy.BLOCK, now: Callable[[], float] = time.monotonic) -> None:
        self.limit, self.policy, self.dropped = limit, policy, Counter[str]()
        self._now = now
        self._items: deque[tuple[Item, float]] = deque()
        self._closed = False
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def closed(self) -> bool:
        """Whether the sender has said that nothing more comes."""
        return self._closed

    @property
    def waited(self) -> float:
        """Seconds that the oldest item has waited; 0 when there is none."""
        return self._now() - self._items[0][1] if self._items else 0.0

    async def send(self, item: Item) -> None:
        """Put the item in; with the policy `block` wait for room first. Raises `Closed` when the channel was closed."""
        while self.policy is Policy.BLOCK and len(self._items) >= self.limit and not self._closed:
            await self._change()
        if self._closed:
            raise Closed
        self.offer(item)

    def offer(self, item: Item) -> None:
        """Put the item in at once: a full channel drops its oldest, one that blocks takes it beyond its limit."""
        if self._closed:
            return
        self._items.append((item, self._now()))
        if self.policy is not Policy.BLOCK:
            while len(self._items) > self.limit:
                self._items.popleft()
                self.dropped["full"] += 1
        self._wake()

    async def receive_many(self, most: int, linger: float = 0.0) -> list[Item]:
        """Wait for one item, then take up to `most`; an empty list when none will come.

        linger: seconds to wait for more once the first is there, while there are fewer than `most`.
        """
        while not self._items and not self._closed:
            await self._change()
        until = self._now() + linger
        while self._items and len(self._items) < most and not self._closed and (left := until - self._now()) > 0:
            try:
                async with asyncio.timeout(left):
                    await self._change()
            except TimeoutError:
                break
        taken = [self._items.popleft()[0] for _ in range(min(most, len(self._items)))]
        self._wake()
        return taken

    def close(self) -> None:
        """Say that nothing more will be sent."""
        self._closed = True
        self._wake()

    async def __aiter__(self) -> AsyncIterator[Item]:
        while items := await self.receive_many(1):
            yield items[0]

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
