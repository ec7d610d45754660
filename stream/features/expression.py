"""What the committed networks see in a face, through ONNX Runtime on one thread: its texture, then its expression."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ebmc_core.checkpoint import checkpoint_folder
from ebmc_core.errors import CheckpointError
from ebmc_core.face import EMBEDDING, TEXTURE
from stream.features.graph import open_graph
from stream.features.picture import Picture

Float = NDArray[np.float32]


class Expression(NamedTuple):
    """Of n faces. embedding: float32 `[n, EMBEDDING]`. covered: how likely something is before it, 0..1, `[n]`."""

    embedding: Float
    covered: Float


class TextureReader:
    """The fixed first layers of a face network: portraits in, textures out. 2 ms a face.

    Raises `CheckpointError` when the folder has no usable `model.onnx`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        mend = "it comes with the package: install that again"
        self._session = _session(folder or checkpoint_folder("face-trunk"), TEXTURE, mend)

    def read(self, portraits: Picture) -> Float:
        """Textures float32 `[n, *TEXTURE]` of portraits uint8 `[n, PORTRAIT, PORTRAIT, 3]`."""
        return np.asarray(self._session.run(None, {"portraits": portraits})[0], dtype=np.float32)


class ExpressionReader:
    """The network that `ebmc train expression` made.

    Raises `CheckpointError` when the folder has no usable `model.onnx`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        mend = "`ebmc train expression` makes it"
        self._session = _session(folder or checkpoint_folder("expression"), (EMBEDDING,), mend)

    def read(self, crops: Picture, textures: Float, shapes: Float, blendshapes: Float) -> Expression:
        """What n faces show; for the shapes of the arrays see `ebmc_core.face`."""
        faces = {"crops": crops, "textures": textures, "shapes": shapes, "blendshapes": blendshapes}
        embedding, covered = self._session.run(["embedding", "covered"], faces)
        return Expression(np.asarray(embedding, dtype=np.float32), np.asarray(covered, dtype=np.float32))


def _session(folder: Path, width: tuple[int, ...], mend: str) -> onnxruntime.InferenceSession:
    """The graph of a folder, whose first output has `width` numbers a face. Raises `CheckpointError`, with the mend."""
    model = folder / "model.onnx"
    session = open_graph(model, mend)
    given = tuple(session.get_outputs()[0].shape[1:])
    if given != width:
        raise CheckpointError(f"{model} gives {given} numbers a face, this program needs {width}")
    return session
