"""How many chunks of its partitions a worker has not taken yet, asked of the brokers every few seconds."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from aiokafka import AIOKafkaConsumer, TopicPartition

from stream.chunks.counts import Counts
from stream.chunks.lane import Lane
from stream.kafka.faults import LOST

EVERY = 5.0  # seconds


async def measure_lag(consumer: AIOKafkaConsumer, lanes: Mapping[TopicPartition, Lane], counts: Counts) -> None:
    """Until it is cancelled. What the consumer has heard with its records is as old as they are, so it is not used.

    Brokers that do not answer leave the last figures as they are: to notice them is for those who work with them.
    """
    while True:
        with suppress(*LOST):
            ends = await consumer.end_offsets(list(lanes))
            for place, end in ends.items():
                if place in lanes:
                    counts.lag[place.partition] = max(0, end - lanes[place].progress.next)
        await asyncio.sleep(EVERY)
