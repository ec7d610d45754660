"""A stream's pictures into windows: what counts is what had been taken when a window closed."""

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from stream.features.video import FaceObservation, VideoFrontEnd
from stream.records import FaceChoice, State, VideoFrame, Window
from stream.watching import Picture, VideoReading, Watching
from stream.worker import Worker
from tests.stream.couples import RATE, beside, images


@pytest.fixture(scope="module")
def film(clip: Path) -> list[VideoFrame]:
    """Six seconds of a face."""
    return [VideoFrame(n / RATE, image) for n, image in enumerate(images(clip, 1.0, 7.0))]


@asynccontextmanager
async def watching(landmarker: Path, patient: bool = True) -> AsyncIterator[Watching]:
    """One stream's."""
    one = Watching(VideoFrontEnd(landmarker), Worker("face-test"), patient)
    try:
        yield one
    finally:
        await one.close()


def window(index: int) -> Window:
    return Window("test", index, index / 2, index / 2 + 4)


def pictures() -> list[Picture]:
    """All that are alive."""
    return [thing for thing in gc.get_objects() if type(thing) is Picture]


def same(one: VideoReading, two: VideoReading) -> bool:
    """To the bit."""
    values = np.array_equal(one.features.values, two.features.values)
    rest = [
        (r.features.state, r.features.quality, r.features.age, r.features.reason, r.faces, r.face) for r in (one, two)
    ]
    return values and rest[0] == rest[1]


def test_pictures_that_come_later_change_nothing(landmarker: Path, film: list[VideoFrame]) -> None:
    """The last picture of the window arrives after it was closed, and others after it."""

    async def closed_after(count: int, then: Sequence[VideoFrame]) -> VideoReading:
        async with watching(landmarker) as one:
            for frame in film[:count]:
                await one.take(frame)
            seen = one.close_window(window(0), dropped=False)
            for frame in then:
                await one.take(frame)
            return await seen.features(())

    alone = asyncio.run(closed_after(36, []))
    followed = asyncio.run(closed_after(36, film[36:45]))
    whole = asyncio.run(closed_after(45, []))
    assert same(alone, followed)
    assert not same(alone, whole)


def test_who_is_followed_changes_only_the_cost(landmarker: Path, clip: Path) -> None:
    """Windows read at once, or all at the end: the faces are read at other times and say the same."""
    film = beside(images(clip, 2.0, 8.0), images(clip, 15.0, 21.0, mirrored=True))

    async def read(late: bool) -> list[VideoReading]:
        async with watching(landmarker) as one:
            pending, found = [], []
            for frame in film:
                await one.take(frame)
                if frame.pts >= window(len(pending)).end:
                    pending.append(one.close_window(window(len(pending)), dropped=False))
                    found += [] if late else [await pending[-1].features(())]
            return found or [await seen.features(()) for seen in pending]

    sooner, later = asyncio.run(read(late=False)), asyncio.run(read(late=True))
    assert len(sooner) == 4
    assert all(same(one, two) for one, two in zip(sooner, later, strict=True))
    assert all(one.faces == 2 and one.face and one.face.chosen is FaceChoice.LARGEST for one in sooner)


def test_windows_that_are_asked_for_at_once_come_in_order(landmarker: Path, film: list[VideoFrame]) -> None:
    async def read(together: bool) -> list[VideoReading]:
        async with watching(landmarker) as one:
            for frame in film:
                await one.take(frame)
            seen = [one.close_window(window(index), dropped=index == 2) for index in range(4)]
            if together:
                return list(await asyncio.gather(*(part.features(()) for part in seen)))
            return [await part.features(()) for part in seen]

    one, two = asyncio.run(read(together=True)), asyncio.run(read(together=False))
    assert all(same(a, b) for a, b in zip(one, two, strict=True))
    assert [reading.features.present for reading in one] == [True, True, False, True]
    assert one[2].face is None and (one[2].features.reason or "").startswith("no picture for")


class Held:
    """A front end whose worker is held up at its first picture until the test lets it go."""

    def __init__(self, front: VideoFrontEnd) -> None:
        self._observe, self.go = front.observe, threading.Event()
        front.observe = self.observe  # pyright: ignore[reportAttributeAccessIssue]

    def observe(self, frame: VideoFrame) -> FaceObservation:
        assert self.go.wait(timeout=30)
        return self._observe(frame)


@pytest.mark.parametrize("patient", [False, True])
def test_a_live_stream_drops_pictures_while_it_is_busy(landmarker: Path, film: list[VideoFrame], patient: bool) -> None:
    async def play() -> tuple[list[bool], list[bool], VideoReading]:
        front = VideoFrontEnd(landmarker)
        held, one = Held(front), Watching(front, Worker("face-test"), patient)
        try:
            busy = [await one.take(frame) for frame in film[:6]]
            held.go.set()
            await one.close_window(window(0), dropped=False).features(())  # all that was taken is looked at
            free = [await one.take(film[6])]
            return busy, free, await one.close_window(window(0), dropped=False).features(())
        finally:
            held.go.set()
            await one.close()

    busy, free, reading = asyncio.run(play())
    assert busy == [True] * 6 if patient else [True, True, False, False, False, False]
    assert free == [True]
    assert reading.features.state is not State.MISSING


def test_a_picture_that_cannot_be_looked_at_spoils_one_window(
    landmarker: Path, film: list[VideoFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> list[VideoReading | str]:
        async with watching(landmarker) as one:
            for frame in [*film[:20], VideoFrame(2.0, np.zeros((4, 4, 5), np.uint8)), *film[21:]]:
                await one.take(frame)
            found: list[VideoReading | str] = []
            for index in range(4):
                try:
                    found.append(await one.close_window(window(index), dropped=False).features(()))
                except Exception as error:
                    found.append(type(error).__name__)
            return found

    first, *rest = asyncio.run(play())
    assert isinstance(first, str)
    assert all(isinstance(one, VideoReading) and one.features.state is State.OK for one in rest)


def test_a_long_stream_keeps_only_the_pictures_of_open_windows(landmarker: Path, film: list[VideoFrame]) -> None:
    """14 s of two faces, of which one is never read."""
    pair = beside([frame.image for frame in film], [frame.image[:, ::-1] for frame in film])[:30]
    gc.collect()
    others = pictures()  # of tests that ran before; held, so that none of them goes while ours are counted

    async def play() -> tuple[int, int]:
        counts: list[int] = []
        async with watching(landmarker) as one:
            index = 0
            for number in range(140):
                frame = VideoFrame(number / RATE, pair[number % 30].image)
                await one.take(frame)
                if frame.pts >= window(index).end:
                    await one.close_window(window(index), dropped=False).features(())
                    index += 1
                    gc.collect()
                    # in the worker: the collector must not hold a tuple that the worker is just making
                    counts.append(len(await one.worker.run(pictures)) - len(others))
        return counts[4], counts[-1]

    early, late = asyncio.run(play())
    assert early <= late <= 4 * RATE + 6
