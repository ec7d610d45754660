"""The library's producer, which can also be closed at once, and sends in fewer requests.

Leans on how aiokafka 0.14 is built inside.
"""

import asyncio
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import MessageAccumulator
from aiokafka.producer.sender import Sender


class AbandonableSender(Sender):
    """Knows its requests, so that they can be cancelled."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._requests: set[asyncio.Task[Any]] = set()

    async def abandon(self) -> None:
        """Send nothing more, and wait for no answer."""
        tasks = [task for task in (self._sender_task, *self._requests) if task and not task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _send_produce_req(self, node_id: Any, batches: Any) -> None:
        task = asyncio.current_task()
        assert task
        self._requests.add(task)
        try:
            await super()._send_produce_req(node_id, batches)
        finally:
            self._requests.discard(task)


class SharingAccumulator(MessageAccumulator):
    """What is due takes along all that waits for the same broker, as in the Java client.

    The library sends each partition when that has lingered, so four of them are four requests, one after the other.
    """

    def drain_by_nodes(self, ignore_nodes: Any, muted_partitions: Any = frozenset()) -> Any:
        """The batches that are sent now, by broker."""
        waiting: Any = self._batches
        first = {place: batches[0] for place, batches in waiting.items() if place not in muted_partitions}
        leaders = {place: self._cluster.leader_for_partition(place) for place in first}
        due = {leaders[place] for place, batch in first.items() if batch.remaining_linger() is None}
        for place, batch in first.items():
            if leaders[place] in due:
                batch._linger_time = 0.0
        return super().drain_by_nodes(ignore_nodes, muted_partitions)


class AbandonableProducer(AIOKafkaProducer):
    """As the library's. `stop` first waits until all is sent: for ever, when the brokers are gone."""

    def __init__(self, *, acks: int, request_timeout_ms: int, **arguments: Any) -> None:
        """acks: -1 for all replicas."""
        super().__init__(acks=acks, request_timeout_ms=request_timeout_ms, **arguments)
        given: Any = self._message_accumulator
        self._message_accumulator = SharingAccumulator(
            self._metadata,
            given._batch_size,
            given._compression_type,
            given._batch_ttl,
            txn_manager=self._txn_manager,
            loop=self._loop,
            linger_ms=given._linger_time * 1000,
        )
        self._abandonable = self._sender = AbandonableSender(
            self.client,
            acks=acks,
            txn_manager=self._txn_manager,
            message_accumulator=self._message_accumulator,
            retry_backoff_ms=100,
            request_timeout_ms=request_timeout_ms,
        )

    async def abandon(self) -> None:
        """Close at once. Nothing is sent after this, and what is not acknowledged never will be."""
        self._closed = True
        await self._abandonable.abandon()
        for connection in self.client._conns.values():  # pyright: ignore[reportPrivateUsage]
            if writer := connection._writer:  # pyright: ignore[reportPrivateUsage]
                writer.transport.abort()  # closing would wait until a broker that hangs has read what is in the buffer
        await self.client.close()
