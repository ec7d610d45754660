"""EBMC in PyTorch on CUDA, replayed as CUDA graphs: for GPUs that TensorRT does not build for. Not run on hardware."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn

from ebmc_core.batch import FeatureBatch, Float, FusedBatch
from ebmc_core.checkpoint import load_checkpoint, read_checkpoint
from ebmc_core.modality import MODALITIES
from ebmc_core.model import Fused, NewestWindow
from engines.buckets import BUCKETS, bucket_for, fill_bucket
from engines.engine import empty_batch, feeds_from, fused_from
from engines.errors import EngineAbsent, EngineError
from engines.fold import folded
from engines.gpu import probe_gpu


class TorchCudaGraphEngine:
    """Engine over a checkpoint folder; `EngineAbsent` without a GPU or with a torch that cannot use it."""

    backend = "torch-cuda-graph"

    def __init__(self, folder: Path) -> None:
        self._gpu = probe_gpu("nothing to install, torch has CUDA")
        if not torch.cuda.is_available():
            raise EngineAbsent(
                f"this torch ({torch.__version__}) cannot use the {self._gpu.name}: install a CUDA build"
            )
        self._files = read_checkpoint(folder)
        self.model, self.digest = self._files.name, self._files.digest
        self.context = self._files.config.context
        self._replays: dict[int, Replay] | None = None

    def __enter__(self) -> Self:
        try:
            window = NewestWindow(folded(load_checkpoint(self._files.folder).model)).eval().cuda()
            examples = {size: feeds_from(empty_batch(self._files.config, size), self._files.config) for size in BUCKETS}
            self._replays = {size: Replay(window, example) for size, example in examples.items()}
        except RuntimeError as error:
            raise EngineError(f"{self.backend} cannot load on the {self._gpu.name}: {error}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._replays = None

    def infer(self, batch: FeatureBatch) -> FusedBatch:
        """The newest window of each row; `FeatureError` if the batch does not fit, `EngineError` if the GPU fails."""
        if self._replays is None:
            raise EngineError("the torch-cuda-graph engine is not open: use it in a with block")
        feeds = feeds_from(batch, self._files.config)
        streams = len(batch.valid)
        bucket = bucket_for(streams)
        try:
            outputs = self._replays[bucket](fill_bucket(feeds, bucket))
        except RuntimeError as error:
            raise EngineError(f"{self.backend} failed: {error}") from error
        return fused_from({name: output[:streams] for name, output in outputs.items()})


class Replay:
    """One recorded run: copies in, the network, copies out, all in one CUDA graph on a stream of its own."""

    def __init__(self, window: nn.Module, example: Mapping[str, Float]) -> None:
        self._stream: Any = torch.cuda.Stream()
        self._host = {name: torch.from_numpy(array).pin_memory() for name, array in example.items()}
        self._device = {name: tensor.cuda() for name, tensor in self._host.items()}
        with torch.inference_mode(), torch.cuda.stream(self._stream):
            fused = self._run(window)  # lazy initialisation must not be recorded
            self._results = Fused(*(torch.empty_like(part, device="cpu").pin_memory() for part in fused))
            self._stream.synchronize()
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph, stream=self._stream):
                for name, tensor in self._host.items():
                    self._device[name].copy_(tensor, non_blocking=True)
                for result, part in zip(self._results, self._run(window), strict=True):
                    result.copy_(part, non_blocking=True)

    def _run(self, window: nn.Module) -> Fused:
        values = [self._device[modality] for modality in MODALITIES]
        rest: tuple[Tensor, ...] = tuple(self._device[name] for name in ("present", "quality", "age", "valid"))
        return window(values, *rest)

    def __call__(self, feeds: Mapping[str, Float]) -> dict[str, Float]:
        """Inputs of exactly the recorded shapes; the outputs are overwritten by the next call."""
        for name, array in feeds.items():
            self._host[name].numpy()[...] = array
        with torch.cuda.stream(self._stream):
            self._graph.replay()
        self._stream.synchronize()
        return {name: result.numpy() for name, result in zip(Fused._fields, self._results, strict=True)}
