"""Finding faces in a picture: where they are, and nothing of what they show."""

from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from stream.features.picture import Picture

Numbers = NDArray[np.float32] | NDArray[np.float64]

ENLARGED = 2.0  # times at most: more would only cost time
OVERLAP = 0.3  # of two boxes over both together, above which they are of one face


class Found(NamedTuple):
    """A face. box: x0, y0, x1, y1 in pixels of the picture, from forehead to chin; it may reach beyond the picture.

    score: how likely it is one, 0..1.
    """

    box: tuple[float, float, float, float]
    score: float

    @property
    def area(self) -> float:
        """Square pixels."""
        x0, y0, x1, y1 = self.box
        return (x1 - x0) * (y1 - y0)

    def overlap(self, other: "Found") -> float:
        """What both boxes cover over what either does, 0..1."""
        x0, y0, x1, y1 = self.box
        u0, v0, u1, v1 = other.box
        both = max(0.0, min(x1, u1) - max(x0, u0)) * max(0.0, min(y1, v1) - max(y0, v0))
        return both / max(self.area + other.area - both, 1e-9)


class FaceFinder(Protocol):
    """A network that finds faces. It keeps nothing between pictures, so streams and threads may share it."""

    def find(self, image: Picture) -> list[Found]:
        """The faces of an RGB picture `[H, W, 3]`, the likeliest first."""
        ...


def on_canvas(image: Picture, longest: int, multiple: int) -> tuple[Picture, float]:
    """The picture with its longest side brought to `longest`, or near it, and how many times as large it has become.

    Black is added at the right and below, up to a `multiple` of pixels.
    """
    zoom = min(ENLARGED, longest / max(image.shape[:2]))
    width, height = (max(1, round(side * zoom)) for side in (image.shape[1], image.shape[0]))
    way = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(image, (width, height), interpolation=way)
    canvas = np.zeros((-height % multiple + height, -width % multiple + width, 3), np.uint8)
    canvas[:height, :width] = scaled
    return canvas, zoom


def likeliest(corners: Numbers, scores: Numbers, least: float, zoom: float) -> list[Found]:
    """Of boxes `[n, 4]` on a canvas those that score `least`, one for each face, in pixels of the picture."""
    likely = scores >= least
    corners, scores = corners[likely], scores[likely]
    sizes = np.column_stack([corners[:, :2], corners[:, 2:] - corners[:, :2]])  # as OpenCV has them: corner, size
    kept = cv2.dnn.NMSBoxes(sizes.tolist(), scores.tolist(), least, OVERLAP) if len(scores) else ()
    boxes = corners / zoom
    found: list[Found] = []
    for index in kept:
        x0, y0, x1, y1 = (float(side) for side in boxes[index])
        found.append(Found((x0, y0, x1, y1), float(scores[index])))
    return sorted(found, key=lambda face: -face.score)
