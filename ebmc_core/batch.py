"""What goes into an engine and what comes out: plain arrays, so that an engine needs no torch.

Axes: `B` streams (or training sequences), `L` windows in time order, `M` modalities and `C` sentiment classes in the
order of `ebmc_core.modality`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ebmc_core.errors import FeatureError
from ebmc_core.modality import MODALITIES, Modality

Float = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class FeatureBatch:
    """Features of `L` consecutive windows for each of `B` streams.

    values: per modality float32 `[B, L, d_m]`; never read where `present` is 0, so they may hold anything there.
    present: `[B, L, M]`, 1 where the modality was observed.
    quality: `[B, L, M]`, measured quality in 0..1 (0 where absent).
    age: `[B, L, M]`, seconds from the last real sample to the end of the window.
    valid: `[B, L]`, 1 for a real window, 0 for padding; padding comes first, so that the newest window is last.
    """

    values: Mapping[Modality, Float]
    present: Float
    quality: Float
    age: Float
    valid: Float

    def check(self, widths: Mapping[Modality, int]) -> None:
        """Raise `FeatureError` unless names, shapes, dtypes and values fit a model of these feature widths."""
        if set(self.values) != set(widths):
            raise FeatureError(f"the model needs the modalities {sorted(widths)}, the batch has {sorted(self.values)}")
        if self.valid.ndim != 2:
            raise FeatureError(f"valid must be [B, L], not {list(self.valid.shape)}")
        lead = self.valid.shape
        for name, array in (("present", self.present), ("quality", self.quality), ("age", self.age)):
            if array.shape != (*lead, len(MODALITIES)):
                raise FeatureError(f"{name} must be {[*lead, len(MODALITIES)]}, not {list(array.shape)}")
            if not np.isfinite(array).all():
                raise FeatureError(f"{name} has values that are not finite")
        for index, modality in enumerate(MODALITIES):
            values = self.values[modality]
            if values.shape != (*lead, widths[modality]):
                raise FeatureError(f"{modality} must be {[*lead, widths[modality]]}, not {list(values.shape)}")
            if values.dtype != np.float32:
                raise FeatureError(f"{modality} must be float32, not {values.dtype}")
            observed = values[self.present[..., index] > 0]
            if not np.isfinite(observed).all():
                raise FeatureError(f"{modality} features are not finite in a window that is marked present")


def pad_context(batch: FeatureBatch, length: int) -> FeatureBatch:
    """Put windows that are not valid in front until there are `length`; `FeatureError` if there are more already."""
    count = batch.valid.shape[1]
    if count > length:
        raise FeatureError(f"the model looks at {length} windows at most, the batch has {count}")
    if count == length:
        return batch

    def pad(array: Float) -> Float:
        front = np.zeros((array.shape[0], length - count, *array.shape[2:]), np.float32)
        return np.concatenate((front, array), axis=1, dtype=np.float32)

    values = {modality: pad(array) for modality, array in batch.values.items()}
    return FeatureBatch(values, pad(batch.present), pad(batch.quality), pad(batch.age), pad(batch.valid))


@dataclass(frozen=True, slots=True, eq=False)
class FusedBatch:
    """What the model says of each window.

    probabilities: `[B, L, C]`, calibrated, sums to 1.
    score: `[B, L]`, valence in -1..1: probability of positive minus probability of negative.
    interval: `[B, L, 2]`, the 90 % interval of the valence, low and high, inside -1..1.
    trust: `[B, L, M]`, the weights that fused; exactly 0 where absent, sums to 1 over those present.
    unimodal: `[B, L, M, C]`, what each modality says alone (meaningless where absent).
    """

    probabilities: Float
    score: Float
    interval: Float
    trust: Float
    unimodal: Float
