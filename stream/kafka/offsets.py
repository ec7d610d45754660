"""How far a consumer group has come: told to the brokers after the work was done, at most once a moment."""

import logging
import time

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

log = logging.getLogger(__name__)
EVERY = 1.0  # seconds


class Offsets:
    """What was had and not yet committed. Without a group nothing is committed."""

    def __init__(self, consumer: AIOKafkaConsumer, group: str | None) -> None:
        self._consumer, self._group = consumer, group
        self._had: dict[TopicPartition, int] = {}
        self._last = time.monotonic()

    async def had(self, record: ConsumerRecord[bytes, bytes]) -> None:
        """The work on a record is done."""
        self._had[TopicPartition(record.topic, record.partition)] = record.offset + 1
        if time.monotonic() - self._last > EVERY:
            await self.commit()

    async def commit(self) -> None:
        """Tell the brokers; when they do not answer, the next commit tells them the more."""
        mine = {place: offset for place, offset in self._had.items() if place in self._consumer.assignment()}
        self._had, self._last = mine, time.monotonic()
        if not self._group or not mine:
            return
        try:
            await self._consumer.commit(mine)
            self._had = {}
        except (CommitFailedError, IllegalStateError):
            self._had = {}  # the partition is another consumer's now, which gets them again
        except KafkaError as error:
            log.info("the brokers did not take what the group %s has had (%s)", self._group, type(error).__name__)
