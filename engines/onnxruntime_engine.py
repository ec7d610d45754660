"""EBMC in ONNX Runtime, on the CPU (the default) or on CUDA. Imports no torch."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import onnxruntime

from ebmc_core.batch import FeatureBatch, Float, FusedBatch
from ebmc_core.checkpoint import CheckpointFiles, read_checkpoint
from ebmc_core.errors import CheckpointError
from engines.engine import empty_batch, feeds_from, fused_from
from engines.errors import EngineAbsent, EngineError, EngineUnavailable
from engines.gpu import probe_gpu

GRAPH_FORMAT = "ebmc-graph/2"
GET = "pip uninstall onnxruntime, pip install onnxruntime-gpu"
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


class OnnxRuntimeEngine:
    """Engine over a checkpoint folder with an exported `model.onnx`.

    Making it raises `EngineUnavailable` when the graph was never exported, entering it `CheckpointError` when the
    graph is damaged or holds other weights than the folder.
    """

    backend = "onnxruntime-cpu"
    provider = CPU

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self._files = read_checkpoint(folder)
        if not self._files.graph.is_file():
            raise EngineUnavailable(f"{self._files.graph} is missing: make it with `ebmc engine export {folder}`")
        self.model, self.digest = self._files.name, self._files.digest
        self.context = self._files.config.context
        self._threads = threads
        self._session: onnxruntime.InferenceSession | None = None
        self._outputs: list[str] = []

    def __enter__(self) -> Self:
        self._session = open_session(self._files.graph, self._files, self._threads, self.provider)
        self._outputs = [output.name for output in self._session.get_outputs()]
        self.infer(empty_batch(self._files.config))  # the first run plans its memory
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session = None

    def infer(self, batch: FeatureBatch) -> FusedBatch:
        """The newest window of each row; `FeatureError` if the batch does not fit the model."""
        if self._session is None:
            raise EngineError("the onnx engine is not open: use it in a with block")
        feeds = feeds_from(batch, self._files.config)
        try:
            outputs = cast(list[Float], self._session.run(self._outputs, feeds))
        except Exception as error:  # the runtime raises bare pybind classes; this is the door they come through
            raise EngineError(f"{self.backend} failed: {str(error).splitlines()[0]}") from error
        return fused_from(dict(zip(self._outputs, outputs, strict=True)))


class OnnxRuntimeCudaEngine(OnnxRuntimeEngine):
    """The same graph on an NVIDIA GPU; `EngineAbsent` where there is none, or only the CPU build of the runtime."""

    backend = "onnxruntime-cuda"
    provider = CUDA

    def __init__(self, folder: Path, threads: int = 1) -> None:
        probe_gpu(GET)
        if CUDA not in onnxruntime.get_available_providers():
            raise EngineAbsent(f"this onnxruntime has no CUDA: {GET}")
        super().__init__(folder, threads)


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """Tuned for a stream: the other stages need the cores, so threads do not spin while they wait."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options


def open_session(
    graph: Path, files: CheckpointFiles, threads: int = 1, provider: str = CPU
) -> onnxruntime.InferenceSession:
    """Load a graph, and check that it was made from the folder's weights and that the provider really answers."""
    options: Any = session_options(threads)
    try:
        session = onnxruntime.InferenceSession(str(graph), options, providers=[provider])
    except Exception as error:  # bare pybind classes again
        raise CheckpointError(f"{graph} is damaged: {str(error).splitlines()[0]}") from error
    said = session.get_modelmeta().custom_metadata_map
    if said.get("digest") != files.digest:
        raise CheckpointError(f"{graph} was made from other weights: make it again with `ebmc engine export`")
    if said.get("format") != GRAPH_FORMAT:
        raise CheckpointError(f"{graph} is from an older version: make it again with `ebmc engine export`")
    if session.get_providers()[0] != provider:  # it falls back to the CPU without an error
        raise EngineUnavailable(f"onnxruntime lists {provider} but cannot load its libraries (CUDA, cuDNN)")
    return session
