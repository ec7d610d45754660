"""Missing rate: each modality of each window is dropped with probability p (method section 7b, C, with nothing kept).

Two forms: the dropped are absent, or, harder, noise stands in their place and nothing says so (zeros and masks are
tokens that a model can recognise, which flatters it).
"""

from collections.abc import Mapping

import numpy as np

from ebmc_core.batch import FeatureBatch, Float
from ebmc_core.data.sequences import LabelledBatch, Sequences
from ebmc_core.metrics import accuracy, guess
from ebmc_core.modality import MODALITIES, Modality
from ebmc_core.protocols.report import Report, Table
from ebmc_core.protocols.systems import Systems, answers, windows

RATES = tuple(step / 10 for step in range(10))
SEED = 11


def missing_rate(systems: Systems, held_out: Sequences, data: str, count: int) -> Report:
    """Accuracy in % at p 0.0 to 0.9 and its mean, which is the area under that curve."""
    whole = held_out.held(count, np.ones(len(MODALITIES), np.int64))
    deviation = {modality: _deviation(whole, modality) for modality in MODALITIES}
    tables = [
        _table(systems, [dropped(whole, rate) for rate in RATES], "accuracy, %, dropped"),
        _table(systems, [dropped(whole, rate, deviation) for rate in RATES], "accuracy, %, noise in its place"),
    ]
    return Report("missing-rate", data, tables)


def dropped(batch: LabelledBatch, rate: float, noise: Mapping[Modality, Float] | None = None) -> LabelledBatch:
    """The batch without a share of its modalities; with noise (deviations per modality `[d]`), that stands there.

    The same windows lose the same modalities for every system; what is dropped at one rate is dropped at every higher.
    """
    generator, features = np.random.default_rng(SEED), batch.features
    gone = generator.random(features.present.shape) < rate
    if noise is None:
        present = features.present * ~gone
        spoiled = FeatureBatch(features.values, present, features.quality * present, features.age, features.valid)
        return LabelledBatch(spoiled, batch.label, batch.own)
    values = {
        modality: np.where(
            gone[..., m, None],
            generator.standard_normal(values.shape, np.float32) * noise[modality],
            values,
        ).astype(np.float32)
        for m, (modality, values) in enumerate(features.values.items())
    }
    spoiled = FeatureBatch(values, features.present, features.quality, features.age, features.valid)
    return LabelledBatch(spoiled, batch.label, batch.own)


def _deviation(batch: LabelledBatch, modality: Modality) -> Float:
    return batch.features.values[modality][batch.features.valid > 0].std(0)


def _table(systems: Systems, batches: list[LabelledBatch], title: str) -> Table:
    rows: dict[str, list[list[float]]] = {}
    for name, seeds in systems.items():
        cells = [
            [100 * accuracy(guess(answers(seed, batch), windows(batch)[0]), windows(batch)[0]) for seed in seeds]
            for batch in batches
        ]
        rows[name] = [*cells, [float(np.mean(seed)) for seed in zip(*cells, strict=True)]]
    return Table(title, [*(f"{rate:.1f}" for rate in RATES), "mean"], rows, lines=True)
