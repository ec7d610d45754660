"""A bounded queue between two stages: a full one makes the sender wait, a closed one ends the receiver."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Closed(Exception):
    """The other end of the channel is closed."""


class Channel(Generic[Item]):
    """First in, first out, at most `limit` items, policy `block`.

    The sender closes it when there is no more to come; what is in it can still be received.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._items: deque[Item] = deque()
        self._closed = False
        self._changed = asyncio.Condition()

    def __len__(self) -> int:
        return len(self._items)

    async def send(self, item: Item) -> None:
        """Wait for room, then put the item in. Raises `Closed` when the channel was closed."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or len(self._items) < self.limit)
            if self._closed:
                raise Closed
            self._items.append(item)
            self._changed.notify_all()

    async def receive_many(self, most: int) -> list[Item]:
        """Wait for one item, then take up to `most` that are there; an empty list when none will come."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or bool(self._items))
            taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
            self._changed.notify_all()
            return taken

    async def close(self) -> None:
        """Say that nothing more will be sent."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()

    async def __aiter__(self) -> AsyncIterator[Item]:
        while items := await self.receive_many(1):
            yield items[0]
