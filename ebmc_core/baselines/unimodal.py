"""The baseline that every unimodal head is measured against: logistic regression on the same features."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ebmc_core.data.arrays import FeatureArrays
from ebmc_core.errors import DataError
from ebmc_core.evaluate import clean_rows
from ebmc_core.metrics import balanced_accuracy, guess
from ebmc_core.modality import Modality

STRENGTHS = (3e-4, 1e-3, 1e-2, 1e-1)  # inverse regularisation, chosen on validation


def logistic_regression(arrays: Mapping[Modality, FeatureArrays], split: str = "test") -> dict[str, float]:
    """Balanced accuracy on clean rows of a split, keyed as `Evaluation.alone` is; trained on all copies of `train`.

    Raises `DataError` when scikit-learn is not installed.
    """
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ImportError as error:
        raise DataError("the baseline needs scikit-learn: pip install 'ebmc-stream[training]'") from error
    figures: dict[str, float] = {}
    for modality, part in arrays.items():
        train, validation, held_out = (part.of_split(name) for name in ("train", "validation", split))
        models = [
            make_pipeline(StandardScaler(), LogisticRegression(C=c, class_weight="balanced", max_iter=300)).fit(
                train.values, train.label
            )
            for c in STRENGTHS
        ]
        best = max(models, key=lambda model: np.mean(list(_figures(model, validation).values())))
        figures |= {f"{modality}/{source}": value for source, value in _figures(best, held_out).items()}
    return figures


def _figures(model: object, part: FeatureArrays) -> dict[str, float]:
    """Balanced accuracy per data set."""
    predict: NDArray[np.float32] = model.predict_proba(part.values)  # pyright: ignore[reportAttributeAccessIssue]
    return {
        source: balanced_accuracy(guess(predict[rows], part.label[rows]), part.label[rows])
        for source, rows in clean_rows(part)
    }
