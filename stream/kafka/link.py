"""One connection to the cluster that takes events: opened, used until something breaks, closed for good."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.conn import create_conn
from aiokafka.errors import AuthenticationFailedError, ProducerClosed, RequestTimedOutError, UnknownError

from stream.errors import SettingsError
from stream.kafka.address import Address
from stream.kafka.message import Message
from stream.kafka.options import KafkaSettings
from stream.kafka.security import client_arguments
from stream.kafka.topics import ensure_topic

BATCH = 256 * 1024  # bytes of a batch, before it is compressed
ALONE = 1  # a batch so small that each event has one of its own
CLOSE = 2.0  # seconds that closing may take, at most
ROOM = 16 * 1024  # bytes that a request adds to its largest message, at most


class Producer(AIOKafkaProducer):
    """The library's producer, which can also be closed at once."""

    async def abandon(self, within: float) -> None:
        """Fail what is not acknowledged and close, without waiting until it can be sent. within: seconds, at most.

        Nothing is sent after this. `stop` would first wait for all of it: for ever, when the brokers are gone.
        """
        self._message_accumulator.fail_all(ProducerClosed())
        await self.client.close()  # requests that wait for an answer fail, so that the task that sends can end
        try:
            async with asyncio.timeout(within):
                await self.stop()
        except TimeoutError:
            await self.client.close()


class Link:
    """A producer that is connected, to a topic that is there."""

    def __init__(self, producer: Producer, topic: str) -> None:
        self._producer, self._topic = producer, topic

    async def send(self, message: Message) -> asyncio.Future[Any]:
        """Put the event into the next batch; the future is done when all replicas have it. Raises `KafkaError`."""
        return await self._producer.send(
            self._topic, message.value, message.key, timestamp_ms=message.timestamp_ms, headers=list(message.headers)
        )


@asynccontextmanager
async def opened(address: Address, settings: KafkaSettings, batch: int = BATCH) -> AsyncGenerator[Link]:
    """Connect, see to it that the topic is there, and give a link. Leaving it fails what was not acknowledged.

    batch: bytes. Raises one of `faults.LOST`.
    """
    arguments: dict[str, Any] = client_arguments(settings)
    arguments |= {"client_id": "ebmc-stream", "request_timeout_ms": round(settings.request_timeout * 1000)}
    async with asyncio.timeout(3 * settings.request_timeout):
        await reach(address.brokers, arguments)
        arguments["bootstrap_servers"] = list(address.brokers)
        await ensure_topic(address, settings, arguments)
    producer = Producer(
        acks="all",
        enable_idempotence=settings.idempotent,
        linger_ms=settings.linger_ms if batch > ALONE else 0,
        compression_type=None if settings.compression == "none" else settings.compression,
        max_batch_size=batch,
        max_request_size=settings.max_message_bytes + ROOM,
        **arguments,
    )
    try:
        await _start(producer, settings)
        yield Link(producer, address.topic)
    finally:
        await producer.abandon(min(settings.request_timeout, CLOSE))


async def _start(producer: Producer, settings: KafkaSettings) -> None:
    try:
        async with asyncio.timeout(2 * settings.request_timeout):
            await producer.start()
    except UnknownError:
        if settings.idempotent:
            raise SettingsError(
                "these brokers cannot write idempotently: set EBMC_KAFKA_IDEMPOTENT=false (retries may repeat events)"
            ) from None
        raise


async def reach(brokers: tuple[str, ...], arguments: dict[str, Any]) -> None:
    """Connect to any of the brokers and say who we are, to learn why it fails: the library keeps that to itself."""
    failure: BaseException = RequestTimedOutError()
    for broker in brokers:
        host, _, port = broker.rpartition(":")
        try:
            connection = await create_conn(host, int(port), **arguments)
        except ValueError as error:  # a SCRAM server that does not know our password either
            raise AuthenticationFailedError from error
        except Exception as error:
            failure = error
        else:
            closed = connection.close()
            if closed:
                await closed
            return
    raise failure
