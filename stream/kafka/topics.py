"""A topic is there before it is written to: found, or made. `stream/schema/asyncapi-1.json` describes the topics."""

from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import NoError, TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code

from stream.errors import SettingsError
from stream.kafka.address import Address
from stream.kafka.options import KafkaSettings

CLUSTERS_CHOICE = -1  # copies of a topic, left to the brokers
BROKERS_CHOICE = 1_000_000  # bytes; a message that large needs no setting of the topic
ROOM = 64 * 1024  # bytes for key and headers


async def ensure_topic(address: Address, settings: KafkaSettings, arguments: dict[str, Any]) -> None:
    """Make the topic unless it is there. Raises `SettingsError` if it is missing and may not be made, or `KafkaError`.

    arguments: of the client, security included.
    """
    admin = AIOKafkaAdminClient(**arguments)
    try:
        await admin.start()
        error = for_code((await admin.describe_topics([address.topic]))[0]["error_code"])
        if error is UnknownTopicOrPartitionError:
            await _create(admin, address, settings)
        elif error is not NoError and not error.retriable:
            raise error()
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, address: Address, settings: KafkaSettings) -> None:
    if not settings.create:
        raise SettingsError(
            f"the topic {address.topic} is not there; make it, or let EBMC_KAFKA_CREATE=true do it "
            f"({settings.partitions} partitions)"
        )
    # with an empty list of assignments, and only then, the library lets us leave the number of copies to the cluster
    assigned = {} if settings.replication == CLUSTERS_CHOICE else None
    larger = {"max.message.bytes": str(settings.max_message_bytes + ROOM)}
    configs = larger if settings.max_message_bytes > BROKERS_CHOICE else None
    topic = NewTopic(address.topic, settings.partitions, settings.replication, assigned, configs)
    answer: Any = await admin.create_topics([topic])
    error = for_code(answer.topic_errors[0][1])
    if error not in (NoError, TopicAlreadyExistsError):
        raise error()
