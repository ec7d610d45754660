"""Dead letters back to the topic they came from: sent, acknowledged by all replicas, and then remembered."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from stream.chunks.choice import Choice
from stream.chunks.dead_topic import DeadTopic, Entry
from stream.kafka.address import Address, brokers_from
from stream.kafka.faults import refusal
from stream.kafka.link import ALONE, Link, opened
from stream.kafka.options import KafkaSettings

LARGEST = 512 * 1024 * 1024  # bytes; what is on one topic fits another, and if not, the brokers say so


@dataclass
class Replay:
    """What was done with the letters after the marks.

    sent: back, and acknowledged. left: not chosen. foreign: no letters. refused: that the brokers never take, by cause.
    marks: the offsets that were moved, per partition.
    """

    sent: int = 0
    left: int = 0
    foreign: int = 0
    refused: Counter[str] = field(default_factory=Counter[str])
    marks: dict[int, int] = field(default_factory=dict[int, int])

    def line(self, topic: str, dry: bool) -> str:
        """It in one line."""
        parts = [f"{'would replay' if dry else 'replayed'} {_letters(self.sent)} to {topic}" if self.sent else ""]
        parts += [f"{_letters(self.left)} not chosen" if self.left else ""]
        parts += [f"{_letters(count)} refused by the brokers ({why})" for why, count in sorted(self.refused.items())]
        parts += [f"{self.foreign} passed over that are not dead letters" if self.foreign else ""]
        if self.marks:
            places = ", ".join(f"{number}:{offset}" for number, offset in sorted(self.marks.items()))
            parts += [f"done up to {places}"]
        nothing = "" if self.sent or self.refused else f"nothing to replay to {topic}"
        return "; ".join(filter(None, [nothing, *parts]))


class Replayer:
    """Sends the chosen letters after the marks back to their topic, in order per partition.

    The mark of a partition moves over what was sent and over what is no letter, up to the first letter that was not
    sent. When nothing is sent, no mark moves. done: how far it has come, also when it breaks off.
    """

    def __init__(self, dead: DeadTopic, choice: Choice) -> None:
        self.done = Replay()
        self._dead, self._choice = dead, choice
        self._stuck: set[int] = set()  # partitions with a letter that was not sent
        self._passed: dict[int, int] = {}

    async def look(self) -> list[Entry]:
        """Send nothing; the letters that would be, without their values. Raises as `send` does."""
        chosen: list[Entry] = []
        async for batch in self._dead.batches(await self._dead.marks()):
            for entry in batch:
                if self._choice.takes(entry):
                    chosen.append(entry.slim)
                else:
                    self._count(entry)
        self.done.sent = len(chosen)
        return chosen

    async def send(self, brokers: str, settings: KafkaSettings) -> None:
        """Do it. Raises one of `faults.LOST`, or `SourceError`; what was acknowledged until then is remembered."""
        # an idempotent producer takes nothing more after a record that was refused (OutOfOrderSequenceNumber); without
        # it a retry may send a letter twice, in order, and the events of the second are repeats by their ids
        own = settings.model_copy(update={"max_message_bytes": LARGEST, "create": False, "idempotent": False})
        async with opened(Address(brokers_from(brokers), self._dead.topic), own, ALONE) as link:
            async for batch in self._dead.batches(await self._dead.marks()):
                futures: dict[int, asyncio.Future[Any]] = {}
                try:
                    await self._send(link, batch, futures)
                finally:
                    became = [self._over(entry, futures.get(place)) for place, entry in enumerate(batch)]
                    await self._mark()
                for error in filter(None, became):
                    raise error

    async def _send(self, link: Link, batch: list[Entry], futures: dict[int, asyncio.Future[Any]]) -> None:
        for place, entry in enumerate(batch):
            if entry.letter and self._choice.takes(entry):
                futures[place] = await link.send_record(entry.key, entry.value, entry.letter.again)
        if futures:
            await asyncio.wait(futures.values())

    def _over(self, entry: Entry, future: asyncio.Future[Any] | None) -> BaseException | None:
        """What became of a record; the error, if it was not for the record that it failed."""
        if not self._choice.takes(entry):
            self._count(entry)
        elif future and future.done() and not future.cancelled():
            error = future.exception()
            if error is None:
                self.done.sent += 1
                self._pass(entry)
                return None
            self._stuck.add(entry.partition)
            why = refusal(error)
            if not why:
                return error
            self.done.refused[why] += 1
        else:  # broken off
            self._stuck.add(entry.partition)
        return None

    def _count(self, entry: Entry) -> None:
        if entry.letter:
            self.done.left += 1
            self._stuck.add(entry.partition)
        else:
            self.done.foreign += 1
            self._pass(entry)

    def _pass(self, entry: Entry) -> None:
        if entry.partition not in self._stuck:
            self._passed[entry.partition] = entry.offset + 1

    async def _mark(self) -> None:
        if self.done.sent and self._passed:
            await self._dead.mark(self._passed)
            self.done.marks |= self._passed
            self._passed = {}


def _letters(count: int) -> str:
    return f"{count} letter" if count == 1 else f"{count} letters"
