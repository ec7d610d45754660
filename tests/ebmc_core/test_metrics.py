"""Figures of merit by hand."""

import numpy as np
import pytest

from ebmc_core import metrics

LABEL = np.array([0, 0, 0, 2, 2])
GUESS = np.array([0, 0, 2, 2, 2])


def test_accuracies_and_f1_by_hand() -> None:
    assert metrics.accuracy(GUESS, LABEL) == pytest.approx(0.8)
    assert metrics.balanced_accuracy(GUESS, LABEL) == pytest.approx((2 / 3 + 1) / 2)
    negative, positive = 2 * 2 / (2 + 3), 2 * 2 / (3 + 2)
    assert metrics.macro_f1(GUESS, LABEL) == pytest.approx((negative + positive) / 2)
    assert metrics.weighted_f1(GUESS, LABEL) == pytest.approx(0.6 * negative + 0.4 * positive)


def test_a_class_that_the_data_does_not_have_is_never_guessed() -> None:
    assert metrics.guess(np.array([[0.2, 0.7, 0.1]], np.float32), np.array([0, 2])).tolist() == [0]


def test_calibration_error_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1, 0.0], [0.9, 0.1, 0.0]], np.float32)
    assert metrics.expected_calibration_error(probabilities, np.array([0, 1])) == pytest.approx(0.4)


def test_area_under_roc_by_hand_with_a_tie() -> None:
    score, positive = np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False])
    assert metrics.area_under_roc(score, positive) == pytest.approx((1 + 1 + 0.5 + 1) / 4)
    assert metrics.area_under_roc(-score, positive) == pytest.approx(0.5 / 4)


def test_the_bootstrap_draws_whole_groups() -> None:
    """Ten groups of ten; ours is right everywhere in nine of them, theirs in none."""
    group = np.repeat(np.arange(10), 10)
    ours = (group < 9).astype(np.float32)
    sure = metrics.paired_bootstrap(ours, np.zeros(100, np.float32), group)
    assert sure.gain == pytest.approx(0.9)
    assert 0.6 <= sure.low < 0.9 < sure.high == 1.0
    assert sure.no_gain == 0
    same = metrics.paired_bootstrap(ours, ours, group)
    assert (same.gain, same.low, same.high, same.no_gain) == (0, 0, 0, 1)
