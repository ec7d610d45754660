"""Frames that a program pushes by itself."""

import asyncio
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from ebmc_core.modality import Modality
from stream.errors import SourceError
from stream.records import AudioFrame, VideoFrame
from stream.sources.feed import FeedSource
from tests.stream.listening import Listener, listening, until

BOTH = frozenset({Modality.AUDIO, Modality.VIDEO})
IMAGE = np.zeros((4, 6, 3), np.uint8)


def read(feed: FeedSource, push: Callable[[], None]) -> Listener:
    """Push from a thread of its own, as programs do, and read until the feed has ended."""

    async def run() -> Listener:
        async with listening(feed) as heard:
            threading.Thread(target=push, daemon=True).start()
            await until(lambda: heard.ended)
        return heard

    return asyncio.run(run())


def tone(seconds: float, rate: int) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_sound_of_any_rate_becomes_16_khz_without_gaps(rate: int) -> None:
    feed = FeedSource("call", BOTH, seconds=10)

    def push() -> None:
        for part in np.array_split(tone(0.9, rate), 18):
            feed.push_audio(part, rate=rate)
        feed.push_video(IMAGE)
        feed.close()

    heard = read(feed, push)
    assert heard.error is None
    samples = np.concatenate([frame.samples for frame in heard.sound])
    assert len(samples) == pytest.approx(14_400, abs=100)
    assert np.argmax(np.abs(np.fft.rfft(samples))) * 16_000 / len(samples) == pytest.approx(440, abs=3)
    starts = np.array([frame.pts for frame in heard.sound])
    ends = np.array([frame.end for frame in heard.sound])
    np.testing.assert_allclose(starts[1:], ends[:-1], atol=2e-6)
    assert len(heard.pictures) == 1


def test_timestamps_of_the_program_are_kept_and_begin_at_zero() -> None:
    feed = FeedSource("call", BOTH, seconds=10)

    def push() -> None:
        for number in range(5):
            feed.push_audio(np.zeros(1_600, np.int16), pts=700.0 + number / 10)
        feed.push_video(IMAGE, pts=700.2)
        feed.close()

    heard = read(feed, push)
    assert heard.sound[0].pts == pytest.approx(0.0, abs=1e-3)
    assert heard.pictures[0].pts == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize(
    ("push", "message"),
    [
        (lambda feed: feed.push_audio(np.zeros((2, 100), np.float32)), r"sound is \[n\] of floats"),
        (lambda feed: feed.push_audio(np.zeros(100, np.int64)), "this is int64"),
        (lambda feed: feed.push_audio(np.zeros(100, np.float32), rate=0), "a rate of 0 Hz"),
        (lambda feed: feed.push_video(np.zeros((4, 6), np.uint8)), r"a picture is uint8 \[H, W, 3\]"),
        (lambda feed: feed.push_video(np.zeros((4, 6, 3), np.float32)), "this is float32"),
        (lambda feed: feed.push_video(np.zeros((0, 6, 3), np.uint8)), r"\[0, 6, 3\]"),
        (lambda feed: (feed.close(), feed.push_video(IMAGE)), "is closed"),
    ],
)
def test_what_is_no_sound_and_no_picture_is_refused(push: Callable[[FeedSource], None], message: str) -> None:
    with pytest.raises(SourceError, match=message) as refused:
        push(FeedSource("call", BOTH))
    assert "call" in str(refused.value)


def test_a_feed_has_the_kinds_it_was_made_with() -> None:
    with pytest.raises(SourceError, match="made without video"):
        FeedSource("call", frozenset({Modality.AUDIO})).push_video(IMAGE)
    with pytest.raises(SourceError, match="kinds are audio, video or both"):
        FeedSource("call", frozenset())


def test_values_that_are_not_numbers_pass_as_they_do_from_files() -> None:
    feed = FeedSource("call", frozenset({Modality.AUDIO}), seconds=10)

    def push() -> None:
        feed.push_audio(np.full(1_600, np.nan, np.float32))
        feed.close()

    assert np.isnan(np.concatenate([frame.samples for frame in read(feed, push).sound])).all()


def test_a_feed_that_nobody_reads_stays_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = time.monotonic()
    monkeypatch.setattr("stream.sources.buffer.time.monotonic", lambda: moment)  # nothing waits too long
    feed = FeedSource("call", BOTH, seconds=1.0)
    for _ in range(100):
        feed.push_audio(np.zeros(1_600, np.float32))
        feed.push_video(IMAGE)
    feed.close()

    async def count() -> tuple[float, int]:
        async with feed.open() as media:
            frames = [frame async for frame in media.frames]
        heard = [frame for frame in frames if isinstance(frame, AudioFrame)]
        return sum(len(frame.samples) for frame in heard) / 16_000, sum(isinstance(f, VideoFrame) for f in frames)

    seconds, pictures = asyncio.run(count())
    assert seconds <= 1.0
    assert pictures == 1
    assert feed.condition.dropped["newer picture"] == 99
    assert feed.condition.dropped["sound buffer full"] > 0
