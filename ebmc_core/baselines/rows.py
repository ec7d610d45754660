"""Sequences as rows for baselines: standardised with training statistics, 0 where a modality is absent."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ebmc_core.batch import FeatureBatch, Float
from ebmc_core.data.sequences import Ints, LabelledBatch, Sequences
from ebmc_core.modality import MODALITIES, Modality

MOST = 512
"""Sequences that are drawn where a data set can draw any number."""


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """Mean and deviation of each feature on training windows."""

    mean: Mapping[Modality, Float]
    deviation: Mapping[Modality, Float]

    @classmethod
    def of(cls, batch: LabelledBatch) -> "Scale":
        """Of the windows that are no padding."""
        real = batch.features.valid > 0
        rows = {m: values[real] for m, values in batch.features.values.items()}
        deviation = {m: values.std(0) for m, values in rows.items()}
        return cls(
            {m: values.mean(0) for m, values in rows.items()},
            {m: np.where(d > 1e-3, d, 1.0) for m, d in deviation.items()},
        )

    def __call__(self, batch: FeatureBatch) -> dict[Modality, Float]:
        """Per modality `[B, L, d_m]`; absent values are not read."""
        return {
            modality: np.where(
                batch.present[..., m, None] > 0,
                (batch.values[modality] - self.mean[modality]) / self.deviation[modality],
                0.0,
            ).astype(np.float32)
            for m, modality in enumerate(MODALITIES)
        }


def complete(sequences: Sequences) -> LabelledBatch:
    """All of a split, with all modalities."""
    return sequences.held(MOST, np.ones(len(MODALITIES), np.int64))


def together(scaled: Mapping[Modality, Float]) -> Float:
    """All modalities side by side, `[B, L, sum of d_m]`."""
    return np.concatenate([scaled[modality] for modality in MODALITIES], axis=-1)


def labels(batch: LabelledBatch) -> Ints:
    """Labels `[n]` of the windows that are no padding."""
    return batch.label[batch.features.valid > 0]
