"""A real, small training run: it learns, it repeats, and what it writes can be used."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from ebmc_core.checkpoint import load_checkpoint
from ebmc_core.data.arrays import load_arrays
from ebmc_core.data.paired import PairedWindows, Pairing
from ebmc_core.errors import DataError
from ebmc_core.evaluate import evaluate, genders, table
from ebmc_core.modality import Modality
from ebmc_core.model import EBMC, inputs_from_batch
from ebmc_core.objectives import Teacher
from ebmc_core.train import CHECKPOINT, METRICS, STATE, Training, load_training_data, train
from ebmc_core.train_config import TrainConfig, read_train_config
from ebmc_core.variants import VARIANTS, varied
from tests.ebmc_core.mosi_arrays import write_mosi


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
    config = small(arrays_folder)
    layer = Training(config, load_training_data(config)).model.standardise[1]
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


@pytest.mark.parametrize("name", ["live-en", "mosi", "mosi-minilm", "mosi-sentence"])
def test_the_committed_configurations_read(tmp_path: Path, name: str) -> None:
    import ebmc_core

    path = Path(ebmc_core.__path__[0]) / "configs" / f"{name}.toml"
    config = read_train_config(path, features=tmp_path, seed=4)
    assert (config.features, config.seed) == (tmp_path, 4)
    assert config.name.startswith(name)


@pytest.mark.parametrize(
    "text", ["seed = ", "sede = 1", "pairing = {kontext = 3}", "weights = 3", "data = 'mosei'", "steps = 0"]
)
def test_a_bad_configuration_is_one_clear_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(DataError, match=r"bad.toml is not a training configuration: .*") as caught:
        read_train_config(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "table", [{"input_dropouts": 0.5}, {"input_dropouts": {"audio": "much"}}, {"novelty": "square"}, {"depht": 2}]
)
def test_a_model_that_cannot_be_built_is_one_line(
    arrays_folder: Path, tmp_path: Path, table: dict[str, object]
) -> None:
    with pytest.raises(DataError, match="the table model of the training configuration: ") as caught:
        train(small(arrays_folder, model=table, runs=tmp_path / "runs"), print)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_missing_arrays_stop_the_run_before_it_begins(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"text.npz is missing"):
        train(small(tmp_path), lambda line: None)
    assert not (tmp_path.parent / "runs").exists()


def interrupted(config: TrainConfig, after: int) -> None:
    """A run that is stopped when this many epochs are done, as Ctrl-C stops one."""
    lines: list[str] = []

    def stop(line: str) -> None:
        lines.append(line)
        if len(lines) == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, stop)


@pytest.mark.parametrize("after", [1, 2, 4])
def test_a_resumed_run_gives_the_same_weights_bit_for_bit(arrays_folder: Path, after: int) -> None:
    """Stopped in Stage I, at its end, and in Stage II."""
    fields = {"steps": 2, "stage_one": 2, "stage_two": 3, "averaging": 0.9}
    whole = small(arrays_folder, runs=arrays_folder / "whole", **fields)
    parts = small(arrays_folder, runs=arrays_folder / "parts", **fields)
    expected = load_checkpoint(train(whole, lambda line: None) / CHECKPOINT).files.digest
    interrupted(parts, after)
    assert (parts.run / STATE).is_file()
    more: list[str] = []
    run = train(parts, more.append, resume=True)
    assert load_checkpoint(run / CHECKPOINT).files.digest == expected
    assert len(more) == 5 - after
    assert not (run / STATE).exists()
    with (run / METRICS).open() as file:
        assert len(list(csv.DictReader(file))) == 5


def test_resuming_what_cannot_be_resumed_says_why(arrays_folder: Path) -> None:
    config = small(arrays_folder, steps=2, stage_one=1, stage_two=2)
    with pytest.raises(DataError, match=r"holds no state.pt to resume from; leave --resume out"):
        train(config, lambda line: None, resume=True)
    interrupted(config, 2)
    other = small(arrays_folder, steps=3, stage_one=1, stage_two=2)
    with pytest.raises(DataError, match="begun with another configuration"):
        train(other, lambda line: None, resume=True)
    content = (config.run / STATE).read_bytes()
    (config.run / STATE).write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"state.pt is damaged"):
        train(config, lambda line: None, resume=True)


def test_mixed_precision_learns_and_keeps_weights_in_float32(arrays_folder: Path) -> None:
    run = train(small(arrays_folder, precision="bfloat16", stage_one=2, stage_two=3), lambda line: None)
    with (run / METRICS).open() as file:
        rows = [row for row in csv.DictReader(file) if row["stage"] == "2"]
    assert float(rows[-1]["fused"]) < 0.8 * 1.0986
    model = load_checkpoint(run / CHECKPOINT).model
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_a_gpu_that_is_not_there_is_one_line(arrays_folder: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(DataError, match="finds no GPU; say cpu or auto"):
        train(small(arrays_folder, device="cuda"), lambda line: None)


def mosi(tmp_path: Path, **changes: object) -> TrainConfig:
    fields = {
        "data": "mosi", "name": "mosi", "batch": 18, "steps": 6, "stage_one": 3, "stage_two": 5, "learning_rate": 5e-3,
        "pairing": Pairing(),
        "model": {"width": 16, "part": 8, "depth": 1, "heads": 2, "context": 12, "dropout": 0.1, "input_dropout": 0.1},
    }  # fmt: skip
    return small(write_mosi(tmp_path / "features"), **{**fields, **changes})


def test_mosi_videos_train_a_model_that_beats_guessing(tmp_path: Path) -> None:
    run = train(mosi(tmp_path), lambda line: None)
    checkpoint = load_checkpoint(run / CHECKPOINT)
    assert checkpoint.files.training["data"] == "mosi"
    from ebmc_core.protocols import PROTOCOLS
    from ebmc_core.protocols.held_out import splits_of
    from ebmc_core.protocols.systems import systems_from_checkpoints

    data, splits = splits_of([checkpoint], tmp_path / "features")
    report = PROTOCOLS["seven-conditions"](systems_from_checkpoints([checkpoint]), splits("test"), data, 99)
    accuracy = dict(zip(report.tables[0].columns, report.tables[0].rows["EBMC"], strict=True))
    assert accuracy["text+audio+video"][0] > 75
    assert accuracy["text"][0] > accuracy["video"][0]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainConfig, str]:
    """A short training of the full model, and the digest of what it gave."""
    config = mosi(tmp_path_factory.mktemp("full"), steps=1, stage_one=1, stage_two=2)
    return config, load_checkpoint(train(config, lambda line: None) / CHECKPOINT).files.digest


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_trains_and_differs_from_the_full_model(full: tuple[TrainConfig, str], variant: str) -> None:
    config, digest = full
    other = varied(config, variant)
    run = train(other, lambda line: None)
    assert run == (config.run if variant == "full" else config.runs / f"mosi-{variant}-seed1")
    stored = load_checkpoint(run / CHECKPOINT).files
    assert stored.training["variant"] == variant
    assert (stored.digest == digest) == (variant == "full")


def test_an_unknown_variant_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no variant 'no-text'; there are full, no-msd"):
        varied(TrainConfig(), "no-text")


def test_figures_of_ravdess_are_told_per_gender() -> None:
    found = genders("ravdess", np.array(["ravdess-18", "ravdess-19", "ravdess-20"]))
    assert {name: rows.tolist() for name, rows in found.items()} == {
        "women": [True, False, True],
        "men": [False, True, False],
    }
    assert genders("meld", np.array(["meld-dev-3"])) == {}
