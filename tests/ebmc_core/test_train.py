"""A real, small training run: it learns, it repeats, and what it writes can be used."""

import csv
from pathlib import Path

import pytest
import torch

from ebmc_core.checkpoint import load_checkpoint
from ebmc_core.data.arrays import load_arrays
from ebmc_core.data.paired import PairedWindows, Pairing
from ebmc_core.errors import DataError
from ebmc_core.evaluate import evaluate, table
from ebmc_core.modality import Modality
from ebmc_core.model import EBMC, inputs_from_batch
from ebmc_core.train import Teacher, TrainConfig, new_model, read_train_config, train


def small(folder: Path, **changes: object) -> TrainConfig:
    fields = {
        "features": folder,
        "runs": folder.parent / "runs",
        "batch": 32,
        "steps": 12,
        "stage_one": 3,
        "stage_two": 4,
        "validation": 64,
        "learning_rate": 3e-3,
        "model": {"width": 32, "part": 16, "depth": 1, "heads": 2, "dropout": 0.1, "input_dropout": 0.1},
        "pairing": Pairing(context=8),
    }
    return TrainConfig(**{**fields, **changes})  # type: ignore[arg-type]


def test_training_learns_and_leaves_a_checkpoint(arrays_folder: Path) -> None:
    lines: list[str] = []
    run = train(small(arrays_folder), lines.append)
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(lines)
    second = [row for row in rows if row["stage"] == "2"]
    assert float(second[-1]["fused"]) < 0.8 * 1.0986  # the cross entropy of a guess is log 3
    assert float(second[-1]["loss"]) < float(second[0]["loss"])

    checkpoint = load_checkpoint(run / "checkpoint")
    assert checkpoint.files.training["seed"] == 1
    arrays = load_arrays(arrays_folder)
    measured = evaluate(checkpoint.model, arrays, count=64)
    together, alone = measured.subsets["text+audio+video"], measured.subsets["video"]
    assert together.accuracy > 0.7
    assert together.accuracy > alone.accuracy
    assert 0.8 < together.coverage <= 1
    for conditions in measured.conditions.values():
        assert conditions["noise"].trust < conditions["clean"].trust
        assert conditions["noise"].alone < conditions["clean"].alone
    assert "| text+audio+video |" in table(measured)


def test_the_same_seed_trains_the_same_weights(arrays_folder: Path) -> None:
    digests = set()
    for name in ("one", "two"):
        config = small(arrays_folder, runs=arrays_folder / name, steps=2, stage_one=1, stage_two=1)
        digests.add(load_checkpoint(train(config, lambda line: None) / "checkpoint").files.digest)
    assert len(digests) == 1


def test_standardisation_is_fitted_to_the_training_split(arrays_folder: Path) -> None:
    arrays = load_arrays(arrays_folder)
    model = new_model(small(arrays_folder), arrays)
    layer = model.projection.standardise[1]
    train_values = torch.from_numpy(arrays[Modality.AUDIO].of_split("train").values)
    torch.testing.assert_close(layer.mean, train_values.mean(0))
    torch.testing.assert_close(layer.deviation, train_values.std(0))


def test_the_teacher_is_still_and_outside_the_student(arrays_folder: Path, model: EBMC) -> None:
    arrays = load_arrays(arrays_folder)
    windows = PairedWindows(arrays, "validation", Pairing(context=6), seed=0)
    teacher = Teacher(model, windows)
    inputs = inputs_from_batch(windows.draw(4).features)
    before = teacher(inputs)
    model.train()
    try:
        assert torch.equal(before, teacher(inputs))
    finally:
        model.eval()
    assert not any(parameter.requires_grad for parameter in teacher.model.parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_the_committed_configuration_reads(tmp_path: Path) -> None:
    import ebmc_core

    config = read_train_config(Path(ebmc_core.__path__[0]) / "configs" / "live-en.toml", features=tmp_path, seed=4)
    assert (config.features, config.seed) == (tmp_path, 4)
    assert config.name.startswith("live-en")


@pytest.mark.parametrize("text", ["seed = ", "sede = 1", "pairing = {kontext = 3}", "weights = 3"])
def test_a_bad_configuration_is_one_clear_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(DataError, match=r"bad.toml is not a training configuration: .*") as caught:
        read_train_config(path)
    assert "\n" not in str(caught.value)


def test_missing_arrays_stop_the_run_before_it_begins(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"text.npz is missing"):
        train(small(tmp_path), lambda line: None)
    assert not (tmp_path.parent / "runs").exists()
