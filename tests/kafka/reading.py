"""What is really on a topic, read with the plain client library."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from stream.event import SentimentEvent
from tests.kafka.broker import Broker
from tests.stream.events import event

Record = ConsumerRecord[bytes, bytes]


async def records(bootstrap: str, topic: str, seconds: float = 60.0) -> list[Record]:
    """All that is on a topic now, per partition in order."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    async with asyncio.timeout(seconds):
        await consumer.start()
        try:
            found = sorted(await _partitions(consumer, topic))
            places = [TopicPartition(topic, number) for number in found]
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            got: list[Record] = []
            for place in places:
                await consumer.seek_to_beginning(place)
            while any([await consumer.position(place) < ends[place] for place in places]):
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    got.extend(batch)
            return got
        finally:
            await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> Iterable[int]:
    await consumer._client._wait_on_metadata(topic)
    return consumer.partitions_for_topic(topic) or ()


def make_topics(broker: Broker, *topics: str, partitions: int = 2, **configs: str) -> None:
    """Make topics. configs: of each, with underscores for the dots of their names."""

    async def scenario() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
        await admin.start()
        try:
            given = {name.replace("_", "."): value for name, value in configs.items()}
            await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=given) for topic in topics])
        finally:
            await admin.close()

    asyncio.run(scenario())


def read(bootstrap: str, topic: str) -> list[Record]:
    """The same, outside of a loop."""
    return asyncio.run(records(bootstrap, topic))


def first_times(found: Iterable[Any]) -> dict[str, list[int]]:
    """The window indices of each stream in the order of the topic, without the repeats."""
    indices: dict[str, list[int]] = defaultdict(list)
    for record in found:
        index = json.loads(record.value)["window"]["index"]
        if index not in indices[record.key.decode()]:
            indices[record.key.decode()].append(index)
    return dict(indices)


def some_events(count: int, streams: int = 2, begin: int = 0) -> list[SentimentEvent]:
    """Events of several streams, one after the other; each stream's indices are `begin`, `begin + 1`, …"""
    return [event(begin + place // streams, stream=f"cam-{place % streams}") for place in range(count)]


def expected(count: int, streams: int = 2, begin: int = 0) -> dict[str, list[int]]:
    """What `first_times` gives when nothing of `some_events` is lost or out of order."""
    each = count // streams
    return {f"cam-{stream}": list(range(begin, begin + each)) for stream in range(streams)}
