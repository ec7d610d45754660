"""A channel is bounded, keeps order, and its end is seen by the other side."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.channel import Channel, Closed


@given(st.lists(st.integers(), max_size=40), st.integers(1, 5), st.integers(1, 7))
def test_everything_arrives_in_order_and_the_bound_holds(items: list[int], limit: int, most: int) -> None:
    async def scenario() -> list[int]:
        channel: Channel[int] = Channel(limit)
        received: list[int] = []

        async def produce() -> None:
            for item in items:
                await channel.send(item)
                assert len(channel) <= limit
            await channel.close()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(produce())
            while taken := await channel.receive_many(most):
                assert len(taken) <= most
                received += taken
        return received

    assert asyncio.run(scenario()) == items


def test_a_sender_learns_that_the_channel_is_closed() -> None:
    async def scenario() -> None:
        channel: Channel[int] = Channel(1)
        await channel.send(1)
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(channel.send(2))
            await asyncio.sleep(0)
            await channel.close()
            with pytest.raises(Closed):
                await waiting
            assert [item async for item in channel] == [1]

    with pytest.raises(ExceptionGroup):
        asyncio.run(scenario())
