"""What is measured: a system answers for batches of windows, and is there once for each training seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch

from ebmc_core.batch import FeatureBatch, Float
from ebmc_core.checkpoint import Checkpoint
from ebmc_core.data.sequences import Ints, LabelledBatch, subset_name
from ebmc_core.modality import MODALITIES
from ebmc_core.model import EBMC, inputs_from_batch


class Prediction(NamedTuple):
    """probabilities `[B, L, C]`; trust `[B, L, M]` and interval `[B, L, 2]` where the system has them."""

    probabilities: Float
    trust: Float | None = None
    interval: Float | None = None


class Predictor(Protocol):
    """One trained system."""

    def predict(self, batch: FeatureBatch) -> Prediction:
        """What it says of every window; must not read what is not present."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Ebmc:
    """A trained EBMC."""

    model: EBMC

    def predict(self, batch: FeatureBatch) -> Prediction:
        """Calibrated probabilities, trust and interval."""
        with torch.inference_mode():
            fused = self.model(*inputs_from_batch(batch))
        return Prediction(fused.probabilities.numpy(), fused.trust.numpy(), fused.interval.numpy())


@dataclass(frozen=True, slots=True, eq=False)
class PerCondition:
    """A model for each condition, chosen by what the batch has: what a single model for all is measured against.

    A batch of mixed conditions is answered by the model of all modalities, as a stream would have to.
    """

    models: Mapping[str, Predictor]

    def predict(self, batch: FeatureBatch) -> Prediction:
        """By the model of the batch's condition."""
        there = batch.present[batch.valid > 0]
        everything = "+".join(MODALITIES)
        name = subset_name(there[0].astype(np.int64)) if (there == there[0]).all() else everything
        return self.models.get(name, self.models[everything]).predict(batch)


Systems = Mapping[str, Sequence[Predictor]]
"""Name to one predictor a seed."""


def systems_from_checkpoints(checkpoints: Sequence[Checkpoint]) -> dict[str, list[Predictor]]:
    """Checkpoints of the same variant are seeds of one system; the seven `only-*` of a seed are one `PerCondition`."""
    systems: dict[str, list[Predictor]] = {}
    single: dict[int, dict[str, Predictor]] = {}
    for checkpoint in checkpoints:
        training = checkpoint.files.training
        variant = str(training.get("variant", "full"))
        if variant.startswith("only-"):
            single.setdefault(int(training["seed"]), {})[variant.removeprefix("only-")] = Ebmc(checkpoint.model)
        else:
            name = "EBMC" if variant == "full" else f"EBMC, {variant}"
            systems.setdefault(name, []).append(Ebmc(checkpoint.model))
    complete: list[Predictor] = [PerCondition(models) for models in single.values() if len(models) == 7]
    return systems | ({"EBMC, a model per condition": complete} if complete else {})


def windows(batch: LabelledBatch) -> tuple[Ints, Ints]:
    """Labels `[n]` of the windows that are no padding, and the number of each one's sequence `[n]`."""
    real = batch.features.valid > 0
    group = np.broadcast_to(np.arange(len(real))[:, None], real.shape)
    return batch.label[real], group[real]


def answers(predictor: Predictor, batch: LabelledBatch) -> Float:
    """Probabilities `[n, C]` of the windows that are no padding."""
    return predictor.predict(batch.features).probabilities[batch.features.valid > 0]
