"""One stream's session: of which pictures it makes use while there is not enough time, and what it counts."""

import asyncio
from collections.abc import AsyncGenerator, Callable

import numpy as np
import pytest

from ebmc_core.modality import Modality
from stream.features.video import FaceObservation, VideoFrontEnd
from stream.front_ends import FrontEnds
from stream.inbox import Arrival
from stream.records import VideoFrame
from stream.session import Session
from stream.settings import Settings
from stream.sources.source import Media

RATE = 10  # pictures a second
PICTURE = np.zeros((48, 64, 3), np.uint8)


async def no_frames() -> AsyncGenerator[VideoFrame]:
    for _ in ():
        yield _


@pytest.mark.parametrize(
    ("late", "looked"),
    [
        (lambda second: False, [n / RATE for n in range(40)]),
        (lambda second: True, [0.0, 1.0, 2.0, 3.0]),
        (lambda second: second == 1, [*(n / RATE for n in range(10)), 1.9, *(n / RATE for n in range(20, 40))]),
    ],
    ids=["never", "always", "for a second"],
)
def test_while_windows_are_late_one_picture_a_second_is_looked_at(
    front: FrontEnds, monkeypatch: pytest.MonkeyPatch, late: Callable[[int], bool], looked: list[float]
) -> None:
    seen: list[float] = []
    real = VideoFrontEnd.observe

    def noted(self: VideoFrontEnd, frame: VideoFrame) -> FaceObservation:
        seen.append(frame.pts)
        return real(self, frame)

    monkeypatch.setattr(VideoFrontEnd, "observe", noted)

    async def play() -> int:
        media = Media(frozenset({Modality.VIDEO}), None, no_frames())
        session = Session("one", media, frozenset(), front, Settings(), False, lambda: None)
        await session.open()
        try:
            for number in range(4 * RATE):
                pts = number / RATE
                await session.take(Arrival(VideoFrame(pts, PICTURE), pts, busy=late(int(pts))))
                assert session.watching
                await session.watching.worker.run(lambda: None)  # each is looked at before the next one comes
            return session.dropped["face analysis is busy"]
        finally:
            await session.close()

    dropped = asyncio.run(asyncio.wait_for(play(), 60))
    assert seen == pytest.approx(looked)
    assert dropped == 4 * RATE - len(looked)
