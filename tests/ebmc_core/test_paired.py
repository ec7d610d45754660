"""Sequences paired by sentiment: whose items, how long, what is there and how old."""

from pathlib import Path

import numpy as np
import pytest

from ebmc_core.data.arrays import load_arrays
from ebmc_core.data.disturb import Disturbance
from ebmc_core.data.paired import HOP, NEUTRAL, PairedWindows, Pairing
from ebmc_core.modality import MODALITIES, Modality

STILL = Disturbance(jitter=0, noise=0)


def test_the_same_seed_draws_the_same_sequences(arrays_folder: Path) -> None:
    arrays = load_arrays(arrays_folder)
    one, two = (PairedWindows(arrays, "train", Pairing(), seed=5).draw(8) for _ in range(2))
    assert np.array_equal(one.label, two.label)
    assert np.array_equal(one.features.values[Modality.TEXT], two.features.values[Modality.TEXT])


def test_values_are_rows_of_the_split_with_the_item_s_own_label(arrays_folder: Path) -> None:
    arrays = load_arrays(arrays_folder)
    drawn = PairedWindows(arrays, "test", Pairing(), 1, STILL).draw(16)
    for m, modality in enumerate(MODALITIES):
        part = arrays[modality].of_split("test")
        known = {row.tobytes(): label for row, label in zip(part.values, part.label, strict=True)}
        windows = drawn.features.values[modality].reshape(-1, part.width)
        assert [known[row.tobytes()] for row in windows] == drawn.own[..., m].ravel().tolist()


def test_items_carry_the_sentiment_of_their_run_or_are_neutral(arrays_folder: Path) -> None:
    drawn = PairedWindows(load_arrays(arrays_folder), "train", Pairing(), seed=2).draw(256)
    agrees = drawn.own == drawn.label[..., None]
    assert (agrees | (drawn.own == NEUTRAL)).all()
    share = (~agrees)[drawn.label != NEUTRAL].mean()
    assert share == pytest.approx(Pairing().reticent, abs=0.05)


def test_sentiments_come_equally_often_and_last(arrays_folder: Path) -> None:
    label = PairedWindows(load_arrays(arrays_folder), "train", Pairing(), seed=3).draw(512).label
    assert np.bincount(label.ravel()) / label.size == pytest.approx([1 / 3] * 3, abs=0.04)
    turns = (label[:, 1:] != label[:, :-1]).mean()
    assert turns == pytest.approx(Pairing().turn * 2 / 3, abs=0.02)  # a third of the turns draws the same sentiment


def test_every_subset_occurs_with_outages_and_padding_in_front(arrays_folder: Path) -> None:
    features = PairedWindows(load_arrays(arrays_folder), "train", Pairing(), seed=4).draw(512).features
    subsets = {tuple(row) for row in features.present[:, -1].astype(int)}
    assert len(subsets) == 8
    assert (np.diff(features.valid, axis=1) >= 0).all()
    assert (features.valid[:, -1] == 1).all()
    assert (features.present[features.valid == 0] == 0).all()
    assert (features.quality[features.present == 0] == 0).all()


def test_age_grows_by_a_hop_while_a_modality_is_away(arrays_folder: Path) -> None:
    features = PairedWindows(load_arrays(arrays_folder), "train", Pairing(), seed=6).draw(64).features
    away = features.present[:, 1:] == 0
    grown = (features.age[:, 1:] - features.age[:, :-1])[away]
    np.testing.assert_allclose(grown, HOP, atol=1e-5)


def test_a_subset_that_is_asked_for_is_there_in_every_window(arrays_folder: Path) -> None:
    drawn = PairedWindows(load_arrays(arrays_folder), "train", Pairing(), seed=7).held(8, np.array([1, 0, 1]))
    assert (drawn.features.present == (1, 0, 1)).all()
    assert (drawn.features.valid == 1).all()


def test_added_noise_lowers_the_quality(arrays_folder: Path) -> None:
    arrays, everything = load_arrays(arrays_folder), np.ones(3, np.int64)
    loud = Disturbance(noise=1.0)
    noisy = PairedWindows(arrays, "train", Pairing(), 8, loud).held(64, everything).features.quality
    still = PairedWindows(arrays, "train", Pairing(), 8, STILL).held(64, everything).features.quality
    assert noisy.mean() < 0.8 * still.mean()
