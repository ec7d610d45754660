"""EBMC in ONNX Runtime on the CPU: the default, about twice as fast as eager torch. Imports no torch."""

from pathlib import Path
from types import TracebackType
from typing import Self, cast

import numpy as np
import onnxruntime

from ebmc_core.batch import FeatureBatch, Float, FusedBatch, pad_context
from ebmc_core.checkpoint import CheckpointFiles, read_checkpoint
from ebmc_core.errors import CheckpointError
from ebmc_core.modality import MODALITIES
from engines.errors import EngineError, EngineUnavailable


class OnnxRuntimeEngine:
    """Engine over a checkpoint folder with an exported `model.onnx`.

    Making it raises `EngineUnavailable` when the graph was never exported, entering it `CheckpointError` when the
    graph is damaged or holds other weights than the folder.
    """

    backend = "onnxruntime-cpu"

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self._files = read_checkpoint(folder)
        if not self._files.graph.is_file():
            raise EngineUnavailable(f"{self._files.graph} is missing: make it with `ebmc engine export {folder}`")
        self.model, self.digest = self._files.name, self._files.digest
        self.context = self._files.config.context
        self._threads = threads
        self._session: onnxruntime.InferenceSession | None = None

    def __enter__(self) -> Self:
        self._session = open_session(self._files, self._threads)
        windows = np.zeros((1, self.context), np.float32)
        masks = np.zeros((*windows.shape, len(MODALITIES)), np.float32)
        values = {m: np.zeros((*windows.shape, width), np.float32) for m, width in self._files.config.widths.items()}
        self.infer(FeatureBatch(values, masks, masks, masks, windows))  # the first run plans its memory
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session = None

    def infer(self, batch: FeatureBatch) -> FusedBatch:
        """Fuse one batch of up to `context` windows; `FeatureError` if it does not fit the model."""
        if self._session is None:
            raise EngineError("the onnx engine is not open: use it in a with block")
        batch.check(self._files.config.widths)
        windows = batch.valid.shape[1]
        padded = pad_context(batch, self.context)
        feeds = {str(modality): padded.values[modality] for modality in MODALITIES}
        feeds |= {name: getattr(padded, name) for name in ("present", "quality", "age", "valid")}
        outputs = cast(list[Float], self._session.run(None, feeds))
        return FusedBatch(*(np.ascontiguousarray(output[:, -windows:]) for output in outputs))


def open_session(files: CheckpointFiles, threads: int) -> onnxruntime.InferenceSession:
    """Load the graph and check that it was made from the folder's weights."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # the other stages need the cores
    try:
        session = onnxruntime.InferenceSession(str(files.graph), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime raises bare pybind classes; this is the one door they come through
        raise CheckpointError(f"{files.graph} is damaged: {str(error).splitlines()[0]}") from error
    made_from = session.get_modelmeta().custom_metadata_map.get("digest")
    if made_from != files.digest:
        raise CheckpointError(f"{files.graph} was made from other weights: make it again with `ebmc engine export`")
    return session
