"""The baseline learns what can be learned, and no more."""

from pathlib import Path

import numpy as np

from ebmc_core.baselines.unimodal import logistic_regression
from ebmc_core.data.arrays import load_arrays


def test_it_finds_classes_that_are_apart(arrays_folder: Path) -> None:
    figures = logistic_regression(load_arrays(arrays_folder))
    assert len(figures) == 3
    assert all(value > 0.6 for value in figures.values())


def test_it_is_at_chance_where_labels_say_nothing(arrays_folder: Path) -> None:
    arrays = load_arrays(arrays_folder)
    generator = np.random.default_rng(1)
    for part in arrays.values():
        generator.shuffle(part.label)
    assert all(value < 0.55 for value in logistic_regression(arrays).values())
