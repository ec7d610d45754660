"""FaceBoxes (Zhang et al., 2017), the finder that comes with the package: small faces, and many at once.

Convolutions only, so it looks at pictures of any size. `ebmc_core/checkpoints/face-boxes` says where it is from.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ebmc_core.checkpoint import checkpoint_folder
from stream.features.finder import Found, likeliest, on_canvas
from stream.features.graph import open_graph
from stream.features.picture import Picture

LONGEST = 1280  # pixels of the canvas; most faces of 40 of them are found, two of three of 30
MULTIPLE = 128  # its sides, of the coarsest step
LEAST = 0.5  # score
# pixels from one place to the next -> (side of an anchor, how many a place has in each direction)
ANCHORS = {32: ((32, 4), (64, 2), (128, 1)), 64: ((256, 1),), 128: ((512, 1),)}
SHIFT, GROW = 10.0, 5.0  # what the network's numbers are multiplied by


class FaceBoxes:
    """The network. 40 ms a picture on one thread. Raises `CheckpointError` when it is not there."""

    def __init__(self) -> None:
        mend = "it comes with the package: install that again"
        self._session = open_graph(checkpoint_folder("face-boxes") / "model.onnx", mend)

    def find(self, image: Picture) -> list[Found]:
        """The faces of an RGB picture `[H, W, 3]`, the likeliest first."""
        canvas, zoom = on_canvas(image, LONGEST, MULTIPLE)
        said = self._session.run(["scores", "boxes"], {"picture": canvas[None]})
        scores, boxes = (np.asarray(one)[0] for one in said)
        likely = scores[:, 1] >= LEAST
        anchors, moves = _anchors(*canvas.shape[:2])[likely], boxes[likely]
        side = anchors[:, 2:]
        middle = anchors[:, 1::-1] + moves[:, 1::-1] / SHIFT * side  # x, y; the network says y first
        half = np.exp(moves[:, :1:-1] / GROW) * side / 2
        return likeliest(np.hstack([middle - half, middle + half]), scores[likely, 1], LEAST, zoom)


@lru_cache(maxsize=8)  # of the shapes of cameras
def _anchors(height: int, width: int) -> NDArray[np.float32]:
    """Middle y, x and side of each anchor, float32 `[n, 3]`, in the order of the network's boxes."""
    levels: list[NDArray[np.float64]] = []
    for stride, kinds in ANCHORS.items():
        places: list[NDArray[np.float64]] = []
        for side, dense in kinds:
            offsets = (np.arange(dense) + 0.5) * side / dense - side / 2
            across, down = np.meshgrid(offsets, offsets, indexing="ij")  # a place's anchors: column by column
            places.append(np.column_stack([down.ravel(), across.ravel(), np.full(dense * dense, side)]))
        grid = np.meshgrid(np.arange(height // stride), np.arange(width // stride), indexing="ij")
        corner = np.stack([*((axis + 0.5) * stride for axis in grid), np.zeros_like(grid[0])], axis=-1)
        levels.append((corner[:, :, None] + np.concatenate(places)).reshape(-1, 3))
    return np.concatenate(levels).astype(np.float32)
