"""Both engines, on the committed checkpoint and on a small one: the same numbers, on random and on real windows."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from ebmc_core.batch import FeatureBatch, FusedBatch
from ebmc_core.checkpoint import read_checkpoint
from ebmc_core.modality import MODALITIES
from engines.engine import Engine
from engines.onnxruntime_engine import OnnxRuntimeEngine
from engines.torch_engine import TorchEngine
from engines.verify import (
    TOLERANCE,
    TOLERANCES,
    checks,
    compare,
    difference,
    golden_batch,
    golden_check,
    recorded_batch,
    steps,
    with_subset,
)


@pytest.fixture(scope="module")
def live() -> Iterator[tuple[Engine, Engine]]:
    folder = read_checkpoint("live-en").folder
    with TorchEngine(folder) as eager, OnnxRuntimeEngine(folder) as graph:
        yield eager, graph


@pytest.mark.parametrize("streams", [1, 8, 16, 64])
def test_they_agree_on_every_presence_mask(live: tuple[Engine, Engine], streams: int) -> None:
    config = read_checkpoint("live-en").config
    for seed in range(3):
        agreement = compare(*live, golden_batch(config, streams, seed))
        assert set(agreement.differences) == {field.name for field in fields(FusedBatch)}
        assert agreement.worst < TOLERANCE, agreement


@pytest.mark.parametrize("subset", range(1, 8))
def test_they_agree_on_real_windows_of_every_subset(live: tuple[Engine, Engine], subset: int) -> None:
    batch = recorded_batch(read_checkpoint("live-en").config)
    assert len(batch.valid) == 16, "one row for each recorded window"
    assert batch.present.any((0, 1)).all(), "the recorded windows show every modality"
    masked = with_subset(batch, subset)
    kept = [bool(subset >> m & 1) for m in range(3)]
    assert list(masked.present.any((0, 1))) == kept
    assert compare(*live, masked).worst < TOLERANCE


def test_a_recorded_row_is_a_window_with_its_own_past() -> None:
    config = read_checkpoint("live-en").config
    batch = recorded_batch(config)
    assert list(batch.valid.sum(1)) == list(range(1, 17))
    newest = batch.values[MODALITIES[1]][:, -1]
    assert np.array_equal(batch.values[MODALITIES[1]][-1, -len(newest) :], newest)


def test_the_checks_of_a_checkpoint_for_other_features_are_random_alone(exported: Path) -> None:
    live, small = ([name for name, _ in checks(read_checkpoint(which).config)] for which in ("live-en", str(exported)))
    assert len(small) == 3
    assert live[:3] == small
    assert live[3:][-1] == "real windows, text + audio + video"
    assert len(live) == 10


def test_an_engine_that_differs_is_caught(live: tuple[Engine, Engine], exported: Path) -> None:
    config = read_checkpoint("live-en").config
    batch, other = golden_batch(config, 8, seed=0), golden_batch(config, 8, seed=1)

    class Wrong(TorchEngine):
        def infer(self, batch: FeatureBatch) -> FusedBatch:
            return live[0].infer(other)

    assert compare(live[1], Wrong(exported), batch).worst > 100 * TOLERANCE


def test_the_golden_check_sees_one_wrong_number(exported: Path) -> None:
    files = read_checkpoint(exported)
    with TorchEngine(exported) as eager:
        assert golden_check(eager.infer, files) < TOLERANCE

        def spoiled(batch: FeatureBatch) -> FusedBatch:
            fused = eager.infer(batch)
            fused.trust[-1, 0, 0] = np.nan
            return fused

        assert not golden_check(spoiled, files) <= TOLERANCES["float16"]


def test_short_batches_are_padded(live: tuple[Engine, Engine]) -> None:
    whole = recorded_batch(read_checkpoint("live-en").config)
    short = steps(whole, 13, 16)
    for engine in live:
        assert engine.infer(short).trust.shape == (16, 1, 3)
    assert compare(*live, short).worst < TOLERANCE


def test_masked_values_change_no_bit_in_either_engine(live: tuple[Engine, Engine]) -> None:
    golden = golden_batch(read_checkpoint("live-en").config, 8)  # absent values are NaN
    calm = {m: np.nan_to_num(values, nan=123.0) for m, values in golden.values.items()}
    other = FeatureBatch(calm, golden.present, golden.quality, golden.age, golden.valid)
    for engine in live:
        assert difference(engine.infer(golden), engine.infer(other)).worst == 0


def test_small_checkpoints_agree_too(exported: Path) -> None:
    with TorchEngine(exported) as eager, OnnxRuntimeEngine(exported) as graph:
        assert compare(eager, graph, golden_batch(read_checkpoint(exported).config)).worst < TOLERANCE
