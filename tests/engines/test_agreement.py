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
from engines.verify import TOLERANCE, compare, golden_batch

REAL_WINDOWS = Path(__file__).with_name("real_windows.npz")


@pytest.fixture(scope="module")
def live() -> Iterator[tuple[Engine, Engine]]:
    folder = read_checkpoint("live-en").folder
    with TorchEngine(folder) as eager, OnnxRuntimeEngine(folder) as graph:
        yield eager, graph


def real_windows() -> FeatureBatch:
    """Windows of a real clip as the front ends made them, one stream `[1, L]`."""
    with np.load(REAL_WINDOWS) as stored:
        values = {modality: stored[str(modality)].astype(np.float32) for modality in MODALITIES}
        rest = (stored[name] for name in ("present", "quality", "age", "valid"))
        return FeatureBatch(values, *rest)


@pytest.mark.parametrize("streams", [1, 8, 16, 64])
def test_they_agree_on_every_presence_mask(live: tuple[Engine, Engine], streams: int) -> None:
    config = read_checkpoint("live-en").config
    for seed in range(3):
        agreement = compare(*live, golden_batch(config, streams, seed))
        assert set(agreement.differences) == {field.name for field in fields(FusedBatch)}
        assert agreement.worst < TOLERANCE, agreement


def test_they_agree_on_real_windows(live: tuple[Engine, Engine]) -> None:
    batch = real_windows()
    assert batch.present.any((0, 1)).all(), "the recorded windows show every modality"
    assert compare(*live, batch).worst < TOLERANCE
    no_video = batch.present * (1, 1, 0)
    masked = FeatureBatch(batch.values, no_video.astype(np.float32), batch.quality, batch.age, batch.valid)
    assert compare(*live, masked).worst < TOLERANCE


def test_an_engine_that_differs_is_caught(live: tuple[Engine, Engine], exported: Path) -> None:
    config = read_checkpoint("live-en").config
    batch, other = golden_batch(config, 8, seed=0), golden_batch(config, 8, seed=1)

    class Wrong(TorchEngine):
        def infer(self, batch: FeatureBatch) -> FusedBatch:
            return live[0].infer(other)

    assert compare(live[1], Wrong(exported), batch).worst > 100 * TOLERANCE


def test_short_batches_give_their_own_length(live: tuple[Engine, Engine]) -> None:
    batch = real_windows()
    short = FeatureBatch(
        {m: v[:, :3] for m, v in batch.values.items()},
        *(array[:, :3] for array in (batch.present, batch.quality, batch.age, batch.valid)),
    )
    for engine in live:
        assert engine.infer(short).trust.shape == (1, 3, 3)
    assert compare(*live, short).worst < TOLERANCE


def test_masked_values_change_no_bit_in_either_engine(live: tuple[Engine, Engine]) -> None:
    golden = golden_batch(read_checkpoint("live-en").config, 8)  # absent values are NaN
    calm = {m: np.nan_to_num(values, nan=123.0) for m, values in golden.values.items()}
    other = FeatureBatch(calm, golden.present, golden.quality, golden.age, golden.valid)
    for engine in live:
        one, two = engine.infer(golden), engine.infer(other)
        for field in fields(FusedBatch):
            assert np.array_equal(getattr(one, field.name), getattr(two, field.name)), field.name


def test_small_checkpoints_agree_too(exported: Path) -> None:
    with TorchEngine(exported) as eager, OnnxRuntimeEngine(exported) as graph:
        assert compare(eager, graph, golden_batch(read_checkpoint(exported).config)).worst < TOLERANCE
