"""Events as records of a Kafka topic: key is the stream's id, value the JSON event. For users: `docs/kafka.md`."""

import asyncio
import time
import uuid
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from stream.errors import SinkError
from stream.event import SentimentEvent
from stream.kafka.address import Address
from stream.kafka.backlog import Backlog
from stream.kafka.delivery import Delivery
from stream.kafka.encoding import JSON, avro_encoding
from stream.kafka.library import quiet, require
from stream.kafka.message import message_from
from stream.kafka.options import KafkaSettings
from stream.kafka.registry import Registry
from stream.kafka.report import Report
from stream.kafka.spill import open_spill
from stream.metrics import Metrics
from stream.settings import load_settings

MEBIBYTE = 1024 * 1024


class KafkaSink:
    """`kafka://HOST:PORT[,HOST:PORT]/TOPIC`. Delivers at least once, in order per stream, and never holds it up.

    What the brokers do not take for a while is kept on disk, and sent first in the next run.
    """

    def __init__(self, where: str, settings: KafkaSettings | None = None) -> None:
        require()
        self._address = Address.parse(where)
        self._settings = settings or load_settings().kafka
        self._run = self._settings.run or uuid.uuid4().hex
        self._report = Report(self._address)
        self._encoding = JSON
        self._resources = AsyncExitStack()
        self._backlog: Backlog | None = None
        self._delivery: Delivery | None = None
        self._delivering: asyncio.Task[None] | None = None

    def report_to(self, metrics: Metrics) -> None:
        """Count what is dropped, waits and is acknowledged on these meters."""
        self._report.metrics = metrics

    @property
    def waiting_on_disk(self) -> int:
        """Events that wait on disk: for brokers that are away, or to go before newer ones."""
        return self._backlog.on_disk if self._backlog else 0

    async def __aenter__(self) -> Self:
        if self._settings.registry:
            self._encoding = await asyncio.to_thread(avro_encoding, Registry(self._settings), self._address.topic)
        async with AsyncExitStack() as opening:
            opening.enter_context(quiet())
            self._delivery = Delivery(self._address, self._settings, self._open_backlog(opening), self._report)
            tasks = await opening.enter_async_context(asyncio.TaskGroup())
            self._delivering = tasks.create_task(self._delivery.run())
            opening.callback(self._delivering.cancel)
            unusable = await self._delivery.unusable()
            if not unusable:
                self._resources = opening.pop_all()
        if unusable:
            raise unusable
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._delivery and self._delivering and kind is None:
                self._delivery.end()
                await asyncio.wait([self._delivering], timeout=self._settings.close_timeout)
        finally:
            await self._resources.aclose()

    async def send(self, event: SentimentEvent) -> None:
        """Put it with what is to be delivered; returns at once."""
        if not self._delivery:
            raise SinkError(f"{self._address}: is not open")
        self._delivery.put(message_from(event, self._run, time.time(), self._encoding))

    def _open_backlog(self, stack: AsyncExitStack) -> Backlog:
        cap = self._settings.spill_mib * MEBIBYTE
        spill = open_spill(self._settings.spill, self._address, cap, self._settings.spill_age)
        self._backlog = backlog = Backlog(spill, self._settings.memory, self._report.dropped)
        stack.callback(lambda: self._report.sum_up(backlog.keep_rest()))
        return backlog
