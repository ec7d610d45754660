"""One connection to the cluster that takes events: opened, used until something breaks, closed for good."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import AuthenticationFailedError, RequestTimedOutError, UnknownError

from stream.errors import SettingsError
from stream.kafka.address import Address
from stream.kafka.message import Headers, Message
from stream.kafka.options import KafkaSettings
from stream.kafka.producer import AbandonableProducer
from stream.kafka.security import client_arguments
from stream.kafka.topics import ensure_topic

BATCH = 256 * 1024  # bytes of a batch, before it is compressed
ALONE = 1  # a batch so small that each event has one of its own
ALL_REPLICAS = -1
CLOSE = 1.0  # seconds that a connection may take to close
ROOM = 16 * 1024  # bytes that a request adds to its largest message, at most


class Link:
    """A producer that is connected, to a topic that is there."""

    def __init__(self, producer: AbandonableProducer, topic: str) -> None:
        self.producer, self._topic = producer, topic

    async def send(self, message: Message) -> asyncio.Future[Any]:
        """Put the event into the next batch; the future is done when all replicas have it. Raises `KafkaError`."""
        return await self.producer.send(
            self._topic, message.value, message.key, timestamp_ms=message.timestamp_ms, headers=list(message.headers)
        )

    async def send_record(self, key: bytes | None, value: bytes | None, headers: Headers) -> asyncio.Future[Any]:
        """The same with a record that may be anything; its timestamp is now. Without a key and a value it is empty."""
        if key is None and value is None:
            value = b""  # the library refuses to send nothing
        return await self.producer.send(self._topic, value, key, headers=list(headers))


@asynccontextmanager
async def opened(
    address: Address, settings: KafkaSettings, batch: int = BATCH, transactions: str | None = None
) -> AsyncGenerator[Link]:
    """Connect, see to it that the topic is there, and give a link. Leaving it fails what was not acknowledged.

    batch: bytes. transactions: a name under which everything is written in transactions. Raises one of `faults.LOST`.
    """
    arguments: dict[str, Any] = client_arguments(settings)
    arguments |= {"client_id": "ebmc-stream", "request_timeout_ms": round(settings.request_timeout * 1000)}
    async with asyncio.timeout(3 * settings.request_timeout):
        await reach(address.brokers, arguments)
        arguments["bootstrap_servers"] = list(address.brokers)
        await ensure_topic(address, settings, arguments)
    producer = AbandonableProducer(
        acks=ALL_REPLICAS,
        enable_idempotence=settings.idempotent,
        linger_ms=settings.linger_ms if batch > ALONE else 0,
        compression_type=None if settings.compression == "none" else settings.compression,
        max_batch_size=batch,
        max_request_size=settings.max_message_bytes + ROOM,
        transactional_id=transactions,
        **arguments,
    )
    try:
        await _start(producer, settings)
        yield Link(producer, address.topic)
    finally:
        await producer.abandon()


async def _start(producer: AbandonableProducer, settings: KafkaSettings) -> None:
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
        connection = AIOKafkaConnection(host, int(port), **arguments)
        try:
            await connection.connect()
        except OSError as error:  # there is no connection to close
            failure = error
        except ValueError:  # a SCRAM server that does not know our password either
            failure = AuthenticationFailedError()
            await _closed(connection)
        except Exception as error:
            failure = error
            await _closed(connection)
        else:
            await _closed(connection)
            return
    raise failure


async def _closed(connection: AIOKafkaConnection) -> None:
    """Close it; over TLS that takes a moment."""
    closed: asyncio.Future[None] | None = connection.close()
    if closed:
        await asyncio.wait([closed], timeout=CLOSE)
