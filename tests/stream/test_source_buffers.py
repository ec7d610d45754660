"""Frames from a thread to the loop: nothing is lost, or what is lost is counted."""

import asyncio
import threading
import time

import numpy as np
import pytest

from stream.errors import SourceError
from stream.records import AudioFrame, Frame, VideoFrame
from stream.sources.backoff import Backoff
from stream.sources.buffer import BlockingBuffer, LiveBuffer
from stream.sources.source import Condition

PICTURE = np.zeros((2, 2, 3), np.uint8)


def sound(pts: float, seconds: float = 0.1) -> AudioFrame:
    return AudioFrame(pts, np.zeros(round(16_000 * seconds), np.float32))


def test_a_blocking_buffer_never_holds_more_than_its_limit_and_loses_nothing() -> None:
    async def run() -> list[float]:
        buffer, got = BlockingBuffer(4), list[Frame]()
        buffer.attach()

        def write() -> None:
            for number in range(100):
                assert buffer.put(sound(number))
            buffer.end(None)

        threading.Thread(target=write, daemon=True).start()
        while frames := await buffer.take():
            assert len(frames) <= 4
            got += frames
        return [frame.pts for frame in got]

    assert asyncio.run(run()) == list(range(100))


def test_a_blocking_buffer_that_is_closed_lets_its_thread_go_and_an_error_comes_after_the_frames() -> None:
    async def run() -> None:
        buffer = BlockingBuffer(2)
        buffer.attach()
        refused = threading.Event()

        def write() -> None:
            while buffer.put(sound(0)):
                pass
            refused.set()

        threading.Thread(target=write, daemon=True).start()
        buffer.close()
        assert await asyncio.to_thread(refused.wait, 30)

        other = BlockingBuffer(2)
        other.attach()
        other.put(sound(0))
        other.end(SourceError("broke off"))
        assert len(await other.take()) == 1
        with pytest.raises(SourceError, match="broke off"):
            await other.take()

    asyncio.run(run())


def test_a_live_buffer_keeps_the_newest_sound_and_the_latest_picture_and_counts_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # sound      0.0 0.1 ... 2.9   of which the last second is kept
    # pictures   0.0 0.1 ... 2.9   of which the last one is kept
    moment = time.monotonic()
    monkeypatch.setattr("stream.sources.buffer.time.monotonic", lambda: moment)  # nothing waits too long

    async def run() -> tuple[list[Frame], Condition]:
        condition = Condition()
        buffer = LiveBuffer(1.0, condition)
        buffer.attach()
        for number in range(30):
            buffer.put(sound(number / 10))
            buffer.put(VideoFrame(number / 10, PICTURE))
        return await buffer.take(0.1), condition

    frames, condition = asyncio.run(run())
    heard = [frame.pts for frame in frames if isinstance(frame, AudioFrame)]
    assert heard == pytest.approx([2.0 + n / 10 for n in range(10)])
    assert [frame.pts for frame in frames if isinstance(frame, VideoFrame)] == [2.9]
    assert condition.dropped == {"sound buffer full": 20, "newer picture": 29}


def test_a_live_buffer_drops_what_has_waited_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> tuple[list[Frame], Condition]:
        condition = Condition()
        buffer = LiveBuffer(1.0, condition)
        buffer.attach()
        buffer.put(VideoFrame(0.0, PICTURE))
        begin = time.monotonic()
        monkeypatch.setattr("stream.sources.buffer.time.monotonic", lambda: begin + 1.5)
        buffer.put(sound(1.4))
        return await buffer.take(0.1), condition

    frames, condition = asyncio.run(run())
    assert [frame.pts for frame in frames] == [1.4]
    assert condition.dropped == {"waited too long": 1}


def test_a_read_that_is_cancelled_while_it_is_woken_ends() -> None:
    """What wakes it must not swallow the cancellation: the reader would go on for ever."""

    async def run() -> None:
        buffer = LiveBuffer(1.0, Condition())
        buffer.attach()

        async def read() -> None:
            while True:
                await buffer.take(5.0)

        for _ in range(20):
            task = asyncio.create_task(read())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            buffer.put(sound(0))
            await asyncio.sleep(0)
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=30)
            assert done
            assert task.cancelled()

    asyncio.run(run())


def test_waits_double_with_jitter_up_to_a_bound() -> None:
    backoff = Backoff(0.5, 5.0)
    for most in (0.5, 1, 2, 4, 5, 5):
        assert most / 2 <= backoff.next() <= most
    backoff.reset()
    assert backoff.next() <= 0.5
    assert len({Backoff(1, 5).next() for _ in range(10)}) > 1
