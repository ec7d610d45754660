"""The faces of a picture: MediaPipe's landmarks, blendshapes and pose, and the face cut out upright.

MediaPipe Face Landmarker, 478 points and 52 blendshapes: https://ai.google.dev/edge/mediapipe/solutions/vision.
"""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

# both are read by C++ when it is loaded: nothing below an error may be written across the live table
os.environ.setdefault("GLOG_minloglevel", "3")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import mediapipe
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision
from numpy.typing import NDArray

from ebmc_core.face import ANCHORS, CROP, PORTRAIT, PORTRAIT_ANCHORS
from stream.errors import WeightsError
from stream.features.picture import LONGEST, Picture

Float = NDArray[np.float32]

POSE = 6
SMALLEST = 16  # pixels: no face can be read in a picture with a shorter side
FACES = 3  # how many are looked for

# points of the mesh whose means are the anchors: corners of the eye at the picture's left, of the other, of the mouth
_ANCHOR_POINTS = ((33, 133), (362, 263), (61, 291))
_NOSE_END = 2  # where the nose meets the lip
_LIPS = (13, 14)  # inner edge of the upper and of the lower lip, in the middle


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face.

    points: float32 `[POINTS, 3]`, x, y and depth in pixels of the picture; less depth is nearer to the camera.
    blendshapes: float32 `[52]`, 0..1, in the model's order (`_neutral`, `browDownLeft`, ... `noseSneerRight`).
    pose: float32 `[6]`: yaw, pitch, roll in radians (0 looks into the camera), then the centre x and y of the face
    (-0.5..0.5, 0 is the middle of the picture) and its height as a share of the picture's.
    box: x0, y0, x1, y1 as shares of the picture.
    """

    points: Float
    blendshapes: Float
    pose: Float
    box: tuple[float, float, float, float]

    @property
    def height(self) -> float:
        """Pixels of the analysed picture from the brow to the chin."""
        return float(np.ptp(self.points[:, 1]))

    @property
    def area(self) -> float:
        """Square pixels; the largest face is the one that is read."""
        return self.height * float(np.ptp(self.points[:, 0]))


class FaceReader:
    """Finds faces, either in the pictures of one video (`still=False`: it tracks) or in stills that have no order.

    longest: pixels of the longest side that a picture needs. Not thread safe; `close()` frees it. Raises
    `WeightsError` when the model file cannot be read.
    """

    longest: int = LONGEST

    def __init__(self, landmarker: Path, still: bool = False) -> None:
        mode = vision.RunningMode.IMAGE if still else vision.RunningMode.VIDEO
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(landmarker)),
            running_mode=mode,
            num_faces=FACES,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
        self._still = still
        self._clock_ms = -1
        try:
            with _quiet():
                self._model = vision.FaceLandmarker.create_from_options(options)
                self.read(np.zeros((64, 64, 3), np.uint8), 0.0)  # the first call is slow and talks: not in the stream
        except (OSError, RuntimeError, ValueError) as error:
            raise WeightsError(f"the face landmarker {landmarker} cannot be loaded: fetch it again") from error

    def read(self, image: Picture, pts: float) -> list[Face]:
        """The faces in an RGB picture `[H, W, 3]` shown at `pts` seconds, the largest first."""
        height, width = image.shape[:2]
        if min(height, width) < SMALLEST:
            return []
        picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(image))
        if self._still:
            found = self._model.detect(picture)
        else:
            self._clock_ms = max(self._clock_ms + 1, round(pts * 1000))  # the tracker demands that time rises
            found = self._model.detect_for_video(picture, self._clock_ms)
        rows = zip(found.face_landmarks, found.face_blendshapes, found.facial_transformation_matrixes, strict=True)
        faces = [_face(points, shapes, matrix, width, height) for points, shapes, matrix in rows]
        return sorted(faces, key=lambda face: -face.area)

    def close(self) -> None:
        """Free the model; a second call does nothing."""
        self._model.close()


def _face(points: list, shapes: list, matrix: Float, width: int, height: int) -> Face:
    """One row of MediaPipe's answer as a `Face`."""
    flat = [value for point in points for value in (point.x, point.y, point.z)]
    points3 = np.array(flat, dtype=np.float32).reshape(-1, 3)
    place = points3[:, :2]
    low, high = np.clip(place.min(axis=0), 0, 1), np.clip(place.max(axis=0), 0, 1)
    middle = (place.min(axis=0) + place.max(axis=0)) / 2 - 0.5
    turn = matrix[:3, :3]
    yaw, pitch = np.arctan2(turn[0, 2], turn[2, 2]), -np.arcsin(np.clip(turn[1, 2], -1, 1))
    roll = np.arctan2(turn[1, 0], turn[1, 1])
    return Face(
        points=points3 * np.array([width, height, width], dtype=np.float32),  # depth is on the scale of x
        blendshapes=np.array([shape.score for shape in shapes], dtype=np.float32),
        pose=np.array([yaw, pitch, roll, *middle, np.ptp(place[:, 1])], dtype=np.float32),
        box=(float(low[0]), float(low[1]), float(high[0]), float(high[1])),
    )


def mouth_opening(face: Face) -> float:
    """Distance between the lips over that of the eyes; in space, so that it does not shrink when the head turns."""
    left, right = (face.points[list(pair)].mean(axis=0) for pair in _ANCHOR_POINTS[:2])
    upper, lower = face.points[list(_LIPS)]
    return float(np.linalg.norm(upper - lower) / max(float(np.linalg.norm(right - left)), 1e-3))


def aligned_crop(luma: Picture, face: Face) -> Picture:
    """The face as the crop that `ebmc_core.face` describes, uint8 `[CROP, CROP]`, from a grey picture."""
    return _upright(luma, face, np.array(ANCHORS), CROP)


def portrait(image: Picture, face: Face) -> Picture:
    """The portrait that `ebmc_core.face` describes, uint8 `[PORTRAIT, PORTRAIT, 3]`, from an RGB picture."""
    return _upright(image, face, np.array(PORTRAIT_ANCHORS), PORTRAIT)


def _upright(image: Picture, face: Face, anchors: NDArray[np.float64], side: int) -> Picture:
    """The picture moved so that eyes and mouth come to the anchors, `[side, side, ...]`."""
    eyes_and_mouth = np.array([face.points[list(pair), :2].mean(axis=0) for pair in _ANCHOR_POINTS], dtype=np.float64)
    move = _similarity(eyes_and_mouth, anchors)
    shrink = int(1 / max(np.hypot(move[0, 0], move[1, 0]), 1e-3))
    if shrink > 1:  # a large face: average its pixels first, since the warp only samples them
        size = max(1, image.shape[1] // shrink), max(1, image.shape[0] // shrink)
        ratio = np.array([image.shape[1] / size[0], image.shape[0] / size[1]])
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        move = np.column_stack([move[:, :2] * ratio, move[:, 2]])
    crop = cv2.warpAffine(image, move, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(crop, dtype=np.uint8)


def _similarity(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """The turn, scale and shift `[2, 3]` that brings points `[n, 2]` nearest to others, by least squares."""
    x, y = source.T
    one, none = np.ones_like(x), np.zeros_like(x)
    rows = np.concatenate([np.column_stack([x, -y, one, none]), np.column_stack([y, x, none, one])])
    (a, b, shift_x, shift_y), *_ = np.linalg.lstsq(rows, np.concatenate([target[:, 0], target[:, 1]]), rcond=None)
    return np.array([[a, -b, shift_x], [b, a, shift_y]])


def face_shape(face: Face) -> Float:
    """The shape of a face as `ebmc_core.face` describes it, float32 `[POINTS, 3]`."""
    left, right = (face.points[list(pair)].mean(axis=0) for pair in _ANCHOR_POINTS[:2])
    origin, across = (left + right) / 2, right - left
    unit = max(float(np.linalg.norm(across)), 1e-3)
    x = across / unit
    down = face.points[_NOSE_END] - origin
    y = down - (down @ x) * x
    y /= max(float(np.linalg.norm(y)), 1e-3)
    return ((face.points - origin) / unit @ np.stack([x, y, np.cross(x, y)]).T).astype(np.float32)


@contextmanager
def _quiet() -> Generator[None]:
    """Drop what native code writes to the standard error: MediaPipe and TF Lite greet in spite of their flags."""
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
