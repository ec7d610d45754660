"""Figures of merit over arrays of guesses and truths, and whether a difference between two systems is chance.

Axes: `n` windows, `C` sentiment classes. Classes that a data set does not have take no part (MOSI has no neutral).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ebmc_core.batch import Float
from ebmc_core.data.sequences import Ints
from ebmc_core.modality import SENTIMENTS

DRAWS = 2000


def guess(probabilities: Float, label: Ints) -> Ints:
    """The likeliest class among those the data set has at all (MOSI knows no neutral)."""
    known = np.isin(np.arange(len(SENTIMENTS)), label)
    return np.where(known, probabilities, -1).argmax(-1)


def accuracy(guess: Ints, label: Ints) -> float:
    """Share of right guesses."""
    return float((guess == label).mean())


def balanced_accuracy(guess: Ints, label: Ints) -> float:
    """Mean recall over the classes that occur in label `[n]`."""
    return float(np.mean([(guess[label == c] == c).mean() for c in np.unique(label)]))


def _f1(guess: Ints, label: Ints) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """F1 of each class that occurs in label, and how often it does."""
    classes = np.unique(label)
    scores = [2 * ((guess == c) & (label == c)).sum() / ((guess == c).sum() + (label == c).sum()) for c in classes]
    return np.array(scores), np.array([(label == c).mean() for c in classes])


def macro_f1(guess: Ints, label: Ints) -> float:
    """Mean F1 over the classes that occur in label `[n]`."""
    return float(_f1(guess, label)[0].mean())


def weighted_f1(guess: Ints, label: Ints) -> float:
    """F1 of the classes weighted by how often they occur in label `[n]`."""
    scores, shares = _f1(guess, label)
    return float(scores @ shares)


def expected_calibration_error(probabilities: Float, label: Ints, bins: int = 15) -> float:
    """Mean distance of confidence from accuracy over equally wide bins of confidence; probabilities `[n, C]`."""
    confidence, right = probabilities.max(-1), probabilities.argmax(-1) == label
    of_bin = np.minimum((confidence * bins).astype(int), bins - 1)
    return float(sum(abs((right - confidence)[of_bin == b].sum()) for b in range(bins)) / len(label))


def area_under_roc(score: NDArray[np.floating], positive: NDArray[np.bool_]) -> float:
    """Chance that a positive scores above a negative (Mann-Whitney; ties count half); score, positive `[n]`."""
    order = np.argsort(score, kind="stable")
    ranks = np.empty(len(score))
    ranks[order] = np.arange(1, len(score) + 1)
    _, inverse = np.unique(score, return_inverse=True)
    ranks = (np.bincount(inverse, ranks) / np.bincount(inverse))[inverse]  # ties share their mean rank
    count, rest = positive.sum(), (~positive).sum()
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * rest))


class Difference(NamedTuple):
    """Of two systems on the same windows: the gain, its 95 % interval, and the share of draws without a gain."""

    gain: float
    low: float
    high: float
    no_gain: float


def paired_bootstrap(ours: Float, theirs: Float, group: Ints, seed: int = 0) -> Difference:
    """Gain in mean of ours over theirs `[n]` (1 right, 0 wrong, or means over seeds), resampling groups `[n]`.

    A group is a video or a sequence: windows of one are not independent, so they are drawn together.
    """
    sums = np.bincount(group, ours.astype(np.float64) - theirs)
    sizes = np.bincount(group)
    drawn = np.random.default_rng(seed).integers(0, len(sums), (DRAWS, len(sums)))
    gains = sums[drawn].sum(1) / sizes[drawn].sum(1)
    low, high = np.quantile(gains, (0.025, 0.975))
    return Difference(float(sums.sum() / sizes.sum()), float(low), float(high), float((gains <= 0).mean()))
