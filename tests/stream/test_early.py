"""A face that is lost is told before the window is over: of which pictures, once, and of nothing else."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from ebmc_core.modality import MODALITIES, Modality
from stream.early import Outlook
from stream.features.video import VideoFrontEnd
from stream.records import State, VideoFrame, Window, WindowFeatures
from stream.watching import Watching
from stream.worker import Worker
from tests.stream.couples import RATE, images
from tests.stream.events import window_features

ALL = frozenset(MODALITIES)


@pytest.fixture(scope="module")
def film(clip: Path) -> list[VideoFrame]:
    """Four seconds of a face, and half a second without light."""
    face = images(clip, 1.0, 5.0)
    dark = [np.zeros_like(face[0])] * 5
    return [VideoFrame(n / RATE, image) for n, image in enumerate([*face, *dark])]


@dataclass
class Stream:
    """One that shows pictures, and what was told early of it."""

    watching: Watching
    outlook: Outlook
    told: asyncio.Queue[WindowFeatures] = field(default_factory=asyncio.Queue[WindowFeatures])

    async def listen(self) -> None:
        async for features in self.outlook:
            self.told.put_nowait(features)

    async def show(self, film: Sequence[VideoFrame]) -> None:
        for frame in film:
            await self.watching.take(frame)
            await self.watching.worker.run(int)  # until it was looked at
            await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    def all_told(self) -> list[WindowFeatures]:
        return [self.told.get_nowait() for _ in range(self.told.qsize())]


@asynccontextmanager
async def streaming(landmarker: Path, newest: WindowFeatures) -> AsyncIterator[Stream]:
    watching = Watching(VideoFrontEnd(landmarker), Worker("face-test"), patient=True)
    one = Stream(watching, Outlook(watching, lambda index: Window("s", index, index / 2, index / 2 + 4)))
    listening = asyncio.create_task(one.listen())
    one.outlook.closed()
    one.outlook.assembled(newest)
    try:
        yield one
    finally:
        listening.cancel()
        await watching.close()


async def told_of(film: Sequence[VideoFrame], landmarker: Path, newest: WindowFeatures) -> list[WindowFeatures]:
    """What is told early when these pictures follow the newest window."""
    async with streaming(landmarker, newest) as stream:
        await stream.show(film)
        return stream.all_told()


def test_the_second_dark_picture_tells_it_once(landmarker: Path, film: list[VideoFrame]) -> None:
    newest = window_features(0, ALL, said="good evening")
    (early,) = asyncio.run(told_of(film, landmarker, newest))
    assert early.early
    assert early.window == Window("s", 1, 0.5, film[-4].pts), "as far as the second picture without light"
    lost = early.modalities[Modality.VIDEO]
    assert (lost.state, lost.reason) == (State.MISSING, "picture is black")
    assert lost.age == pytest.approx(2 / RATE, abs=0.01)
    assert (early.faces, early.face) == (0, None)
    assert early.utterances == newest.utterances
    for kept in (Modality.TEXT, Modality.AUDIO):
        assert early.modalities[kept] is newest.modalities[kept]


def test_nothing_is_told_of_a_face_that_stays_or_was_not_there(landmarker: Path, film: list[VideoFrame]) -> None:
    assert not asyncio.run(told_of(film[:-4], landmarker, window_features(0, ALL))), "one dark picture may be a cut"
    assert not asyncio.run(told_of(film, landmarker, window_features(0, ALL - {Modality.VIDEO})))


def test_a_window_that_is_on_its_way_comes_first(landmarker: Path, film: list[VideoFrame]) -> None:
    """Its features say more; what they do not know yet is told of the next window, once they are there."""

    async def indices() -> tuple[list[int], list[int]]:
        async with streaming(landmarker, window_features(0, ALL)) as stream:
            stream.outlook.closed()
            await stream.show(film)
            before = stream.all_told()
            stream.outlook.assembled(window_features(1, ALL))
            await stream.settle()
            return [one.window.index for one in before], [one.window.index for one in stream.all_told()]

    assert asyncio.run(indices()) == ([], [2])
