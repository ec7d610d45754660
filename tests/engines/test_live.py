"""The committed model on real windows: what a stream shows when a modality gets worse or goes away."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from ebmc_core.batch import FeatureBatch
from ebmc_core.checkpoint import checkpoint_folder, read_checkpoint
from ebmc_core.modality import MODALITIES
from engines.engine import Engine
from engines.selection import open_engine
from engines.verify import recorded_batch


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with open_engine("auto", "live-en") as engine:
        yield engine


@pytest.fixture(scope="module")
def windows() -> FeatureBatch:
    """One row of sixteen windows of the bundled clip; the newest has all three modalities."""
    rows = recorded_batch(read_checkpoint("live-en").config)
    last = slice(-1, None)
    values = {modality: array[last] for modality, array in rows.values.items()}
    return FeatureBatch(values, rows.present[last], rows.quality[last], rows.age[last], rows.valid[last])


def with_quality(batch: FeatureBatch, m: int, quality: float) -> FeatureBatch:
    worse = batch.quality.copy()
    worse[:, -1, m] = quality
    present = batch.present.copy()
    present[:, -1] = 1
    return FeatureBatch(batch.values, present, worse, batch.age, batch.valid)


@pytest.mark.parametrize("m", range(len(MODALITIES)))
def test_trust_falls_step_by_step_with_the_quality(engine: Engine, windows: FeatureBatch, m: int) -> None:
    trust = [engine.infer(with_quality(windows, m, q)).trust[0, -1, m] for q in (1.0, 0.7, 0.5, 0.3, 0.1, 0.0)]
    assert all(before > after for before, after in pairwise(trust)), trust
    assert trust[-1] < 0.3 * trust[0], "a worthless quality must be seen in the trust"


@pytest.mark.parametrize("m", range(len(MODALITIES)))
def test_a_modality_that_goes_away_has_no_trust_and_the_score_goes_on(
    engine: Engine, windows: FeatureBatch, m: int
) -> None:
    present = np.ones_like(windows.present)
    present[:, -4:, m] = 0
    gone = {modality: values.copy() for modality, values in windows.values.items()}
    gone[MODALITIES[m]][:, -4:] = np.nan
    fused = engine.infer(FeatureBatch(gone, present, windows.quality, windows.age, windows.valid))
    assert (fused.trust[..., m] == 0).all()
    np.testing.assert_allclose(fused.trust.sum(-1), 1, atol=1e-6)
    assert np.isfinite(fused.score).all() and np.isfinite(fused.interval).all()


def test_one_modality_alone_leaves_more_doubt_than_three(engine: Engine, windows: FeatureBatch) -> None:
    everything = np.ones_like(windows.present)
    text_only = everything * np.array([1, 0, 0], np.float32)
    widths = []
    for present in (everything, text_only):
        interval = engine.infer(
            FeatureBatch(windows.values, present, windows.quality, windows.age, windows.valid)
        ).interval
        widths.append((interval[..., 1] - interval[..., 0]).mean())
    assert widths[1] > widths[0]


@pytest.mark.parametrize("name", ["live-en", "expression"])
def test_a_published_graph_names_no_folder_of_the_machine_that_made_it(name: str) -> None:
    content = (checkpoint_folder(name) / "model.onnx").read_bytes()
    assert b".py" not in content
    assert b"stack_trace" not in content


def test_the_card_describes_the_checkpoint_that_is_carried() -> None:
    files = read_checkpoint("live-en")
    assert files.digest in (files.folder / "README.md").read_text("utf-8")
