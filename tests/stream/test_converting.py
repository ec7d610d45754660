"""Pictures on their way from the decoder: thinned to a grid, and no pixel is made before somebody looks."""

import av
import numpy as np
import pytest

from stream.records import VideoFrame
from stream.sources.converting import Negative, PictureConverter


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Negative]:
    """The pictures whose pixels were asked for."""
    found, ask = list[Negative](), Negative.__call__

    def noted(self: Negative) -> np.ndarray:
        found.append(self)
        return ask(self)

    monkeypatch.setattr(Negative, "__call__", noted)
    return found


def played(*frames: av.VideoFrame, rate: float = 10.0) -> list[VideoFrame]:
    converter = PictureConverter(10.0)
    return [shown for number, frame in enumerate(frames) for shown in converter.push(number / rate, frame)]


def test_of_thirty_pictures_a_second_ten_are_handed_on_and_none_is_made_before_it_is_wanted(
    asked: list[Negative],
) -> None:
    shown = played(*(av.VideoFrame(64, 48, "yuv420p") for _ in range(30)), rate=30.0)
    assert [round(picture.pts, 3) for picture in shown] == [round(n / 10, 3) for n in range(10)]
    assert asked == [shown[0].pixels], "the first of its kind, to see whether it can be"
    image = shown[5].image
    assert (image.shape, image.dtype) == ((48, 64, 3), np.uint8)
    assert shown[5].image is image, "it is made once"


def test_a_picture_of_another_kind_is_tried_at_once(asked: list[Negative]) -> None:
    sizes = ((64, 48, "yuv420p"), (64, 48, "yuv420p"), (32, 24, "yuv420p"), (32, 24, "gray"))
    first, _, smaller, grey = played(*(av.VideoFrame(*size) for size in sizes))
    assert asked == [first.pixels, smaller.pixels, grey.pixels]
