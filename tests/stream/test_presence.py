"""A camera that drops is missing half a second later, and back with the next windows. On observations of a real face.

picture   |good 0 ..... T|bad T ..... T+3.1|good ........ 10|
windows end every 0.5 s:  ^ missing from T+0.5 on   ^ back with the second window after T+3.1
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from stream.features.presence import Known
from stream.features.video import FaceObservation, VideoFrontEnd
from stream.features.video_window import video_features
from stream.records import ModalityFeatures, State, VideoFrame, Window
from tests.stream.couples import RATE, images

BAD = 3.1  # seconds
Spoil = Callable[[Sequence[FaceObservation], float, float], list[FaceObservation]]


@pytest.fixture(scope="module")
def good(landmarker: Path, clip: Path) -> list[FaceObservation]:
    """Ten seconds of a face: the first five of the bundled clip, twice."""
    with VideoFrontEnd(landmarker) as front:
        seen = [front.observe(VideoFrame(n / RATE, image)) for n, image in enumerate(images(clip, 1.0, 6.0))]
    return [*seen, *(replace(one, pts=one.pts + 5) for one in seen)]


@pytest.fixture(scope="module")
def covered(landmarker: Path, clip: Path) -> FaceObservation:
    """What the front end says of the dark pictures of the bundled clip."""
    with VideoFrontEnd(landmarker) as front:
        return [front.observe(VideoFrame(n / RATE, image)) for n, image in enumerate(images(clip, 10.0, 10.5))][-1]


def windows(
    seen: Sequence[FaceObservation], dropped: Callable[[float], bool] = lambda end: False
) -> dict[float, ModalityFeatures]:
    """End of each window of 4 s -> its features, as a stream makes them."""
    found: dict[float, ModalityFeatures] = {}
    known = Known()
    for index in range(13):
        window = Window("test", index, index / 2, index / 2 + 4)
        inside = [one for one in seen if window.start <= one.pts < window.end]
        found[window.end] = video_features(inside, window, replace(known, dropped=dropped(window.end)))
        known = Known(
            last_picture=max((one.pts for one in inside), default=known.last_picture),
            last_face=max((one.pts for one in inside if one.found), default=known.last_face),
        )
    return found


def gone(seen: Sequence[FaceObservation], start: float, end: float) -> list[FaceObservation]:
    """No picture comes."""
    return [one for one in seen if not start <= one.pts < end]


def faceless(seen: Sequence[FaceObservation], start: float, end: float) -> list[FaceObservation]:
    """Pictures of an empty room."""
    return [replace(one, seen=()) if start <= one.pts < end else one for one in seen]


def frozen(seen: Sequence[FaceObservation], start: float, end: float) -> list[FaceObservation]:
    """The last picture before `start` comes again and again."""
    last = max((one for one in seen if one.pts < start), key=lambda one: one.pts)
    return [replace(last, pts=one.pts, still=one.pts - last.pts) if start <= one.pts < end else one for one in seen]


WAYS: dict[str, Spoil] = {"no picture": gone, "no face": faceless, "picture is frozen": frozen}
MOMENTS = [4.0, 4.2, 4.5, 5.1, 5.75]


def check(found: dict[float, ModalityFeatures], drop: float, reason: str, within: float = 0.5) -> None:
    """Present before, missing so many seconds after the drop, back with the second window after the return."""
    for end, features in found.items():
        if end <= drop:
            assert features.state is State.OK, end
        elif drop + within <= end <= drop + BAD:
            assert features.state is State.MISSING and not features.values.any() and features.quality == 0, end
            assert features.reason and features.reason.startswith(reason), features.reason
        elif end >= drop + BAD + 0.5:
            assert features.present and features.quality > 0 and np.any(features.values), end
    back = [features.quality for end, features in found.items() if end >= drop + BAD + 0.5]
    assert all(later >= sooner - 0.02 for sooner, later in pairwise(back))


@pytest.mark.parametrize("drop", MOMENTS)
@pytest.mark.parametrize("way", WAYS)
def test_what_drops_is_missing_in_the_next_event_and_soon_back(
    good: list[FaceObservation], way: str, drop: float
) -> None:
    check(windows(WAYS[way](good, drop, drop + BAD)), drop, way)


@pytest.mark.parametrize("drop", MOMENTS)
def test_a_covered_camera_is_missing_in_the_next_event(
    good: list[FaceObservation], covered: FaceObservation, drop: float
) -> None:
    seen = [replace(covered, pts=one.pts) if drop <= one.pts < drop + BAD else one for one in good]
    check(windows(seen), drop, "picture is black", within=0.2)


@pytest.mark.parametrize("drop", MOMENTS)
def test_what_lies_on_the_lens_need_not_be_black(
    good: list[FaceObservation], landmarker: Path, clip: Path, drop: float
) -> None:
    """A hand: brown, with the noise of a sensor that is short of light, and a little brighter at one side."""
    (image,) = images(clip, 10.0, 10.1)[:1]
    shade = np.linspace(60, 68, image.shape[1])[None, :, None] * np.array([1.0, 0.7, 0.6])
    noise = np.random.default_rng(5).normal(0, 8, image.shape)
    with VideoFrontEnd(landmarker) as front:
        hand = front.observe(VideoFrame(0.0, np.clip(shade + noise, 0, 255).astype(np.uint8)))
    seen = [replace(hand, pts=one.pts) if drop <= one.pts < drop + BAD else one for one in good]
    check(windows(seen), drop, "picture is covered", within=0.2)


def test_one_black_picture_is_a_cut(good: list[FaceObservation], covered: FaceObservation) -> None:
    for index in range(30, 90):
        seen = [replace(covered, pts=one.pts) if place == index else one for place, one in enumerate(good)]
        assert all(one.present for one in windows(seen).values())


@pytest.mark.parametrize("every", [2, 3, 4, 5])
@pytest.mark.parametrize("way", WAYS)
def test_slow_cameras_need_two_pictures(good: list[FaceObservation], way: str, every: int) -> None:
    """5, 3.3, 2.5 and 2 pictures a second."""
    drop, interval = 4.6, every / RATE
    found = windows(WAYS[way](good[::every], drop, drop + BAD))
    late = [one for end, one in found.items() if drop + max(0.5, 2.2 * interval) <= end <= drop + BAD]
    assert late and all(one.state is State.MISSING for one in late)
    assert all(one.present for end, one in found.items() if end <= drop or end >= drop + BAD + 1.0)


@pytest.mark.parametrize("rate", [10, 5, 2])
def test_a_detection_that_failed_once_drops_nothing(good: list[FaceObservation], rate: int) -> None:
    shown = good[:: round(RATE / rate)]
    for missed in range(len(shown) // 3, len(shown), max(1, rate // 3)):
        seen = [replace(one, seen=()) if index == missed else one for index, one in enumerate(shown)]
        assert all(one.present for one in windows(seen).values())


def test_a_face_in_one_picture_only_is_not_believed(good: list[FaceObservation]) -> None:
    seen = [one if index == 38 else replace(one, seen=()) for index, one in enumerate(good)]
    first = windows(seen)[4.0]
    assert (first.state, first.reason) == (State.MISSING, "a face in one picture only")


def test_a_window_that_the_idle_clock_closed_is_missing(good: list[FaceObservation]) -> None:
    """The newest picture is 0.1 s old, and yet nothing will come: the session knows."""
    found = windows(good, dropped=lambda end: end == 6.0)
    assert (found[6.0].state, found[6.0].reason) == (State.MISSING, "no picture for 0.1 s")
    assert found[5.5].present and found[6.5].present


def test_a_short_stream_that_ends_is_not_one_that_drops(good: list[FaceObservation]) -> None:
    window = Window("test", 0, 0.0, 4.0)
    short = [one for one in good if one.pts < 2.3]
    assert video_features(short, window, Known(followed=False)).state is State.OK
    assert video_features(short, window, Known(followed=True)).reason == "no picture for 1.8 s"


def test_what_is_read_after_a_return_is_of_the_live_pictures_only(good: list[FaceObservation]) -> None:
    """Frozen on a picture whose values are all 9 until 3.7 s of 4."""
    marked = replace(good[0], seen=(replace(good[0].seen[0], values=np.full_like(good[0].values, 9.0)),))
    seen = [replace(marked, pts=one.pts, still=one.pts + 1) if one.pts < 3.65 else one for one in good]
    window = windows(seen)[4.0]
    assert window.present and window.values.max() < 5
    assert window.reason == "frozen in 92% of the pictures" and window.quality < 0.2


@pytest.mark.parametrize("name", ["crying_woman.mp4", "franck.mp4"])
def test_real_faces_do_not_drop(landmarker: Path, media: Path, name: str) -> None:
    with VideoFrontEnd(landmarker) as front:
        seen = [front.observe(VideoFrame(n / RATE, image)) for n, image in enumerate(images(media / name, 0, 10))]
    assert all(one.present for one in windows(seen).values())
