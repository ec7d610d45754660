"""A channel is bounded, keeps order, its end is seen by the other side, and what a policy drops is counted."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.channel import Channel, Closed, Policy


@given(st.lists(st.integers(), max_size=40), st.integers(1, 5), st.integers(1, 7))
def test_everything_arrives_in_order_and_the_bound_holds(items: list[int], limit: int, most: int) -> None:
    async def scenario() -> list[int]:
        channel: Channel[int] = Channel(limit)
        received: list[int] = []

        async def produce() -> None:
            for item in items:
                await channel.send(item)
                assert len(channel) <= limit
            channel.close()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(produce())
            while taken := await channel.receive_many(most):
                assert len(taken) <= most
                received += taken
        assert not channel.dropped
        return received

    assert asyncio.run(scenario()) == items


def test_several_senders_wait_for_one_slow_receiver() -> None:
    async def scenario() -> list[int]:
        channel: Channel[int] = Channel(2)

        async def produce(first: int) -> None:
            for item in range(first, first + 10):
                await channel.send(item)

        async def receive() -> list[int]:
            received: list[int] = []
            while len(received) < 30:
                await asyncio.sleep(0)
                assert len(channel) <= 2
                received += await channel.receive_many(1)
            return received

        async with asyncio.TaskGroup() as tasks:
            for first in (0, 100, 200):
                tasks.create_task(produce(first))
            receiving = tasks.create_task(receive())
        return receiving.result()

    received = asyncio.run(scenario())
    for first in (0, 100, 200):
        assert [item for item in received if first <= item < first + 100] == list(range(first, first + 10))


def test_a_sender_learns_that_the_channel_is_closed() -> None:
    async def scenario() -> None:
        channel: Channel[int] = Channel(1)
        await channel.send(1)
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(channel.send(2))
            await asyncio.sleep(0)
            channel.close()
            with pytest.raises(Closed):
                await waiting
            assert [item async for item in channel] == [1]

    with pytest.raises(ExceptionGroup):
        asyncio.run(scenario())


@pytest.mark.parametrize(
    ("policy", "kept", "lost"),
    [
        (Policy.DROP_OLDEST, [7, 8, 9], {"full": 7}),
        (Policy.BLOCK, list(range(10)), {}),
    ],
)
def test_what_a_full_channel_keeps(policy: Policy, kept: list[int], lost: dict[str, int]) -> None:
    async def scenario() -> None:
        channel: Channel[int] = Channel(3, policy)
        for item in range(10):
            channel.offer(item)
        channel.close()
        assert [item async for item in channel] == kept
        assert dict(channel.dropped) == lost

    asyncio.run(scenario())


def test_lingering_takes_what_comes_a_moment_later() -> None:
    async def scenario() -> None:
        channel: Channel[int] = Channel(9)

        async def later() -> None:
            await channel.send(1)
            await asyncio.sleep(0.01)
            await channel.send(2)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(later())
            assert await channel.receive_many(2, linger=30.0) == [1, 2]  # full: it does not wait the rest
        await channel.send(3)
        assert await channel.receive_many(9, linger=0.001) == [3]

    asyncio.run(scenario())
