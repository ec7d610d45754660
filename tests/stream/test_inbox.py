"""What a session is told, and when: arrivals stamped with event time, ticks only when nothing came in time."""

import asyncio
from collections.abc import Callable

import numpy as np
import pytest

from stream.inbox import Arrival, Heard, Inbox, Tick
from stream.records import AudioFrame
from tests.stream.manual_clock import ManualClock


def frame(pts: float) -> AudioFrame:
    return AudioFrame(pts, np.zeros(1600, np.float32))


async def drain(inbox: Inbox) -> list[Arrival]:
    inbox.close()
    return [arrival async for arrival in inbox]


def test_arrivals_carry_the_event_time_at_which_they_were_taken() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        inbox, taken = Inbox(clock, lambda: False), []
        async with asyncio.TaskGroup() as tasks:

            async def take() -> None:
                taken.extend([arrival.at async for arrival in inbox])

            tasks.create_task(take())
            await inbox.send(frame(0.0))
            await asyncio.sleep(0)
            await clock.advance(0.2)
            await inbox.send(frame(0.1))  # 0.1 s later than the first was
            await clock.advance(0.3)
            inbox.heard()
            await clock.advance(0.01)
            inbox.close()
        assert taken == pytest.approx([0.1, 0.3, 0.6], abs=0.03)
        assert inbox.moment(0.6) == pytest.approx(100.5, abs=0.03)

    asyncio.run(scenario())


def test_a_tick_comes_at_the_deadline_and_not_before() -> None:
    async def scenario() -> None:
        clock, ticks = ManualClock(), []
        inbox = Inbox(clock, lambda: False)
        deadline = 2.0
        async with asyncio.TaskGroup() as tasks:

            async def take() -> None:
                nonlocal deadline
                async for arrival in inbox:
                    if isinstance(arrival.record, Tick):
                        ticks.append(arrival.at)
                        deadline += 1.0

            tasks.create_task(take())
            ticking = tasks.create_task(inbox.tick(lambda: deadline))
            await inbox.send(frame(0.9))  # event time 1.0 at moment 100
            await clock.advance(0.9)
            assert ticks == []
            await clock.advance(1.6)
            ticking.cancel()
            inbox.close()
        assert ticks == pytest.approx([2.0, 3.0], abs=0.03)

    asyncio.run(scenario())


def test_no_tick_overtakes_a_record_that_is_waiting() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        inbox = Inbox(clock, lambda: False)
        async with asyncio.TaskGroup() as tasks:
            ticking = tasks.create_task(inbox.tick(lambda: 1.0))
            await inbox.send(frame(0.9))
            await clock.advance(5.0)
            ticking.cancel()
            assert [type(arrival.record) for arrival in await drain(inbox)] == [AudioFrame]

    asyncio.run(scenario())


@pytest.mark.parametrize("busy", [lambda: True, lambda: False])
def test_it_says_whether_the_analysis_was_behind(busy: Callable[[], bool]) -> None:
    async def scenario() -> None:
        inbox = Inbox(ManualClock(), busy)
        await inbox.send(frame(0.0))
        assert [arrival.busy for arrival in await drain(inbox)] == [busy()]

    asyncio.run(scenario())


def test_without_a_clock_nothing_is_stamped_and_what_was_recorded_stays_as_it_is() -> None:
    async def scenario() -> None:
        inbox = Inbox(None, lambda: True)
        old = Arrival(frame(0.5), 7.25, True)
        await inbox.send(frame(0.0))
        await inbox.send(old)
        inbox.heard()  # in a replay the recording says when it was heard
        first, second = await drain(inbox)
        assert (first.at, first.busy) == (None, False)
        assert second is old

    asyncio.run(scenario())


def test_a_finished_pass_is_a_record_in_its_place() -> None:
    async def scenario() -> None:
        inbox = Inbox(ManualClock(), lambda: False)
        await inbox.send(frame(0.0))
        inbox.heard()
        await inbox.send(frame(0.1))
        assert [type(a.record) for a in await drain(inbox)] == [AudioFrame, Heard, AudioFrame]

    asyncio.run(scenario())
