"""YuNet (Wu, Peng, Yu, 2023), the finder of OpenCV's model zoo: https://doi.org/10.1007/s11633-023-1423-y.

Its weights are fetched (`ebmc models pull yunet`). Decoded as OpenCV's `FaceDetectorYN` does, which the tests hold this
against, but run by ONNX Runtime: what OpenCV can load of it differs from version to version.
"""

from pathlib import Path

import numpy as np

from ebmc_core.errors import CheckpointError
from stream.errors import WeightsError
from stream.features.finder import Found, likeliest, on_canvas
from stream.features.graph import open_graph
from stream.features.picture import Picture

LONGEST = 1280  # pixels of the canvas; faces of 10 to 300 of them are found
MULTIPLE = 32  # its sides, of the coarsest step
STEPS = (8, 16, 32)
LEAST = 0.6  # score


class YuNet:
    """The network. Raises `WeightsError` when the file is not YuNet's."""

    def __init__(self, model: Path, longest: int = LONGEST) -> None:
        """longest: the picture is brought to so many pixels before it is looked at."""
        self._longest = longest
        mend = "fetch it again: ebmc models pull --again yunet"
        try:
            self._session = open_graph(model, mend)
        except CheckpointError as error:
            raise WeightsError(str(error)) from error
        wanted = {f"{part}_{step}" for part in ("cls", "obj", "bbox") for step in STEPS}
        if missing := wanted - {output.name for output in self._session.get_outputs()}:
            raise WeightsError(f"{model} has no {', '.join(sorted(missing))}, so it is not YuNet; {mend}")
        self._input = self._session.get_inputs()[0].name

    def find(self, image: Picture) -> list[Found]:
        """The faces of an RGB picture `[H, W, 3]`, the likeliest first."""
        canvas, zoom = on_canvas(image, self._longest, MULTIPLE)
        planes = np.ascontiguousarray(canvas[:, :, ::-1].transpose(2, 0, 1)[None], dtype=np.float32)  # BGR, 0..255
        names = [f"{part}_{step}" for step in STEPS for part in ("cls", "obj", "bbox")]
        said = dict(zip(names, self._session.run(names, {self._input: planes}), strict=True))
        corners, scores = [], []
        for step in STEPS:
            likely, sure, boxes = (np.asarray(said[f"{part}_{step}"])[0] for part in ("cls", "obj", "bbox"))
            scores.append(np.sqrt(np.clip(likely[:, 0], 0, 1) * np.clip(sure[:, 0], 0, 1)))
            down, across = np.divmod(np.arange(len(boxes)), canvas.shape[1] // step)
            middle = (np.column_stack([across, down]) + boxes[:, :2]) * step
            half = np.exp(boxes[:, 2:]) * step / 2
            corners.append(np.hstack([middle - half, middle + half]))
        return likeliest(np.concatenate(corners), np.concatenate(scores), LEAST, zoom)
