"""Logistic regression on all features side by side, and one per modality whose probabilities are averaged."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ebmc_core.baselines.rows import Scale, complete, labels, together
from ebmc_core.batch import FeatureBatch, Float
from ebmc_core.data.sequences import Ints, Sequences
from ebmc_core.errors import DataError
from ebmc_core.modality import MODALITIES, SENTIMENTS
from ebmc_core.protocols.systems import Prediction

STRENGTHS = (3e-4, 1e-3, 1e-2, 1e-1)
"""Inverse regularisation, chosen on validation."""


@dataclass(frozen=True, slots=True, eq=False)
class Logistic:
    """One regression on everything."""

    scale: Scale
    model: Any

    def predict(self, batch: FeatureBatch) -> Prediction:
        """What is absent is 0, the training mean."""
        return Prediction(_probabilities(self.model, together(self.scale(batch))))


@dataclass(frozen=True, slots=True, eq=False)
class LateAverage:
    """A regression per modality; the mean of those that are there, and even odds where none is."""

    scale: Scale
    models: list[Any]

    def predict(self, batch: FeatureBatch) -> Prediction:
        """Probabilities averaged over the modalities present."""
        scaled = self.scale(batch)
        alone = np.stack(
            [_probabilities(model, scaled[m]) for model, m in zip(self.models, MODALITIES, strict=True)], axis=2
        )
        weights = batch.present[..., None] + 1e-6
        return Prediction((alone * weights).sum(2) / weights.sum(2))


def fit_logistic(train: Sequences, validation: Sequences, seed: int) -> Logistic:
    """Raises `DataError` when scikit-learn is not installed. The seed changes nothing."""
    known, judged = complete(train), complete(validation)
    scale = Scale.of(known)
    rows, held = (together(scale(b.features))[b.features.valid > 0] for b in (known, judged))
    return Logistic(scale, _best(rows, labels(known), held, labels(judged)))


def fit_late_average(train: Sequences, validation: Sequences, seed: int) -> LateAverage:
    """Raises `DataError` when scikit-learn is not installed. The seed changes nothing."""
    known, judged = complete(train), complete(validation)
    scale = Scale.of(known)
    ours, theirs = scale(known.features), scale(judged.features)
    real, held = known.features.valid > 0, judged.features.valid > 0
    models = [_best(ours[m][real], labels(known), theirs[m][held], labels(judged)) for m in MODALITIES]
    return LateAverage(scale, models)


def _best(rows: Float, label: Ints, held: Float, truth: Ints) -> Any:
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise DataError("the baselines need scikit-learn: pip install 'ebmc-stream[training]'") from error
    models: list[Any] = [LogisticRegression(C=c, max_iter=500).fit(rows, label) for c in STRENGTHS]
    scores = [float(model.score(held, truth)) for model in models]
    return models[int(np.argmax(scores))]


def _probabilities(model: Any, rows: Float) -> Float:
    """`[..., C]`, 0 for classes that were not in training."""
    flat = model.predict_proba(rows.reshape(-1, rows.shape[-1]))
    filled = np.zeros((len(flat), len(SENTIMENTS)), np.float32)
    filled[:, model.classes_] = flat
    return filled.reshape(*rows.shape[:-1], len(SENTIMENTS))
