"""What is done to training sequences: the seven conditions, outages, noise that may go unnoticed, frozen features."""

import numpy as np
import pytest

from ebmc_core.data.disturb import Disturbance, Disturber

CALM = Disturbance(complete=0.0, outage=0.0, noise=0.0, jitter=0.0)


def disturber(**chances: object) -> Disturber:
    from dataclasses import replace

    return Disturber(replace(CALM, **chances), np.random.default_rng(3))  # type: ignore[arg-type]


def features(count: int = 64, length: int = 12) -> tuple[np.ndarray, np.ndarray]:
    values = np.random.default_rng(0).standard_normal((count, length, 5), np.float32)
    return values, np.ones((count, length), np.float32)


def test_every_batch_has_each_of_the_seven_conditions() -> None:
    present = disturber().presence(256, 4)
    assert {tuple(row) for row in present.reshape(-1, 3).astype(int)} == {
        (a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1) if a + b + c
    }
    assert (present == present[:, :1]).all(), "a condition holds for the whole sequence"


def test_one_condition_alone_can_be_asked_for() -> None:
    assert (disturber(only="text+video").presence(32, 4) == (1, 0, 1)).all()


def test_windows_are_dropped_at_a_rate_of_their_own() -> None:
    present = disturber(complete=1.0, dropping=1.0).presence(512, 16)
    rates = 1 - present.mean((1, 2))
    assert rates.mean() == pytest.approx(0.5, abs=0.04)
    assert rates.std() > 0.2, "each sequence has its own rate"


def test_without_any_chance_nothing_changes() -> None:
    values, quality = features()
    before = values.copy()
    disturber().spoil(values, quality, np.ones(5, np.float32))
    assert np.array_equal(values, before)
    assert (quality == 1).all()


def test_noise_is_noticed_by_the_quality_or_not() -> None:
    for noticed in (0.0, 1.0):
        values, quality = features()
        before = values.copy()
        disturber(noise=1.0, noticed=noticed).spoil(values, quality, np.ones(5, np.float32))
        changed = (values != before).any(-1)
        assert 0.2 < changed.mean() < 0.95
        assert ((quality < 1)[changed].mean() > 0.9) == bool(noticed)


def test_replaced_features_have_nothing_left_of_what_was_there() -> None:
    values, quality = features(512)
    before = values.copy()
    disturber(noise=1.0, replaced=1.0).spoil(values, quality, np.ones(5, np.float32))
    changed = (values != before).any(-1)
    kept = np.corrcoef(values[changed].ravel(), before[changed].ravel())[0, 1]
    assert abs(kept) < 0.05


def test_the_clarity_tells_of_the_noise_that_the_quality_does_not() -> None:
    for noticed in (0.0, 1.0):
        values, quality = features()
        before = values.copy()
        clarity = disturber(noise=1.0, noticed=noticed).spoil(values, quality, np.ones(5, np.float32))
        power = ((values - before) ** 2).mean(-1)
        told = 1 / (quality * clarity) - 1  # of the noise's power beside the signal's
        assert ((clarity < 1).any(), (quality < 1).any()) == (not noticed, bool(noticed))
        assert np.corrcoef(told.ravel(), power.ravel())[0, 1] > 0.8
        assert told.mean() == pytest.approx(power.mean(), rel=0.1)
    values, quality = features()
    assert (disturber().spoil(values, quality, np.ones(5, np.float32)) == 1).all()
    clarity = disturber(noise=1.0, replaced=1.0).spoil(values, quality, np.ones(5, np.float32))
    assert set(np.unique(clarity)) == {0.0, 1.0}


def test_a_frozen_feature_stands_still() -> None:
    values, quality = features()
    disturber(frozen=1.0).spoil(values, quality, np.ones(5, np.float32))
    standing = (np.diff(values, axis=1) == 0).all(-1)
    assert 0.1 < standing.mean() < 0.95
