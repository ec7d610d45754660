"""The open loop: what is fed does not depend on who takes it."""

import asyncio
import threading
import time
from itertools import islice, pairwise, takewhile
from pathlib import Path

import numpy as np
import pytest

from ebmc_core.modality import Modality
from stream.bench.clips import Clip, clip_from
from stream.bench.pace import PaceClock
from stream.bench.played import PlayedSource
from stream.bench.reel import MemoryReel, Reel, decoded_reel, due, remembered
from stream.records import AUDIO_RATE, AudioFrame, Frame, VideoFrame
from stream.sources.file import open_media
from tests.stream.feeds import interleave, pictures, sound

BOTH = frozenset({Modality.AUDIO, Modality.VIDEO})


def short_reel(seconds: float = 1.0) -> MemoryReel:
    """Silence and ten small pictures a second."""
    frames = interleave(
        sound(np.zeros(round(seconds * AUDIO_RATE))), pictures([np.zeros((2, 2, 3), np.uint8)] * round(10 * seconds))
    )
    return MemoryReel(sorted(frames, key=due), seconds, 0.0, BOTH)


def fed(reel: Reel, seconds: float) -> list[Frame]:
    """What a reel hands on in its first seconds."""
    return [frame for _, frame in takewhile(lambda handed: handed[0] < seconds, reel.handed())]


def test_a_consumer_that_takes_nothing_does_not_slow_the_feed() -> None:
    async def blocked(clock: PaceClock) -> PlayedSource:
        source = PlayedSource("blocked", short_reel(), clock, seconds=8.0)
        async with source.open() as media:
            assert await anext(media.frames)
            clock.wait_until(source.moment(8.5), threading.Event())  # in the loop's thread: nobody takes a frame
            async for _ in media.frames:
                pass
        return source

    source = asyncio.run(blocked(PaceClock(speed=8.0)))
    # 8 s at 10 pieces of sound and 10 pictures a second; the sound of the last tenth may be due just after the end
    assert source.condition.fed["pictures"] in (80, 81)
    assert source.condition.fed["sound"] in (79, 80)
    assert source.dropped > 100  # all but the newest picture, and 2 s of sound
    assert source.condition.dropped["newer picture"] >= 70
    assert sum(source.condition.fed.values()) == sum(source.taken.values()) + source.dropped


def test_each_frame_comes_when_it_is_due_and_not_before() -> None:
    async def play() -> tuple[PlayedSource, list[float]]:
        clock = PaceClock(speed=4.0)
        source, early = PlayedSource("s", short_reel(), clock, seconds=3.0), list[float]()
        async with source.open() as media:
            async for frame in media.frames:
                early.append(source.moment(due(frame)) - clock.now())
        return source, early

    source, early = asyncio.run(play())
    assert len(early) > 20
    assert len(early) + source.dropped in (59, 60, 61)  # a loop that gets no turn misses a picture
    assert max(early) <= 1e-6


def test_a_source_that_is_closed_stops_its_thread() -> None:
    async def play() -> None:
        source = PlayedSource("closed", short_reel(), PaceClock(), seconds=600.0)
        async with source.open() as media:
            await anext(media.frames)
            await media.frames.aclose()

    begin = time.monotonic()
    asyncio.run(play())
    assert time.monotonic() - begin < 60  # and not ten minutes
    assert "play-closed" not in [thread.name for thread in threading.enumerate()]


def test_a_repeated_file_goes_on_in_event_time(clip: Path) -> None:
    reel = decoded_reel(clip, 10.0, start=20.0)
    frames = fed(reel, 12.0)
    for kind in (AudioFrame, VideoFrame):
        times = [frame.pts for frame in frames if isinstance(frame, kind)]
        steps = [b - a for a, b in pairwise(times)]
        assert times[0] < 0.2
        assert min(steps) > 0.0
        assert max(steps) < 0.25  # no hole where the file begins again, at 7 s
        assert times[-1] > 11.7
    moments = [due(frame) for frame in frames]
    assert moments == sorted(moments)


def test_from_memory_or_decoded_it_is_the_same_clip(clip: Path) -> None:
    decoded = decoded_reel(clip, 10.0)
    kept = MemoryReel(remembered(decoded), decoded.length, 0.0, decoded.kinds)
    for a, b in zip(fed(decoded, 3.0), fed(kept, 3.0), strict=True):
        assert a.pts == b.pts
        assert type(a) is type(b)


def test_a_small_clip_is_scaled_up_with_its_shape_and_its_sound(camera_clip: Clip, tmp_path: Path) -> None:
    with open_media(camera_clip.path) as container:
        video = container.streams.video[0]
        assert (video.width, video.height, float(video.average_rate or 0)) == (640, 360, 30.0)
        assert container.streams.audio
        assert container.duration == pytest.approx(27_000_000, abs=200_000)
        picture = next(islice(container.decode(video), 30, None)).to_ndarray(format="rgb24")
    assert picture[:, :80].mean() < 10  # bars: 360x288 is narrower than 640x360
    assert picture[:, 250:390].mean() > 40
    assert "scaled to 640x360, 30 fps" in camera_clip.note
    assert clip_from(str(camera_clip.path), tmp_path).path == camera_clip.path  # large enough as it is
