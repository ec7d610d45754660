"""Video features on real faces: the front end, its measures, and the rules that turn observations into a window.

The bundled clip shows a man from 0 to 9 s and darkness from 9 to 14.5 s.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from ebmc_core.errors import CheckpointError
from ebmc_core.face import BLENDSHAPES
from stream.errors import WeightsError
from stream.features.expression import TextureReader
from stream.features.face import POSE, FaceReader, aligned_crop, face_shape
from stream.features.picture import Stillness, analysed, grey, noise_level
from stream.features.presence import Known
from stream.features.video import WIDTH, FaceObservation, VideoFrontEnd
from stream.features.video_window import video_features
from stream.features.view import FaceView
from stream.records import State, VideoFrame, Window

Picture = NDArray[np.uint8]
WINDOW = Window("test", 0, 0.0, 4.0)


def frames(path: Path, start: float, end: float, fps: float = 5.0) -> list[VideoFrame]:
    """The pictures of a clip between two times, `fps` of them a second, with time counted from `start`."""
    chosen: list[VideoFrame] = []
    with av.open(path) as media:
        for frame in media.decode(video=0):
            if frame.time >= end:
                break
            if frame.time >= start + len(chosen) / fps:
                chosen.append(VideoFrame(frame.time - start, frame.to_ndarray(format="rgb24")))
    return chosen


@pytest.fixture
def front(landmarker: Path) -> Iterator[VideoFrontEnd]:
    with VideoFrontEnd(landmarker) as one:
        yield one


def observed(landmarker: Path, shown: list[VideoFrame], spoil: Callable[[Picture], Picture]) -> list[FaceObservation]:
    """A fresh front end over the pictures, each spoiled first."""
    with VideoFrontEnd(landmarker) as front:
        return [front.observe(VideoFrame(frame.pts, spoil(frame.image))) for frame in shown]


@pytest.fixture(scope="module")
def smiling(clip: Path) -> list[VideoFrame]:
    return frames(clip, 2.0, 6.0)


@pytest.fixture(scope="module")
def seen(landmarker: Path, smiling: list[VideoFrame]) -> list[FaceObservation]:
    return observed(landmarker, smiling, lambda image: image)


def test_a_face_is_found_and_described(seen: list[FaceObservation]) -> None:
    assert WIDTH == VideoFrontEnd.WIDTH == 52 + 6 + 32
    for one in seen:
        assert one.found and one.faces == 1 and not one.frozen
        assert one.values.shape == (WIDTH,) and one.values.dtype == np.float32 and np.isfinite(one.values).all()
        assert one.view is not None and one.quality > 0.6 and 100 < one.view.size < 288
        assert one.box is not None and 0 <= one.box[0] < one.box[2] <= 1 and 0 <= one.box[1] < one.box[3] <= 1


def test_a_smile_shows_in_the_blendshapes(landmarker: Path, clip: Path, seen: list[FaceObservation]) -> None:
    """The man smiles from 0 to 9 s of the clip, not from 20 s on."""
    calm = observed(landmarker, frames(clip, 20.0, 23.0), lambda image: image)
    smile, none = (np.mean([one.values[44:46].sum() for one in views]) for views in (seen, calm))  # left, right
    assert smile > 0.4 and none < 0.15


def test_the_pose_follows_the_head(landmarker: Path, smiling: list[VideoFrame]) -> None:
    image = smiling[0].image
    mirrored, tilted = np.ascontiguousarray(image[:, ::-1]), turned(image, 15)
    reader = FaceReader(landmarker, still=True)
    plain, mirror, tilt = (reader.read(one, 0.0)[0].pose for one in (image, mirrored, tilted))
    reader.close()
    assert mirror[0] == pytest.approx(-plain[0], abs=0.06) and mirror[2] == pytest.approx(-plain[2], abs=0.06)
    assert mirror[3] == pytest.approx(-plain[3], abs=0.02) and mirror[5] == pytest.approx(plain[5], abs=0.03)
    assert abs(tilt[2] - plain[2]) == pytest.approx(np.deg2rad(15), abs=0.08)


def turned(image: Picture, degrees: float) -> Picture:
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    return np.asarray(cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def test_crop_and_shape_do_not_move_with_the_head(landmarker: Path, smiling: list[VideoFrame]) -> None:
    """Turned, enlarged or shifted, the same face gives nearly the same crop and shape."""
    image = smiling[0].image
    moved = [
        turned(image, 12),
        np.asarray(cv2.resize(image, None, fx=2.4, fy=2.4, interpolation=cv2.INTER_CUBIC), np.uint8),
        np.ascontiguousarray(np.pad(image, ((60, 0), (0, 90), (0, 0)), mode="edge")),
    ]
    reader = FaceReader(landmarker, still=True)
    faces = [reader.read(one, 0.0)[0] for one in (image, *moved)]
    reader.close()
    plain, *others = (aligned_crop(grey(one), face) for one, face in zip((image, *moved), faces, strict=True))
    for other in others:
        assert np.corrcoef(plain.ravel(), other.ravel())[0, 1] > 0.95
    shape, *others = (face_shape(face) for face in faces)
    for other in others:
        assert np.abs(shape - other).mean() < 0.04  # of the distance of the eyes
    assert np.corrcoef(plain.ravel(), plain[:, ::-1].ravel())[0, 1] < 0.95


ODD = [(1, 1), (1, 400), (400, 1), (2, 2), (15, 17), (16, 16), (33, 999), (2160, 3840)]


@pytest.mark.parametrize("shape", ODD, ids=[f"{height}x{width}" for height, width in ODD])
def test_pictures_of_any_size_are_looked_at(front: VideoFrontEnd, shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for index, image in enumerate((noise, np.zeros_like(noise), np.full_like(noise, 255))):
        one = front.observe(VideoFrame(index / 10, image))
        assert not one.found and one.quality == 0 and one.box is None and not one.values.any()


def test_a_large_picture_says_what_a_small_one_says(landmarker: Path, smiling: list[VideoFrame]) -> None:
    """Ten times the pixels: analysed at 960, the size is still given in pixels of the frame."""
    shown = smiling[:4]
    small = observed(landmarker, shown, lambda image: image)
    large = observed(landmarker, shown, lambda image: np.asarray(cv2.resize(image, None, fx=10, fy=10), np.uint8))
    assert max(analysed(large_image).shape[0] for large_image in [np.zeros((2880, 3600, 3), np.uint8)]) <= 960
    for one, ten in zip(small, large, strict=True):
        assert one.view and ten.view and ten.view.size == pytest.approx(10 * one.view.size, rel=0.1)
        assert np.abs(ten.values[:BLENDSHAPES] - one.values[:BLENDSHAPES]).mean() < 0.05


def test_time_that_does_not_rise_is_survived(front: VideoFrontEnd, smiling: list[VideoFrame]) -> None:
    for pts in (0.0, 0.0, 0.0004, 0.0, 100.0, 3.0):
        assert front.observe(VideoFrame(pts, smiling[0].image)).found


def test_two_faces_are_counted_and_the_larger_is_read(front: VideoFrontEnd, smiling: list[VideoFrame]) -> None:
    image = smiling[0].image
    small = np.asarray(cv2.resize(image, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA), np.uint8)
    beside = np.zeros((image.shape[0], image.shape[1] + small.shape[1], 3), np.uint8)
    beside[:, : image.shape[1]] = image
    beside[: small.shape[0], image.shape[1] :] = small
    one = front.observe(VideoFrame(0.0, beside))
    assert one.faces == 2 and one.box is not None and one.box[2] < 0.65


def test_observing_is_the_same_twice(landmarker: Path, smiling: list[VideoFrame], seen: list[FaceObservation]) -> None:
    again = observed(landmarker, smiling, lambda image: image)
    assert all(np.array_equal(one.values, two.values) for one, two in zip(seen, again, strict=True))


# quality falls when a real picture is made worse in steps
def blur(sigma: float) -> Callable[[Picture], Picture]:
    return lambda image: np.asarray(cv2.GaussianBlur(image, (0, 0), sigma) if sigma else image, np.uint8)


def dim(light: float) -> Callable[[Picture], Picture]:
    return lambda image: (image * light).astype(np.uint8)


def grain(sigma: float) -> Callable[[Picture], Picture]:
    rng = np.random.default_rng(1)
    return lambda image: np.clip(image + rng.normal(0, sigma, image.shape), 0, 255).astype(np.uint8)


def away(ratio: float) -> Callable[[Picture], Picture]:
    """The face `ratio` as high, in the middle of a picture of the same size."""

    def shrink(image: Picture) -> Picture:
        small = np.asarray(cv2.resize(image, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA), np.uint8)
        height, width = (full - part for full, part in zip(image.shape[:2], small.shape[:2], strict=True))
        sides = ((height // 2, height - height // 2), (width // 2, width - width // 2), (0, 0))
        return np.pad(small, sides, mode="edge")

    return shrink


def bright(gain: float) -> Callable[[Picture], Picture]:
    return lambda image: np.clip(image * gain, 0, 255).astype(np.uint8)


def jpeg(quality: int) -> Callable[[Picture], Picture]:
    def coded(image: Picture) -> Picture:
        _, code = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)

    return coded


LADDERS = {
    "blur": [blur(sigma) for sigma in (0, 4, 7, 10)],
    "dark": [dim(light) for light in (1.0, 0.25, 0.12, 0.05, 0.0)],
    "noise": [grain(sigma) for sigma in (0, 10, 20, 40)],
    "overexposed": [bright(gain) for gain in (1.0, 1.8, 2.6, 3.5)],
    "jpeg": [jpeg(quality) for quality in (80, 15, 8, 3)],
    "small": [away(ratio) for ratio in (1.0, 0.35, 0.25, 0.18)],
}


@pytest.mark.parametrize("name", LADDERS)
def test_a_worse_picture_has_a_lower_quality(landmarker: Path, smiling: list[VideoFrame], name: str) -> None:
    windows = [video_features(observed(landmarker, smiling[::2], spoil), WINDOW) for spoil in LADDERS[name]]
    falling = [window.quality for window in windows]
    assert falling[0] > 0.6 and falling[-1] < 0.5
    assert all(better > worse for better, worse in pairwise(falling)), falling
    assert all(window.reason for window in windows if window.state is not State.OK)


def test_a_worse_picture_of_a_crying_face_has_a_lower_quality(landmarker: Path, media: Path) -> None:
    shown = frames(media / "crying_woman.mp4", 6.0, 10.0, fps=2)
    for name in ("blur", "dark", "overexposed"):
        ladder = LADDERS[name]
        falling = [video_features(observed(landmarker, shown, spoil), WINDOW).quality for spoil in ladder]
        assert all(better > worse for better, worse in pairwise(falling)), (name, falling)


SPELLS = {name: ladder[-1] for name, ladder in LADDERS.items() if name != "small"} | {"black": np.zeros_like}


@pytest.mark.parametrize("name", SPELLS)
def test_the_quality_is_back_when_the_spell_is_over(landmarker: Path, smiling: list[VideoFrame], name: str) -> None:
    """good 0 .. 4 | bad 4 .. 6 | good 6 .. 10"""
    spoil = SPELLS[name]
    with VideoFrontEnd(landmarker) as front:
        bad = [VideoFrame(4 + frame.pts / 2, spoil(frame.image)) for frame in smiling[::4]]
        after = [VideoFrame(6 + frame.pts, frame.image) for frame in smiling[::2]]
        seen = [front.observe(frame) for frame in [*smiling[::2], *bad, *after]]
    ends = (4.0, 6.0, 6.8, 10.0)
    first, worst, mixed, last = (video_features(seen, Window("test", 0, end - 4, end)).quality for end in ends)
    assert first > 0.6 and last == pytest.approx(first, abs=0.1)
    assert worst < 0.8 * first and mixed < 0.9 * first


# the rules of a window, on real observations
def test_a_hand_before_the_face_lowers_the_quality(landmarker: Path, media: Path) -> None:
    """A real hand from 4 to 9 s; none while she beams."""
    clip = media / "crying_woman.mp4"
    hidden, free = (
        observed(landmarker, frames(clip, *times, 2.0), lambda image: image) for times in ((4, 9), (13, 18))
    )
    covered, open_ = (np.median([one.view.covered for one in part if one.view]) for part in (hidden, free))
    assert covered > open_ + 0.1
    assert np.median([one.quality for one in hidden]) < np.median([one.quality for one in free])


def test_a_clear_face_is_ok(seen: list[FaceObservation]) -> None:
    window = video_features(seen, WINDOW)
    assert window.state is State.OK and window.reason is None and window.quality > 0.6
    assert window.age == pytest.approx(4.0 - seen[-1].pts)
    assert window.values.shape == (WIDTH,) and window.values.dtype == np.float32
    each = np.stack([one.values for one in seen])
    assert (each.min(axis=0) - 1e-4 <= window.values).all() and (window.values <= each.max(axis=0) + 1e-4).all()


def test_no_picture_is_missing() -> None:
    window = video_features([], WINDOW, Known(last_face=-1.5, last_picture=-1.0))
    assert (window.state, window.reason, window.quality, window.age) == (
        State.MISSING,
        "no picture for 5.0 s",
        0.0,
        5.5,
    )
    assert not window.values.any() and not window.present


def test_pictures_outside_the_window_are_not_looked_at(seen: list[FaceObservation]) -> None:
    later = [replace(one, pts=one.pts + 4.0) for one in seen]
    assert video_features(later, WINDOW).reason == "no picture"
    before = video_features(seen, WINDOW)
    assert np.array_equal(video_features([*seen, *later], WINDOW).values, before.values)


def test_a_covered_camera_is_missing(landmarker: Path, clip: Path) -> None:
    """The bundled clip:  0 .. 9 face | 9 .. 14.5 covered | 14.5 .. face"""
    window = video_features(
        observed(landmarker, frames(clip, 10.0, 14.0), lambda image: image), WINDOW, Known(last_face=-1.0)
    )
    assert window.state is State.MISSING and window.reason in ("picture is black", "no face for 5.0 s")
    assert window.quality == 0 and not window.values.any()


def test_a_black_picture_is_missing(landmarker: Path, smiling: list[VideoFrame]) -> None:
    window = video_features(observed(landmarker, smiling[::4], np.zeros_like), WINDOW)
    assert (window.state, window.reason, window.quality) == (State.MISSING, "picture is black", 0.0)


def test_pictures_without_a_face_are_missing(landmarker: Path, media: Path) -> None:
    window = video_features(observed(landmarker, frames(media / "no_face.mp4", 0.0, 3.9), lambda image: image), WINDOW)
    assert (window.state, window.reason) == (State.MISSING, "no face")


def frozen_between(shown: list[VideoFrame], start: float, end: float) -> list[VideoFrame]:
    """The same pictures, but from `start` to `end` the camera repeats the last one before."""
    last = next(frame for frame in reversed(shown) if frame.pts <= start)
    return [VideoFrame(frame.pts, last.image) if start < frame.pts < end else frame for frame in shown]


def test_a_camera_that_was_frozen_has_less_quality_the_longer_it_was(
    landmarker: Path, smiling: list[VideoFrame]
) -> None:
    """Frozen for     0    1.0  2.0  3.0 s, and live again for the last 0.6 of 4 s"""
    windows = [
        video_features(observed(landmarker, frozen_between(smiling, 3.4 - seconds, 3.4), lambda image: image), WINDOW)
        for seconds in (0.0, 1.0, 2.0, 3.0)
    ]
    falling = [window.quality for window in windows]
    assert all(better > worse for better, worse in pairwise(falling)), falling
    assert windows[-1].state is State.DEGRADED and windows[-1].reason
    before = [replace(smiling[0], pts=-2.0), *frozen_between(smiling, 0.0, 9.0)]
    whole = video_features(observed(landmarker, before, lambda image: image), WINDOW)
    assert (whole.state, whole.reason, whole.quality) == (State.MISSING, "picture is frozen", 0.0)
    assert whole.age >= 4.0


def test_frames_that_come_twice_are_not_frozen(landmarker: Path, smiling: list[VideoFrame]) -> None:
    """A source of 2.5 pictures a second, sent at 5: every picture has a twin, none stands for a second."""
    doubled = [replace(smiling[index - index % 2], pts=frame.pts) for index, frame in enumerate(smiling)]
    window = video_features(observed(landmarker, doubled, lambda image: image), WINDOW)
    assert window.state is State.OK


def test_a_person_who_sits_still_is_not_frozen(landmarker: Path, media: Path) -> None:
    shown = frames(media / "franck.mp4", 20.0, 40.0)
    assert not any(one.frozen for one in observed(landmarker, shown, lambda image: image))


def test_a_dark_room_is_not_frozen_and_a_dark_frozen_picture_is(media: Path) -> None:
    """At 5 % of the light nothing moves by more than two grey levels."""
    dark = [VideoFrame(frame.pts, dim(0.05)(frame.image)) for frame in frames(media / "franck.mp4", 10.0, 20.0, 10.0)]
    still, stuck = Stillness(), Stillness()
    assert max(still.seconds(grey(frame.image), frame.pts) for frame in dark) < 0.5
    assert [stuck.seconds(grey(dark[0].image), pts) for pts in (0.0, 0.5, 1.0)] == [0.0, 0.5, 1.0]


def test_the_end_of_the_window_decides(seen: list[FaceObservation]) -> None:
    """face for  0 .. 1.2 s: missing, or stale if nothing came after;  2.8 .. 4 s: degraded;  3.4 .. 4 s: hardly any"""

    def lost(one: FaceObservation) -> FaceObservation:
        return replace(one, seen=())

    early = video_features([one if one.pts < 1.2 else lost(one) for one in seen], WINDOW)
    ended = video_features([one for one in seen if one.pts < 1.2], WINDOW, Known(followed=False))
    late = video_features([one if one.pts >= 2.8 else lost(one) for one in seen], WINDOW)
    glimpse = video_features([one if one.pts >= 3.4 else lost(one) for one in seen], WINDOW)
    assert early.state is State.MISSING and early.reason == f"no face for {early.age:.1f} s"
    assert ended.state is State.STALE and ended.reason == f"no face for {ended.age:.1f} s" and ended.quality < 0.5
    assert late.state is State.DEGRADED and late.reason == "face in 30% of the pictures" and late.present
    assert glimpse.state is State.DEGRADED and 0 < glimpse.quality < late.quality


def test_better_views_weigh_more(seen: list[FaceObservation]) -> None:
    dim = replace(seen[1].seen[0], view=FaceView(20.0, 0.12, 0.05, 0.02, 0.5, 1.0))
    good, bad = replace(seen[0], pts=3.6), replace(seen[1], pts=3.8, seen=(dim,))
    values = video_features([good, bad], WINDOW).values
    assert np.abs(values - good.values).max() <= 0.01 * np.abs(good.values - bad.values).max() + 1e-6


def test_noise_is_measured_in_grey_levels(smiling: list[VideoFrame]) -> None:
    clean = grey(smiling[0].image).astype(np.float64)
    for sigma in (8, 20):
        noisy = np.clip(clean + np.random.default_rng(2).normal(0, sigma, clean.shape), 0, 255).astype(np.uint8)
        assert noise_level(noisy) == pytest.approx(sigma, rel=0.25)


def test_stillness_counts_from_the_first_of_the_equal_pictures(smiling: list[VideoFrame]) -> None:
    first, other = grey(smiling[0].image), grey(smiling[5].image)
    still = Stillness()
    shown = [(0.0, other), (0.5, first), (1.0, first), (2.5, first), (3.0, other)]
    assert [still.seconds(luma, pts) for pts, luma in shown] == [0.0, 0.0, 0.5, 2.0, 0.0]


def test_missing_model_files_say_how_to_mend_it(landmarker: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="fetch it again"):
        FaceReader(tmp_path / "no.task")
    (tmp_path / "model.onnx").write_bytes(b"not a graph")
    with pytest.raises(CheckpointError, match="ebmc train expression"):
        VideoFrontEnd(landmarker, tmp_path)
    with pytest.raises(CheckpointError, match="install that again"):
        TextureReader(tmp_path)


def test_nothing_is_written_across_the_live_table(
    capfd: pytest.CaptureFixture[str], landmarker: Path, smiling: list[VideoFrame]
) -> None:
    observed(landmarker, smiling[:3], lambda image: image)
    assert capfd.readouterr() == ("", "")


def test_pose_and_blendshapes_come_first(seen: list[FaceObservation]) -> None:
    """The order that models are trained on: 52 shares, 6 of pose, 32 bounded numbers."""
    shapes, pose, embedding = np.split(seen[0].values, [BLENDSHAPES, BLENDSHAPES + POSE])
    assert ((shapes >= 0) & (shapes <= 1)).all() and np.abs(pose[:3]).max() < 0.6 and len(embedding) == 32
