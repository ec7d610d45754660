"""Ids of faces: boxes in, ids out; and on a real face that walks through the picture."""

import gc
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream.features.tracking import FORGOTTEN, Box, Track, Tracker
from stream.features.video import VideoFrontEnd
from stream.records import VideoFrame
from tests.stream.couples import RATE, beside, images

BOXES = st.lists(st.tuples(*[st.floats(0, 1)] * 4).map(lambda c: (*sorted(c[:2]), *sorted(c[2:]))), max_size=4)
PICTURES = st.lists(BOXES.map(lambda boxes: [(a, c, b, d) for a, b, c, d in boxes]), max_size=30)


def at(x: float, y: float = 0.5, size: float = 0.2) -> Box:
    """A square box around a place."""
    return (x - size / 2, y - size / 2, x + size / 2, y + size / 2)


@given(PICTURES)
def test_ids_differ_within_a_picture_and_new_ones_count_up(pictures: list[list[Box]]) -> None:
    tracker, again, newest = Tracker(), Tracker(), 0
    for number, boxes in enumerate(pictures):
        ids = tracker.identify(boxes, number / 10)
        assert ids == again.identify(boxes, number / 10)
        assert len(set(ids)) == len(ids) == len(boxes)
        fresh = sorted(name for name in ids if name > newest)
        assert fresh == list(range(newest + 1, newest + 1 + len(fresh)))
        newest = max([newest, *ids])


def test_the_order_in_which_faces_are_found_does_not_matter() -> None:
    tracker = Tracker()
    assert tracker.identify([at(0.2), at(0.7)], 0.0) == [1, 2]
    for number in range(1, 20):
        left, right = at(0.2 + number / 100), at(0.7 - number / 100)
        assert tracker.identify([right, left] if number % 2 else [left, right], number / 10) == (
            [2, 1] if number % 2 else [1, 2]
        )


def test_a_face_that_is_lost_for_a_moment_keeps_its_id() -> None:
    tracker = Tracker()
    tracker.identify([at(0.3), at(0.7)], 0.0)
    assert tracker.identify([at(0.71)], 0.5) == [2]
    assert tracker.identify([at(0.33), at(0.72)], 1.0) == [1, 2]


def test_a_new_person_gets_a_new_id_and_no_id_comes_twice() -> None:
    tracker = Tracker()
    assert tracker.identify([at(0.2)], 0.0) == [1]
    assert tracker.identify([at(0.2), at(0.8)], 0.1) == [1, 2]
    assert tracker.identify([at(0.2, size=0.6)], 0.2) == [3]  # far larger: someone else, nearer
    assert tracker.identify([at(0.2)], 0.2 + FORGOTTEN + 0.1) == [4]


def tracks() -> int:
    """How many are alive in this process, those of earlier tests too."""
    gc.collect()
    return sum(type(thing) is Track for thing in gc.get_objects())


def test_what_is_long_gone_is_forgotten() -> None:
    """Ten new faces a second for ten minutes: no more than those of the last seconds are remembered."""
    others = tracks()
    tracker = Tracker()
    for number in range(6000):
        assert tracker.identify([at((number * 0.37) % 1, (number * 0.61) % 1, 0.01)], number / 10) == [number + 1]
    assert tracks() - others <= FORGOTTEN * 10 + 1


def test_two_real_faces_keep_their_ids_while_they_move(landmarker: Path, clip: Path) -> None:
    """One of them walks to the other and back, a third of the picture's width in 1.5 s."""
    pair = beside(images(clip, 2.0, 5.0), images(clip, 15.0, 18.0, mirrored=True))
    seen: list[dict[int, float]] = []
    with VideoFrontEnd(landmarker) as front:
        for number, frame in enumerate(pair):
            image = frame.image.copy()
            shift = round(120 * (1 - abs(1 - 2 * number / len(pair))))
            image[:, 360:] = np.roll(image[:, 360:], -shift, axis=1)
            one = front.observe(VideoFrame(number / RATE, image))
            seen.append({face.id: (face.box[0] + face.box[2]) / 2 for face in one.seen})
    both = [places for places in seen if len(places) == 2]
    assert len(both) > 0.9 * len(seen)
    assert {name for places in seen for name in places} == {1, 2}
    left = min(both[0], key=lambda name: both[0][name])
    assert all(places[left] < 0.5 for places in both)
    walker = [places[3 - left] for places in both]
    assert max(walker) - min(walker) > 0.1
