"""The one protocol of all engines, and the table they are registered in."""

from collections.abc import Mapping
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from ebmc_core.batch import FeatureBatch, Float, FusedBatch, pad_context
from ebmc_core.config import EbmcConfig
from ebmc_core.modality import MODALITIES


class Engine(Protocol):
    """A compiled EBMC model. Entering loads it and warms it up, leaving frees it.

    `backend` is the name that events carry; `model` and `digest` (sha256 of the weights) identify the checkpoint;
    `context` is the longest `L` it was made for.
    """

    @property
    def backend(self) -> str: ...

    @property
    def model(self) -> str: ...

    @property
    def digest(self) -> str: ...

    @property
    def context(self) -> int: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def infer(self, batch: FeatureBatch) -> FusedBatch:
        """The newest window of each row `[B, L]`, as outputs with `L = 1`. `FeatureError` if the batch does not fit."""
        ...


# name on the command line -> module:class, imported only when that engine is made
ENGINES: dict[str, str] = {
    "tensorrt": "engines.tensorrt_engine:TensorRtEngine",
    "tensorrt-rtx": "engines.tensorrt_engine:TensorRtRtxEngine",
    "onnx-cuda": "engines.onnxruntime_engine:OnnxRuntimeCudaEngine",
    "onnx": "engines.onnxruntime_engine:OnnxRuntimeEngine",
    "torch-cuda-graph": "engines.torch_cuda_engine:TorchCudaGraphEngine",
    "torch": "engines.torch_engine:TorchEngine",
}


def feeds_from(batch: FeatureBatch, config: EbmcConfig) -> dict[str, Float]:
    """The inputs of the live graph by name; `FeatureError` if the batch does not fit the model."""
    batch.check(config.widths)
    padded = pad_context(batch, config.context)
    feeds = {str(modality): padded.values[modality] for modality in MODALITIES}
    return feeds | {name: getattr(padded, name) for name in ("present", "quality", "age", "valid")}


def fused_from(outputs: Mapping[str, Float]) -> FusedBatch:
    """The outputs of the live graph, which bear the names of the fields; copied, as buffers are used again."""
    return FusedBatch(**{name: np.array(output, np.float32) for name, output in outputs.items()})


def empty_batch(config: EbmcConfig, streams: int = 1) -> FeatureBatch:
    """A batch of padding, to warm an engine up with."""
    windows = np.zeros((streams, config.context), np.float32)
    masks = np.zeros((*windows.shape, len(MODALITIES)), np.float32)
    values = {m: np.zeros((*windows.shape, width), np.float32) for m, width in config.widths.items()}
    return FeatureBatch(values, masks, masks, masks, windows)
