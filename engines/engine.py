"""The one protocol of all engines, and the table they are registered in."""

from types import TracebackType
from typing import Protocol, Self

from ebmc_core.batch import FeatureBatch, FusedBatch


class Engine(Protocol):
    """A compiled EBMC model. Entering loads it and warms it up, leaving frees it.

    `backend` is the name that events carry; `model` and `digest` (sha256 of the weights) identify the checkpoint;
    `context` is the longest `L` it was made for.
    """

    backend: str
    model: str
    digest: str
    context: int

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def infer(self, batch: FeatureBatch) -> FusedBatch:
        """Fuse one batch. Names, shapes and dtypes are checked first (`FeatureError`)."""
        ...


# name on the command line -> module:class, imported only when that engine is made
ENGINES: dict[str, str] = {
    "onnx": "engines.onnxruntime_engine:OnnxRuntimeEngine",
    "torch": "engines.torch_engine:TorchEngine",
}
