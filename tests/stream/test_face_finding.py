"""Small faces and several of them: what the finders find in real pictures, and what is then read close up.

YuNet's weights are not here: its decoding is held against OpenCV's own, on a network of chance of the same shape.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from ebmc_core.errors import CheckpointError
from ebmc_core.face import BLENDSHAPES
from stream.checksum import checksum
from stream.errors import SettingsError, WeightsError
from stream.face_finding import load_finder
from stream.features.face import FACES
from stream.features.face_boxes import FaceBoxes
from stream.features.far import FarReader
from stream.features.finder import Found
from stream.features.graph import open_graph
from stream.features.video import VideoFrontEnd
from stream.features.yunet import YuNet
from stream.records import VideoFrame
from stream.settings import load_settings
from stream.weights import WEIGHTS
from tests.stream.finders import Picture, in_a_room, yunet_of_chance


@pytest.fixture(scope="module")
def finder() -> FaceBoxes:
    return FaceBoxes()


@pytest.fixture(scope="module")
def man(clip: Path) -> list[Picture]:
    """Three seconds of the man smiling, five pictures a second."""
    with av.open(clip) as media:
        shown = [frame.to_ndarray(format="rgb24") for frame in media.decode(video=0) if 2 <= frame.time < 5]
    return shown[::5]


@pytest.fixture
def far(landmarker: Path, finder: FaceBoxes) -> Iterator[VideoFrontEnd]:
    with VideoFrontEnd(landmarker, finder=finder) as front:
        yield front


@pytest.fixture
def near(landmarker: Path) -> Iterator[VideoFrontEnd]:
    with VideoFrontEnd(landmarker) as front:
        yield front


def test_a_small_face_is_read_that_is_not_found_otherwise(
    near: VideoFrontEnd, far: VideoFrontEnd, landmarker: Path, man: list[Picture]
) -> None:
    with VideoFrontEnd(landmarker) as whole:
        known = whole.observe(VideoFrame(0.0, man[0]))
    assert known.view and known.box
    for pixels, alike in ((60, 0.9), (40, 0.85), (30, 0.7)):
        zoom = pixels / known.view.size
        room = in_a_room(man[0], zoom, at=(400, 60))
        assert pixels == 60 or not near.observe(VideoFrame(0.0, room)).found
        one = far.observe(VideoFrame(0.0, room))
        assert one.found and one.view and one.view.size == pytest.approx(pixels, rel=0.12)
        assert np.corrcoef(one.values[:BLENDSHAPES], known.values[:BLENDSHAPES])[0, 1] > alike
        # what is left of it is said: a face of 30 pixels has little quality
        assert one.quality < known.quality and (pixels > 30 or one.quality < 0.3)
        sides = np.array([*room.shape[1::-1], *room.shape[1::-1]])
        place = np.array(known.box) * [*man[0].shape[1::-1], *man[0].shape[1::-1]] * zoom + [400, 60, 400, 60]
        assert np.array(one.box) * sides == pytest.approx(place, abs=0.12 * pixels)


def test_a_near_face_is_read_as_without_a_finder(near: VideoFrontEnd, far: VideoFrontEnd, man: list[Picture]) -> None:
    for index, image in enumerate(man[::4]):
        one, other = (front.observe(VideoFrame(index / 5, image)) for front in (near, far))
        assert other.faces == 1 and other.box == pytest.approx(one.box, abs=0.03)
        assert np.corrcoef(one.values, other.values)[0, 1] > 0.95
        assert one.quality == pytest.approx(other.quality, abs=0.05)


def tiled(image: Picture, count: int, zooms: list[float]) -> Picture:
    """The picture beside itself."""
    wall = np.full((720, 1280, 3), 96, np.uint8)
    for index in range(count):
        small = np.asarray(cv2.resize(image, None, fx=zooms[index], fy=zooms[index]), np.uint8)
        x, y = index % 3 * 420, index // 3 * 360
        wall[y : y + small.shape[0], x : x + small.shape[1]] = small
    return wall


def test_every_face_of_a_meeting_is_found(finder: FaceBoxes, man: list[Picture]) -> None:
    for count in (1, 2, 4, 6):
        assert len(finder.find(tiled(man[0], count, [0.7] * count))) == count


def test_a_box_lies_on_its_face_wherever_that_is(finder: FaceBoxes, near: VideoFrontEnd, man: list[Picture]) -> None:
    """Small faces come from anchors that lie close together; each has its own place."""
    known = near.observe(VideoFrame(0.0, man[0]))
    assert known.box and known.view
    zoom = 35 / known.view.size
    middle = zoom * (np.array(known.box[:2]) + known.box[2:]) / 2 * man[0].shape[1::-1]
    for x, y in ((200, 100), (207, 113), (213, 105), (221, 119), (229, 127), (230, 101)):
        (found,) = finder.find(in_a_room(man[0], zoom, at=(x, y)))
        centre = (np.array(found.box[:2]) + found.box[2:]) / 2
        assert centre == pytest.approx([middle[0] + x, middle[1] + y], abs=7)


def test_the_largest_are_read_and_stay_the_same(far: VideoFrontEnd, man: list[Picture]) -> None:
    """Six faces of nearly one size, which change from picture to picture who is the largest."""
    rng = np.random.default_rng(0)
    first = far.observe(VideoFrame(0.0, tiled(man[0], 6, [0.5, 0.8, 0.5, 0.8, 0.5, 0.8])))
    ids = {face.id for face in first.seen}
    assert first.faces == FACES == len(ids)
    for index in range(1, 5):
        zooms = np.array([0.5, 0.8, 0.5, 0.8, 0.5, 0.8]) + rng.uniform(-0.05, 0.05, 6)
        seen = far.observe(VideoFrame(index / 5, tiled(man[index], 6, zooms.tolist())))
        assert {face.id for face in seen.seen} == ids
        assert [face.area for face in seen.seen] == sorted((face.area for face in seen.seen), reverse=True)
        near_equal = tiled(man[index], 6, [0.75, 0.8, 0.75, 0.8, 0.75, 0.8])
        assert {face.id for face in far.observe(VideoFrame(index / 5 + 0.1, near_equal)).seen} == ids


class Everywhere:
    """Finds a face in every corner, where there is none, beyond the picture, and twice where there is one."""

    def __init__(self, true: FaceBoxes) -> None:
        self._true = true

    def find(self, image: Picture) -> list[Found]:
        height, width = image.shape[:2]
        wrong = [(0.0, 0.0, 30.0, 30.0), (-50.0, -50.0, -5.0, -5.0), (0.0, 0.0, 0.0, 0.0), (width, height, 2e4, 2e4)]
        right = self._true.find(image)
        again = [Found(tuple(side + 3.0 for side in found.box), 0.9) for found in right]  # pyright: ignore[reportArgumentType]
        return [*(Found(box, 0.99) for box in wrong), *right, *again]


def test_what_the_finder_invents_is_not_read(landmarker: Path, finder: FaceBoxes, man: list[Picture]) -> None:
    reader = FarReader(landmarker, Everywhere(finder))
    assert len(reader.read(in_a_room(man[0], 0.5, at=(300, 100)), 0.0)) == 1
    reader.close()
    reader.close()


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (16, 16), (33, 999), (2160, 3840)], ids=str)
def test_pictures_of_any_size_are_looked_at(far: VideoFrontEnd, shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for index, image in enumerate((noise, np.zeros_like(noise), np.full_like(noise, 255))):
        one = far.observe(VideoFrame(index / 10, image))
        assert not one.found and one.quality == 0 and not one.values.any()


def test_no_face_is_found_where_there_is_none(far: VideoFrontEnd, media: Path) -> None:
    with av.open(media / "no_face.mp4") as film:
        shown = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)][::8]
    assert sum(far.observe(VideoFrame(index / 3, image)).found for index, image in enumerate(shown)) == 0


def test_reading_is_the_same_twice(landmarker: Path, finder: FaceBoxes, man: list[Picture]) -> None:
    shown = [in_a_room(image, 0.25) for image in man[:4]]
    values: list[list[np.ndarray]] = []
    for _ in range(2):
        with VideoFrontEnd(landmarker, finder=finder) as front:
            values.append([front.observe(VideoFrame(n / 5, image)).values for n, image in enumerate(shown)])
    assert all(np.array_equal(one, two) and one.any() for one, two in zip(*values, strict=True))


# YuNet
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_yunet_is_decoded_as_opencv_does(man: list[Picture], tmp_path: Path, seed: int) -> None:
    image = man[0]  # 360 x 288
    model = yunet_of_chance(tmp_path / "chance.onnx", seed)
    found = YuNet(model, longest=image.shape[1]).find(image)
    bgr = np.ascontiguousarray(image[:, :, ::-1])
    theirs: list[np.ndarray] = []
    for overlap in (1.0, 0.3):  # 1: every box
        detector = cv2.FaceDetectorYN.create(str(model), "", image.shape[1::-1], 0.6, overlap, 5000)
        boxes = np.asarray(detector.detect(bgr)[1], np.float64)
        theirs.append(np.column_stack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:4], boxes[:, 14]]))
    ours = np.array([[*one.box, one.score] for one in found])
    assert len(ours) > 20 and ours[0] == pytest.approx(theirs[1][theirs[1][:, 4].argmax()], abs=0.01)
    assert all(np.abs(theirs[0] - one).max(axis=1).min() < 0.01 for one in ours)
    assert len(ours) == pytest.approx(len(theirs[1]), rel=0.05)  # OpenCV rounds the boxes before it compares them


def test_yunet_is_pulled_from_a_mirror_when_it_is_asked_for(
    man: list[Picture], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = WEIGHTS["yunet"]
    assert entry.single and entry.optional
    (folder := tmp_path / "mirror" / "yunet").mkdir(parents=True)
    model = yunet_of_chance(folder / entry.single)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody is there
    settings = load_settings(faces="yunet", cache=tmp_path / "cache", models_mirror=str(tmp_path / "mirror"))
    with pytest.raises(WeightsError, match=r"yunet could not be fetched.*ebmc models pull.*--faces far"):
        load_finder(settings, lambda line: None)  # its bytes are not those of the registry
    known = replace(entry, files={entry.single: checksum(model)}, size=model.stat().st_size)
    monkeypatch.setitem(WEIGHTS, "yunet", known)
    finder = load_finder(settings, lambda line: None)
    assert isinstance(finder, YuNet) and finder.find(man[0])


def test_a_file_that_is_not_yunet_is_refused(tmp_path: Path) -> None:
    (broken := tmp_path / "broken.onnx").write_bytes(b"no graph")
    other = Path(__file__).parents[2] / "ebmc_core" / "checkpoints" / "face-boxes" / "model.onnx"
    for model in (broken, other, tmp_path / "none.onnx"):
        with pytest.raises(WeightsError, match="ebmc models pull --again yunet"):
            YuNet(model)
    with pytest.raises(CheckpointError, match="mend it so"):
        open_graph(broken, "mend it so")


# the choice
def test_the_settings_choose() -> None:
    assert load_settings().faces == "near" and load_finder(load_settings(), lambda line: None) is None
    assert isinstance(load_finder(load_settings(faces="far"), lambda line: None), FaceBoxes)
    with pytest.raises(SettingsError, match="'near', 'far' or 'yunet'"):
        load_settings(faces="telescope")
