"""Sentiment events from a Kafka topic, for programs that use them.

async for event in SentimentEvents("localhost:9092", "sentiment", group="my-program"):
    print(event.window.stream, event.window.end, event.sentiment.score)
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator
from hashlib import sha256
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from stream.errors import EventError, SourceError
from stream.event import SentimentEvent
from stream.event_json import event_from_dict, event_from_json
from stream.kafka.address import brokers_from, topic_from
from stream.kafka.library import require
from stream.kafka.options import KafkaSettings
from stream.kafka.registry import Registry
from stream.settings import load_settings

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, ConsumerRecord

log = logging.getLogger(__name__)
WAIT_MS = 1000  # for records; between two waits what was had is committed
METADATA_MS = 30_000  # after which a topic that was not there is looked for again
SOURCE = "ce_source"
LONGEST = 256  # letters of a name that is remembered as it is


class Repeats:
    """Which events were seen: the last `most` ids of each of the last `streams` streams."""

    def __init__(self, most: int = 4096, streams: int = 1024) -> None:
        self._most, self._streams = most, streams
        self._seen: OrderedDict[tuple[str, str], OrderedDict[str, None]] = OrderedDict()

    def again(self, source: str, stream: str, event_id: str) -> bool:
        """Whether it was seen before; now it is. source: two runs of a stream may give the same id."""
        key, event_id = (_short(source), _short(stream)), _short(event_id)
        ids = self._seen.setdefault(key, OrderedDict())
        self._seen.move_to_end(key)
        if len(self._seen) > self._streams:
            self._seen.popitem(last=False)
        again = event_id in ids
        ids[event_id] = None
        ids.move_to_end(event_id)
        if len(ids) > self._most:
            ids.popitem(last=False)
        return again


def _short(name: str) -> str:
    """A name that is as long as a message can be does not lie in memory four thousand times."""
    return name if len(name) <= LONGEST else sha256(name.encode()).hexdigest()


class SentimentEvents:
    """Valid events of a topic, each once, in order per stream.

    group: consumers with the same name share the partitions; what a group has had is remembered on the brokers.
    Without one, every consumer gets everything. start: where to begin when nothing is remembered; `earliest` is the
    default of a group, `latest` of none. settings: TLS and SASL; by default from the environment and `ebmc.toml`.

    An event counts as had when the next one is asked for, so that a program that dies gets the one it died on again.
    An id that comes again is dropped, as far back as memory goes: 4,096 events of a stream, and not across a restart.
    What is not a valid event is skipped. Raises `SourceError` when the brokers cannot be reached at the beginning;
    later it waits for them.

    received, repeats, invalid: how many of each came. Entering and leaving (`async with`) is not needed; it closes the
    connection at once when the loop over the events is left early.
    """

    def __init__(
        self,
        brokers: str,
        topic: str,
        group: str | None = None,
        start: Literal["earliest", "latest"] | None = None,
        settings: KafkaSettings | None = None,
    ) -> None:
        require()
        self._brokers, self._topic, self._group = brokers_from(brokers), topic_from(topic), group
        self._start = start or ("earliest" if group else "latest")
        self._settings = settings or load_settings().kafka
        self._seen = Repeats()
        self._registry = Registry(self._settings) if self._settings.registry else None
        # to close them at the end of a block; without one nothing may hold them, so that they close when they are left
        self._open: list[AsyncGenerator[SentimentEvent]] | None = None
        self.received = self.repeats = self.invalid = 0

    def __aiter__(self) -> AsyncIterator[SentimentEvent]:
        events = self._events()
        if self._open is not None:
            self._open.append(events)
        return events

    async def __aenter__(self) -> Self:
        self._open = []
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for events in self._open or ():
            await events.aclose()
        self._open = None

    async def _events(self) -> AsyncGenerator[SentimentEvent]:
        from stream.kafka.consuming import close_consumer
        from stream.kafka.offsets import Offsets

        consumer = await self._connected()
        offsets = Offsets(consumer, self._group)
        try:
            while True:
                for place, records in (await consumer.getmany(timeout_ms=WAIT_MS, max_records=500)).items():
                    for record in records:
                        if place not in consumer.assignment():
                            break  # another consumer of the group has it now, and gets the rest
                        if event := await self._accepted(record):
                            yield event
                        await offsets.had(record)
                await offsets.commit()
        finally:
            await offsets.commit()
            await close_consumer(consumer)

    async def _accepted(self, record: "ConsumerRecord[Any, Any]") -> SentimentEvent | None:
        self.received += 1
        try:
            event = await self._decoded(record.value or b"")
        except EventError as error:
            if not self.invalid:
                where = f"{self._topic}, partition {record.partition}, offset {record.offset}"
                log.warning("%s: skipped: %s; more of them are only counted", where, error)
            self.invalid += 1
            return None
        sources = [value for name, value in record.headers if name == SOURCE]
        source = (sources[0] or b"").decode(errors="replace") if sources else ""  # a header may have no value
        if self._seen.again(source, event.window.stream, event.event_id):
            self.repeats += 1
            return None
        return event

    async def _decoded(self, value: bytes) -> SentimentEvent:
        if not self._registry or value[:1] != b"\0":
            return event_from_json(value)
        from stream.kafka.encoding import decode_avro

        return event_from_dict(await asyncio.to_thread(decode_avro, value, self._registry))

    async def _connected(self) -> "AIOKafkaConsumer":
        from aiokafka import AIOKafkaConsumer

        from stream.kafka.faults import LOST, mend, told
        from stream.kafka.link import reach
        from stream.kafka.security import client_arguments

        arguments: dict[str, Any] = client_arguments(self._settings)
        arguments |= {"client_id": "ebmc-client", "request_timeout_ms": round(self._settings.request_timeout * 1000)}
        try:
            await reach(self._brokers, arguments)
            consumer = AIOKafkaConsumer(
                self._topic,
                bootstrap_servers=",".join(self._brokers),
                group_id=self._group,
                auto_offset_reset=self._start,
                enable_auto_commit=False,
                metadata_max_age_ms=METADATA_MS,
                **arguments,
            )
            try:
                await consumer.start()
            except BaseException:
                await consumer.stop()
                raise
        except LOST as error:
            where = f"kafka://{','.join(self._brokers)}/{self._topic}"
            raise SourceError(f"{where}: {mend(error) or f'cannot be reached ({told(error)})'}") from error
        return consumer
