"""Noise: Gaussian noise at falling SNR on one modality. Does its trust fall, and does the score survive?

The noise has the deviation of each feature over the held-out windows, scaled to the SNR; the measured quality stays as
it was, so that a system can see the noise in the feature only.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ebmc_core.batch import FeatureBatch, Float
from ebmc_core.data.sequences import LabelledBatch, Sequences, ordered_subsets
from ebmc_core.metrics import accuracy, area_under_roc, guess
from ebmc_core.modality import MODALITIES
from ebmc_core.protocols.report import Report, Table
from ebmc_core.protocols.systems import Predictor, Systems, answers, windows

LEVELS = (math.inf, 20.0, 10.0, 5.0, 0.0, -5.0)
"""dB of signal to noise; infinite is clean."""
DECISIVE = LEVELS.index(0.0)
SEED = 13


def noise(systems: Systems, held_out: Sequences, data: str, count: int) -> Report:
    """Fused accuracy and the noisy modality's trust per level; the best clean subset without it; AUC of the trust."""
    whole = held_out.held(count, np.ones(len(MODALITIES), np.int64))
    subsets = [(subset, held_out.held(count, subset)) for subset in ordered_subsets()]
    columns = ["clean" if math.isinf(level) else f"{level:.0f} dB" for level in LEVELS]
    right: dict[str, list[list[float]]] = {}
    survived: dict[str, list[list[float]]] = {}
    trust: dict[str, list[list[float]]] = {}
    found: dict[str, list[list[float]]] = {}
    for name, seeds in systems.items():
        without = _best_without(seeds, subsets)
        for m, modality in enumerate(MODALITIES):
            noisy = [spoiled(whole, m, level) for level in LEVELS]
            cells = [[100 * _accuracy(seed, batch) for seed in seeds] for batch in noisy]
            oracle = [100 * value for value in without[m]]  # the oracle knows which one is noisy and leaves it out
            gain = [ours - best for ours, best in zip(cells[DECISIVE], oracle, strict=True)]
            right[f"{name}, {modality} noisy"] = cells
            survived[f"{name}, {modality} noisy"] = [cells[DECISIVE], oracle, gain]
            weights = [[_trust(seed, batch, m) for seed in seeds] for batch in noisy]
            if all(w is not None for cell in weights for w in cell):
                trust[f"{name}, {modality} noisy"] = [[float(w) for w in cell if w is not None] for cell in weights]
        aucs = [corruption_auc(seed, whole) for seed in seeds]
        if all(auc is not None for auc in aucs):
            found[name] = [[auc[m] for auc in aucs if auc] for m in range(len(MODALITIES))]
            found[name].append([float(np.mean(auc)) for auc in aucs if auc])
    tables = [
        Table("accuracy, %", columns, right, lines=True),
        Table("accuracy at 0 dB, %", ["fused", "best clean subset without it", "gain on that"], survived),
    ]
    if trust:
        tables.append(Table("trust of the noisy modality", columns, trust, digits=2, lines=True))
        tables.append(Table("AUC of the trust, which one is at 0 dB", [*MODALITIES, "mean"], found, digits=3))
    return Report("noise", data, tables)


def spoiled(batch: LabelledBatch, m: int, level: float) -> LabelledBatch:
    """The batch with noise of `level` dB on modality number m."""
    features, modality = batch.features, MODALITIES[m]
    values = features.values[modality]
    deviation = values[features.valid > 0].std(0) * 10 ** (-level / 20)
    drawn = np.random.default_rng(SEED + m).standard_normal(values.shape, np.float32)
    noisy = {**features.values, modality: (values + drawn * deviation).astype(np.float32)}
    return LabelledBatch(
        FeatureBatch(noisy, features.present, features.quality, features.age, features.valid), batch.label, batch.own
    )


def corruption_auc(system: Predictor, batch: LabelledBatch) -> list[float] | None:
    """Per modality: how well low trust tells the windows in which it is at 0 dB from those in which another one is."""
    real = batch.features.valid > 0
    trusts: list[Float] = []
    for m in range(len(MODALITIES)):
        trust = system.predict(spoiled(batch, m, 0.0).features).trust
        if trust is None:
            return None
        trusts.append(trust[real])  # [n, M]
    scores: list[float] = []
    for m in range(len(MODALITIES)):
        score = np.concatenate([-trust[:, m] for trust in trusts])
        corrupted = np.repeat(np.arange(len(MODALITIES)) == m, len(trusts[m]))
        scores.append(area_under_roc(score, corrupted))
    return scores


def _accuracy(system: Predictor, batch: LabelledBatch) -> float:
    label, _ = windows(batch)
    return accuracy(guess(answers(system, batch), label), label)


def _trust(system: Predictor, batch: LabelledBatch, m: int) -> float | None:
    trust = system.predict(batch.features).trust
    return None if trust is None else float(trust[batch.features.valid > 0][:, m].mean())


def _best_without(
    seeds: Sequence[Predictor], subsets: list[tuple[np.ndarray, LabelledBatch]]
) -> Mapping[int, list[float]]:
    """Per modality and seed: the accuracy of the clean subset without it that is best on average over the seeds."""
    scored = [(subset, [_accuracy(seed, batch) for seed in seeds]) for subset, batch in subsets]
    return {
        m: max((values for subset, values in scored if not subset[m]), key=lambda values: float(np.mean(values)))
        for m in range(len(MODALITIES))
    }
