"""Calibration on data whose right answer is known."""

import numpy as np
import pytest
import torch

from ebmc_core.calibrate import conformal_reach, fit_scaling, fit_temperature
from ebmc_core.evaluate import balanced_accuracy, expected_calibration_error, macro_f1


def test_the_temperature_that_made_the_logits_is_found() -> None:
    generator = torch.Generator().manual_seed(0)
    honest = 2 * torch.randn(4000, 3, generator=generator)
    labels = torch.multinomial(torch.softmax(honest, dim=-1), 1, generator=generator).squeeze(-1)
    assert fit_temperature(3 * honest, labels) == pytest.approx(3, rel=0.1)
    assert fit_temperature(0.5 * honest, labels) == pytest.approx(0.5, rel=0.1)


def test_the_scaling_that_made_the_logits_is_found() -> None:
    generator = torch.Generator().manual_seed(0)
    honest = 2 * torch.randn(8000, 3, generator=generator)
    labels = torch.multinomial(torch.softmax(honest, dim=-1), 1, generator=generator).squeeze(-1)
    temperature, offset = fit_scaling(3 * (honest - torch.tensor([0.4, -0.1, -0.3])), labels)
    assert temperature == pytest.approx(3, rel=0.1)
    assert offset.tolist() == pytest.approx([0.4, -0.1, -0.3], abs=0.12)
    assert offset.sum().item() == pytest.approx(0, abs=1e-4)


def test_a_class_that_never_occurs_is_not_pushed_away_for_ever() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = 2 * torch.randint(2, (500,), generator=generator)
    for logits in (torch.zeros(500, 3), 100 * torch.nn.functional.one_hot(labels, 3).float()):
        temperature, offset = fit_scaling(logits, labels)
        probabilities = torch.softmax(logits / temperature + offset, dim=-1)
        assert torch.isfinite(probabilities).all() and offset.abs().max() < 5
        assert probabilities[:, 1].max() < 0.2


def test_the_reach_is_the_finite_sample_quantile() -> None:
    assert conformal_reach(np.arange(1, 10, dtype=float)) == 9  # ceil(10 * 0.9) = the 9th of 9
    assert conformal_reach(np.arange(1, 100, dtype=float)) == 90
    assert conformal_reach(np.array([2.0, 1.0])) == 2  # too few to promise more than the largest


def test_the_reach_covers_unseen_errors() -> None:
    generator = np.random.default_rng(0)
    reach = conformal_reach(np.abs(generator.standard_normal(4000)))
    assert (np.abs(generator.standard_normal(4000)) <= reach).mean() == pytest.approx(0.9, abs=0.015)


def test_metrics_by_hand() -> None:
    label, guess = np.array([0, 0, 0, 2]), np.array([0, 0, 2, 2])
    assert balanced_accuracy(guess, label) == pytest.approx((2 / 3 + 1) / 2)
    assert macro_f1(guess, label) == pytest.approx((4 / 5 + 2 / 3) / 2)
    sure = np.array([[0.8, 0.1, 0.1]] * 4, np.float32)
    assert expected_calibration_error(sure, label) == pytest.approx(0.8 - 0.75, abs=1e-6)
