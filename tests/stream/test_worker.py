"""Lanes in a shared pool: in order where they must be, bounded, and none blocks another."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from stream.worker import Worker


def test_a_lane_runs_its_calls_one_after_the_other_in_order() -> None:
    done: list[int] = []
    together = threading.Semaphore(1)

    def call(number: int) -> int:
        assert together.acquire(blocking=False), "two calls of one lane at once"
        done.append(number)
        together.release()
        return number

    async def scenario() -> list[int]:
        with ThreadPoolExecutor(4) as pool:
            worker = Worker("lane", pool)
            futures = [await worker.submit(call, number) for number in range(25)]
            return [await future for future in futures]

    assert asyncio.run(scenario()) == done == list(range(25))


def test_lanes_share_the_pool_and_a_wide_one_uses_all_of_it() -> None:
    meeting = threading.Barrier(3, timeout=20)

    async def scenario() -> None:
        with ThreadPoolExecutor(3) as pool:
            narrow, wide = Worker("narrow", pool), Worker("wide", pool, width=2)
            futures = [await narrow.submit(meeting.wait)] + [await wide.submit(meeting.wait) for _ in range(2)]
            for future in futures:
                await future

    asyncio.run(scenario())


def test_submit_waits_while_too_many_calls_are_pending() -> None:
    async def scenario() -> None:
        go = threading.Event()
        worker = Worker("bounded", limit=2)
        futures = [await worker.submit(go.wait, 20), await worker.submit(go.wait, 20)]
        third = asyncio.ensure_future(worker.submit(go.wait, 20))
        await asyncio.sleep(0.02)
        assert not third.done()
        go.set()
        assert all([await future for future in [*futures, await third]])
        worker.close()

    asyncio.run(scenario())


def test_an_error_is_the_callers_and_the_lane_goes_on() -> None:
    async def scenario() -> None:
        worker = Worker("faulty")
        with pytest.raises(ZeroDivisionError):
            await worker.run(lambda: 1 / 0)
        assert await worker.run(lambda: 7) == 7
        assert worker.load.calls == 2
        worker.close()

    asyncio.run(scenario())


def test_a_worker_serves_a_second_loop_after_one_that_was_cut_off() -> None:
    go = threading.Event()
    worker = Worker("long-lived", limit=1)

    async def cut_off() -> None:
        await worker.submit(go.wait, 20)

    asyncio.run(cut_off())
    go.set()
    assert asyncio.run(worker.run(lambda: "again")) == "again"
    worker.close()


def test_a_worker_can_be_closed_after_its_loop() -> None:
    go = threading.Event()
    worker = Worker("left", limit=8)

    async def cut_off() -> None:
        for _ in range(3):
            await worker.submit(go.wait, 20)

    asyncio.run(cut_off())
    worker.close()
    go.set()
