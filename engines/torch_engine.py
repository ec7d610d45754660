"""EBMC in eager PyTorch on the CPU: the reference that every other engine is compared with."""

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import torch

from ebmc_core.batch import FeatureBatch, FusedBatch, pad_context
from ebmc_core.checkpoint import load_checkpoint, read_checkpoint
from ebmc_core.model import EBMC, inputs_from_batch
from engines.errors import EngineError


class TorchEngine:
    """Engine over a checkpoint folder. Loading may raise `CheckpointError`."""

    backend = "torch-cpu"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        files = read_checkpoint(folder)
        self.model, self.digest, self.context = files.name, files.digest, files.config.context
        self._widths = files.config.widths
        self._network: EBMC | None = None

    def __enter__(self) -> Self:
        torch.set_num_threads(1)  # one stage per core; more threads spin against each other
        self._network = load_checkpoint(self.folder).model
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._network = None

    def infer(self, batch: FeatureBatch) -> FusedBatch:
        """The newest window of each row; `FeatureError` if the batch does not fit the model."""
        if self._network is None:
            raise EngineError("the torch engine is not open: use it in a with block")
        batch.check(self._widths)
        with torch.inference_mode():
            fused = self._network(*inputs_from_batch(pad_context(batch, self.context)), newest=True)
        return FusedBatch(*(np.ascontiguousarray(output.numpy()) for output in fused))
