"""Every protocol on systems whose answers are known, and the baselines on a MOSI with a known structure."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ebmc_core.baselines import BASELINES
from ebmc_core.batch import FeatureBatch
from ebmc_core.data.mosi import MosiVideos, read_mosi
from ebmc_core.data.sequences import Sequences, ordered_subsets, subset_name
from ebmc_core.metrics import accuracy, guess
from ebmc_core.modality import MODALITIES, Modality
from ebmc_core.model import EBMC
from ebmc_core.protocols import PROTOCOLS
from ebmc_core.protocols.missing_rate import dropped
from ebmc_core.protocols.noise import corruption_auc, spoiled
from ebmc_core.protocols.systems import Ebmc, PerCondition, Prediction, answers, windows
from tests.ebmc_core.mosi_arrays import write_mosi

EVERYTHING = np.ones(3, np.int64)


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Sequences]:
    mosi = read_mosi(write_mosi(tmp_path_factory.mktemp("features")) / "mosi.npz")
    return lambda split: MosiVideos(mosi, split, 12, seed=7)


@dataclass
class ReadsText:
    """Right where the text's mean has the sign of the label; trusts what has the usual energy."""

    def predict(self, batch: FeatureBatch) -> Prediction:
        """Positive where the mean of the text is above 0; even where there is no text."""
        there = batch.present[..., 0]
        positive = np.where(there > 0, (batch.values[Modality.TEXT].mean(-1) > 0), 0.5)
        probabilities = np.stack((1 - positive, np.zeros_like(positive), positive), axis=-1).astype(np.float32)
        energy = np.stack([np.square(batch.values[m]).mean(-1) for m in MODALITIES], axis=-1)
        weights = batch.present / (1e-6 + energy)
        return Prediction(probabilities, (weights / weights.sum(-1, keepdims=True).clip(1e-9)).astype(np.float32))


def test_seven_conditions_tell_what_a_system_lives_on(splits: Callable[[str], Sequences]) -> None:
    systems = {"reads text": [ReadsText(), ReadsText()], "again": [ReadsText()]}
    report = PROTOCOLS["seven-conditions"](systems, splits("test"), "mosi", 99)
    row = dict(zip(report.tables[0].columns, report.tables[0].rows["reads text"], strict=True))
    assert row["text"] == row["text+audio+video"] and len(row["text"]) == 2
    assert row["text"][0] > 85 > 70 > row["audio+video"][0]
    assert row["mean"][0] == pytest.approx(np.mean([row[subset_name(s)][0] for s in ordered_subsets()]))
    assert report.notes[0].startswith("reads text over again: all three +0.0 points (95 % +0.0 to +0.0, p 1.000);")


def test_missing_rate_drops_what_it_says_and_ever_more(splits: Callable[[str], Sequences]) -> None:
    whole = splits("test").held(99, EVERYTHING)
    counts = [dropped(whole, rate / 10).features.present.sum() for rate in range(10)]
    assert counts == sorted(counts, reverse=True)
    assert counts[5] / counts[0] == pytest.approx(0.5, abs=0.05)
    report = PROTOCOLS["missing-rate"]({"reads text": [ReadsText()]}, splits("test"), "mosi", 99)
    curve = [cell[0] for cell in report.tables[0].rows["reads text"]]
    assert curve[0] > curve[5] > curve[9]
    assert curve[-1] == pytest.approx(np.mean(curve[:-1]))


def test_noise_has_the_level_it_says(splits: Callable[[str], Sequences]) -> None:
    whole = splits("test").held(99, EVERYTHING)
    real = whole.features.valid > 0
    before = whole.features.values[Modality.AUDIO][real]
    for level in (10.0, 0.0):
        added = spoiled(whole, 1, level).features.values[Modality.AUDIO][real] - before
        assert 10 * np.log10(before.var(0).mean() / added.var(0).mean()) == pytest.approx(level, abs=0.5)


def test_the_auc_of_trust_finds_the_corrupted_modality(splits: Callable[[str], Sequences]) -> None:
    auc = corruption_auc(ReadsText(), splits("test").held(99, EVERYTHING))
    assert auc is not None and min(auc) > 0.7

    class Blind(ReadsText):
        def predict(self, batch: FeatureBatch) -> Prediction:
            return Prediction(super().predict(batch).probabilities, batch.present / 3)

    assert corruption_auc(Blind(), splits("test").held(99, EVERYTHING)) == pytest.approx([0.5] * 3)


def test_a_model_per_condition_is_chosen_by_what_is_there(splits: Callable[[str], Sequences]) -> None:
    class Says:
        def __init__(self, positive: bool) -> None:
            self.answer = np.array([1 - positive, 0, positive], np.float32)

        def predict(self, batch: FeatureBatch) -> Prediction:
            return Prediction(np.broadcast_to(self.answer, (*batch.valid.shape, 3)))

    system = PerCondition({subset_name(s): Says(subset_name(s) == "audio") for s in ordered_subsets()})
    for name, positive in (("audio", 1.0), ("text+audio", 0.0)):
        subset = np.array([int(m in name.split("+")) for m in MODALITIES])
        assert (answers(system, splits("test").held(99, subset))[:, 2] == positive).all()
    mixed = dropped(splits("test").held(99, EVERYTHING), 0.5)
    assert (answers(system, mixed)[:, 2] == 0).all(), "the model of all modalities answers where conditions change"


def test_every_protocol_writes_its_tables_and_a_picture(model: EBMC, arrays_folder: Path, tmp_path: Path) -> None:
    from ebmc_core.data.arrays import load_arrays
    from ebmc_core.data.paired import PairedWindows, Pairing

    arrays = load_arrays(arrays_folder)
    for name, measure in PROTOCOLS.items():
        held_out = PairedWindows(arrays, "test", Pairing(context=6), seed=7)
        report = measure({"EBMC": [Ebmc(model), Ebmc(model)], "EBMC, other": [Ebmc(model)]}, held_out, "paired", 16)
        stored, text, picture = report.write(tmp_path)
        assert stored.name == f"paired-{name}.json"
        content = json.loads(stored.read_text())
        assert [table["title"] for table in content["tables"]] == [table.title for table in report.tables]
        assert "| EBMC" in text.read_text()
        assert picture.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_learns_and_reads_nothing_that_is_absent(name: str, splits: Callable[[str], Sequences]) -> None:
    system = BASELINES[name](splits("train"), splits("validation"), 1)
    whole = splits("test").held(99, EVERYTHING)
    label, _ = windows(whole)
    assert accuracy(guess(answers(system, whole), label), label) > 0.7
    without = splits("test").held(99, np.array([0, 1, 1]))
    values = {m: np.where(m == Modality.TEXT, np.nan, v).astype(np.float32) for m, v in without.features.values.items()}
    f = without.features
    spoiled_batch = FeatureBatch(values, f.present, f.quality, f.age, f.valid)
    real = f.valid > 0
    assert np.array_equal(answers(system, without), system.predict(spoiled_batch).probabilities[real])
