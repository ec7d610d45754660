"""Faces that are small in the picture, and several of them: found by a network of their own, then read close up.

MediaPipe's landmarker looks for faces in 128 x 128 pixels of the whole picture, so it misses those of a camera in a
room. Here a finder says where they are; each is cut out with a margin, enlarged when it is small, and the landmarker
reads it there. What it says goes back to the places of the picture.
"""

from pathlib import Path

import cv2
import numpy as np

from stream.features.face import FACES, SMALLEST, Face, FaceReader, Float
from stream.features.finder import FaceFinder, Found
from stream.features.picture import Picture

LONGEST = 1920  # pixels of the analysed picture: small faces are read from the camera's own
MARGIN = 2.0  # sides of the close-up over the larger side of the face
CLOSE = 256  # pixels, at least, that the larger side of a close-up is enlarged to
TRIED = 2 * FACES  # boxes looked at close up in one picture, at most
KEPT = 1.5  # how much larger a face must be than one that was read in the picture before to be read instead
SAME = 0.3  # overlap of boxes from which they are of one face


class FarReader:
    """Reads the largest faces that a finder finds in the pictures of one video; what was read before has precedence.

    longest: pixels of the longest side that a picture needs. Not thread safe; `close()` frees it. Raises
    `WeightsError` when the model file cannot be read.
    """

    longest: int = LONGEST

    def __init__(self, landmarker: Path, finder: FaceFinder) -> None:
        self._finder = finder
        self._close_up = FaceReader(landmarker, still=True)
        self._before: list[Found] = []

    def read(self, image: Picture, pts: float) -> list[Face]:
        """The faces in an RGB picture `[H, W, 3]` shown at `pts` seconds, the largest first."""
        if min(image.shape[:2]) < SMALLEST:
            return []
        read: list[tuple[Found, Face]] = []
        for found in sorted(self._finder.find(image), key=self._weight, reverse=True)[:TRIED]:
            face = self._read_one(image, found, pts)
            if face is not None and not any(_overlap(face, other) > SAME for _, other in read):
                read.append((found, face))
            if len(read) == FACES:
                break
        self._before = [found for found, _ in read]
        return sorted((face for _, face in read), key=lambda face: -face.area)

    def close(self) -> None:
        """Free the model; a second call does nothing."""
        self._close_up.close()

    def _weight(self, found: Found) -> float:
        known = any(found.overlap(before) > SAME for before in self._before)
        return found.area * (KEPT if known else 1.0)

    def _read_one(self, image: Picture, found: Found, pts: float) -> Face | None:
        """The face in a box, in places of the picture; None when the landmarker sees none whose middle is there."""
        x0, y0, x1, y1 = found.box
        half = MARGIN * max(x1 - x0, y1 - y0) / 2
        height, width = image.shape[:2]
        left, right = (round(float(np.clip((x0 + x1) / 2 + side, 0, width))) for side in (-half, half))
        top, bottom = (round(float(np.clip((y0 + y1) / 2 + side, 0, height))) for side in (-half, half))
        if min(right - left, bottom - top) < 2:
            return None
        close = image[top:bottom, left:right]
        zoom = max(1.0, CLOSE / max(close.shape[:2]))
        if zoom > 1.0:
            close = np.asarray(cv2.resize(close, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC), np.uint8)
        zoom_x, zoom_y = close.shape[1] / (right - left), close.shape[0] / (bottom - top)
        scale, shift = np.array([zoom_x, zoom_y, zoom_x], np.float32), np.array([left, top, 0], np.float32)
        for face in self._close_up.read(close, pts):
            placed = _placed(face, face.points / scale + shift, width, height)
            x, y = placed.points[:, :2].min(axis=0) / 2 + placed.points[:, :2].max(axis=0) / 2
            if x0 <= x <= x1 and y0 <= y <= y1:
                return placed
        return None


def _placed(face: Face, points: Float, width: int, height: int) -> Face:
    """A face with its points in pixels of a picture of this size, and what follows from them."""
    shares = points[:, :2] / np.array([width, height], np.float32)
    low, high = shares.min(axis=0), shares.max(axis=0)
    (u0, v0), (u1, v1) = np.clip(low, 0, 1), np.clip(high, 0, 1)
    return Face(
        points=points,
        blendshapes=face.blendshapes,
        pose=np.array([*face.pose[:3], *((low + high) / 2 - 0.5), high[1] - low[1]], dtype=np.float32),
        box=(float(u0), float(v0), float(u1), float(v1)),
    )


def _overlap(one: Face, other: Face) -> float:
    return Found(one.box, 1.0).overlap(Found(other.box, 1.0))
