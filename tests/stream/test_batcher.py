"""The batch an engine gets: the newest window last, its own stream's past before it, nothing of what is missing."""

from dataclasses import replace

import numpy as np

from ebmc_core.modality import MODALITIES, Modality
from stream.batcher import Batcher
from tests.stream.events import window_features

ALL = frozenset(MODALITIES)


def test_padding_comes_first_and_the_newest_window_last() -> None:
    batcher = Batcher(context=4)
    batcher.batch([window_features(0, ALL)])
    batch = batcher.batch([window_features(1, frozenset({Modality.TEXT}))])
    np.testing.assert_array_equal(batch.valid, [[0, 0, 1, 1]])
    np.testing.assert_array_equal(batch.present[0, -2:], [[1, 1, 1], [1, 0, 0]])
    assert batch.values[Modality.VIDEO][0, -1].sum() == 0
    assert batch.quality[0, -1].tolist() == [np.float32(0.8), 0, 0]


def test_only_the_last_windows_of_the_context_are_kept() -> None:
    batcher = Batcher(context=3)
    for index in range(5):
        batch = batcher.batch([window_features(index, frozenset() if index < 2 else ALL)])
    np.testing.assert_array_equal(batch.present[0].sum(axis=1), [3, 3, 3])
    np.testing.assert_array_equal(batch.valid, [[1, 1, 1]])


def test_an_early_window_sees_the_past_and_is_not_remembered() -> None:
    batcher = Batcher(context=3)
    for index in range(4):
        batcher.batch([window_features(index, ALL)])
    early = batcher.batch([replace(window_features(4, frozenset({Modality.TEXT})), early=True)])
    np.testing.assert_array_equal(early.present[0].sum(axis=1), [3, 3, 1])
    np.testing.assert_array_equal(batcher.batch([window_features(4, ALL)]).present[0].sum(axis=1), [3, 3, 3])


def test_windows_that_are_ready_together_see_the_past_of_their_own_stream() -> None:
    batcher = Batcher(context=2)
    ready = [
        window_features(0, ALL, stream="a"),
        window_features(0, ALL, stream="b"),
        window_features(1, ALL, stream="a"),
    ]
    np.testing.assert_array_equal(batcher.batch(ready).valid, [[0, 1], [0, 1], [1, 1]])
