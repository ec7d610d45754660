"""A dead letter topic, read from end to end: what lies on it, and how much of that was replayed."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import NoError, for_code

from stream.chunks.letters import SUFFIX, DeadLetter, dead_letter_topic, letter_from
from stream.errors import SourceError
from stream.kafka.address import brokers_from, topic_from
from stream.kafka.consuming import close_consumer
from stream.kafka.faults import LOST, mend, told
from stream.kafka.library import quiet
from stream.kafka.link import reach
from stream.kafka.message import Headers
from stream.kafka.options import KafkaSettings
from stream.kafka.security import client_arguments

GROUP = "ebmc-dlq"  # its offsets say what was replayed
WAIT_MS = 500
BATCH = 100  # records that are in hand at once


@dataclass(frozen=True, slots=True)
class Entry:
    """A record of the topic. moment: its timestamp, Unix seconds. letter: None when it is none of this topic.

    size: bytes of the value.
    """

    partition: int
    offset: int
    moment: float
    key: bytes | None
    value: bytes | None
    headers: Headers
    letter: DeadLetter | None
    size: int

    @property
    def slim(self) -> "Entry":
        """The same without the value, which may be large; `size` is still its bytes."""
        return replace(self, value=None, letter=self.letter and replace(self.letter, value=None))


class DeadTopic:
    """The letters of `topic`, up to where they ended when it was opened. arguments: of clients, security included."""

    def __init__(self, topic: str, consumer: AIOKafkaConsumer, ends: dict[int, int], arguments: dict[str, Any]) -> None:
        self.topic, self.arguments = topic, arguments
        self._consumer, self._ends = consumer, ends
        self._dead = dead_letter_topic(topic)

    async def marks(self) -> dict[int, int]:
        """Per partition, the first offset that is not known to be replayed."""
        found = {number: await self._consumer.committed(self._place(number)) for number in self._ends}
        return {number: offset or 0 for number, offset in found.items()}

    async def batches(self, start: dict[int, int]) -> AsyncGenerator[list[Entry]]:
        """What there is from `start` on, in order per partition. Raises `SourceError` when no more comes."""
        first = await self._consumer.beginning_offsets([self._place(number) for number in self._ends])
        for number in self._ends:
            self._consumer.seek(self._place(number), max(start[number], first[self._place(number)]))
        patience: float = 3 * self.arguments["request_timeout_ms"] / 1000
        heard = time.monotonic()
        while open_ := [number for number, end in self._ends.items() if await self._at(number) < end]:
            places = [self._place(number) for number in open_]
            found = await self._consumer.getmany(*places, timeout_ms=WAIT_MS, max_records=BATCH)
            records = [r for batch in found.values() for r in batch if r.offset < self._ends[r.partition]]
            if records:
                heard = time.monotonic()
                yield [self._entry(record) for record in records]
            elif time.monotonic() - heard > patience:
                raise SourceError(f"{self._dead}: the brokers do not answer any more")

    async def mark(self, marks: dict[int, int]) -> None:
        """Everything before these offsets was replayed. Raises one of `faults.LOST`."""
        if marks:
            async with asyncio.timeout(self.arguments["request_timeout_ms"] / 1000):
                await self._consumer.commit({self._place(number): offset for number, offset in marks.items()})

    async def _at(self, number: int) -> int:
        return await self._consumer.position(self._place(number))

    def _place(self, number: int) -> TopicPartition:
        return TopicPartition(self._dead, number)

    def _entry(self, record: Any) -> Entry:
        letter = letter_from(record)
        if letter and letter.topic != self.topic:  # a header does not decide which topics are written to
            letter = None
        place = record.partition, record.offset, record.timestamp / 1000
        return Entry(*place, record.key, record.value, tuple(record.headers), letter, len(record.value or b""))


@asynccontextmanager
async def opened(brokers: str, topic: str, settings: KafkaSettings) -> AsyncGenerator[DeadTopic]:
    """The dead letter topic of `topic`, which may also be named itself.

    Raises `SourceError` when the brokers cannot be reached or have no such topic, and for what fails inside the block.
    """
    where = brokers_from(brokers)
    topic = topic_from(topic).removesuffix(SUFFIX)
    dead = dead_letter_topic(topic)
    arguments: dict[str, Any] = client_arguments(settings)
    arguments |= {"client_id": "ebmc-dlq", "request_timeout_ms": round(settings.request_timeout * 1000)}
    try:
        with quiet():
            async with asyncio.timeout(3 * settings.request_timeout):
                await reach(where, arguments)
                arguments["bootstrap_servers"] = list(where)
                numbers = await _partitions(dead, arguments)
                consumer = AIOKafkaConsumer(
                    group_id=GROUP,
                    enable_auto_commit=False,
                    auto_offset_reset="earliest",
                    isolation_level="read_committed",
                    **arguments,
                )
            async with _started(consumer):
                places = [TopicPartition(dead, number) for number in numbers]
                consumer.assign(places)
                ends = await consumer.end_offsets(places)
                yield DeadTopic(topic, consumer, {place.partition: end for place, end in ends.items()}, arguments)
    except LOST as error:
        told_so = mend(error) or f"the brokers do not answer ({told(error)})"
        raise SourceError(f"kafka://{','.join(where)}/{dead}: {told_so}") from error


@asynccontextmanager
async def _started(consumer: AIOKafkaConsumer) -> AsyncGenerator[None]:
    try:
        await consumer.start()
        yield
    finally:
        await close_consumer(consumer)


async def _partitions(topic: str, arguments: dict[str, Any]) -> list[int]:
    """The partitions of a topic. All topics are asked for: asking for one would make it on some brokers."""
    admin = AIOKafkaAdminClient(**arguments)
    try:
        await admin.start()
        found = next((each for each in await admin.describe_topics() if each["topic"] == topic), None)
    finally:
        await admin.close()
    if found is None:
        raise SourceError(
            f"there is no topic {topic} on {','.join(arguments['bootstrap_servers'])}: no record was given up yet, "
            "or the name is another (--topic names the topic of the chunks)"
        )
    error = for_code(found["error_code"])
    if error is not NoError:
        raise error()
    return sorted(each["partition"] for each in found["partitions"])
