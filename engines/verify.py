"""Do two engines say the same? A golden batch with every presence mask, and the largest difference per output."""

from dataclasses import dataclass, fields

import numpy as np

from ebmc_core.batch import FeatureBatch, FusedBatch
from ebmc_core.config import EbmcConfig
from ebmc_core.modality import MODALITIES
from engines.engine import Engine

TOLERANCE = 1e-4  # float32 against float32


@dataclass(frozen=True, slots=True)
class Agreement:
    """The largest absolute difference per output of two engines."""

    differences: dict[str, float]

    @property
    def worst(self) -> float:
        """The largest of all; NaN if any output of one engine is NaN (so ask for `worst <= tolerance`)."""
        return float(np.max(list(self.differences.values())))


def golden_batch(config: EbmcConfig, streams: int = 16, seed: int = 0) -> FeatureBatch:
    """Random windows; stream `i` has modality `m` iff bit `m` of `i % 8` is set, with outages and ragged padding.

    Absent values are NaN on purpose: no engine may read them.
    """
    generator = np.random.default_rng(seed)
    lead = (streams, config.context)
    subset = np.array([[index >> m & 1 for m in range(len(MODALITIES))] for index in range(streams)])
    outage = generator.random((*lead, len(MODALITIES))) < 0.2
    valid = np.arange(config.context) >= generator.integers(0, config.context, streams)[:, None]
    present = (subset[:, None] & ~outage & valid[..., None]).astype(np.float32)
    values = {
        modality: np.where(
            present[..., m : m + 1] > 0, generator.standard_normal((*lead, config.widths[modality])), np.nan
        ).astype(np.float32)
        for m, modality in enumerate(MODALITIES)
    }
    quality = generator.random(present.shape, np.float32) * present
    age = generator.uniform(0, 10, present.shape).astype(np.float32)
    return FeatureBatch(values, present, quality, age, valid.astype(np.float32))


def compare(one: Engine, other: Engine, batch: FeatureBatch) -> Agreement:
    """Run a batch through two open engines."""
    first, second = one.infer(batch), other.infer(batch)
    return Agreement(
        {
            field.name: float(np.abs(getattr(first, field.name) - getattr(second, field.name)).max(initial=0))
            for field in fields(FusedBatch)
        }
    )
