"""The end of the library's consumer, also where it breaks off by itself."""

import asyncio

from aiokafka import AIOKafkaConsumer


async def close_consumer(consumer: AIOKafkaConsumer) -> None:
    """Close it, whatever state it is in.

    aiokafka 0.14 cancels the fetches that are under way and waits for them. One that waits to be tried again, since
    the brokers did not answer, passes the cancellation on: the close ends in it, as if we were cancelled, and leaves
    the connections open.
    """
    task = asyncio.current_task()
    try:
        await consumer.stop()
    except asyncio.CancelledError:
        await consumer._client.close()  # pyright: ignore[reportPrivateUsage]
        if task and task.cancelling():  # it was us
            raise
