"""The training loop: two stages of epochs, each ended by validation; it stops anywhere and resumes bit for bit.

A run folder holds `config.json` (what was asked), `metrics.csv` (a row an epoch), `state.pt` (everything the next epoch
depends on, until the run is done) and at the end `checkpoint/`.
"""

import copy
import csv
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ebmc_core.calibrate import calibrate
from ebmc_core.checkpoint import save_checkpoint
from ebmc_core.config import FEATURES, EbmcConfig
from ebmc_core.data.arrays import load_arrays
from ebmc_core.data.disturb import Disturbance
from ebmc_core.data.mosi import MosiVideos, read_mosi
from ebmc_core.data.paired import PairedWindows
from ebmc_core.data.sequences import Sequences
from ebmc_core.energy import Energy
from ebmc_core.errors import DataError
from ebmc_core.modality import MODALITIES
from ebmc_core.model import EBMC
from ebmc_core.objectives import Teacher, example_from_batch, stage_one, stage_two, validate
from ebmc_core.train_config import TrainConfig

Report = Callable[[str], None]
Row = dict[str, float]

STATE, METRICS, CONFIG, CHECKPOINT = "state.pt", "metrics.csv", "config.json", "checkpoint"


class TrainingData(NamedTuple):
    """train: with the run's seed; validation: the same for all; rows: per modality `[N, d_m]`, for statistics."""

    train: Sequences
    validation: Sequences
    rows: list[Tensor]


def load_training_data(config: TrainConfig) -> TrainingData:
    """Read and check what the configuration asks for. Raises `DataError` before anything is trained."""
    calm = Disturbance(only=config.disturbance.only)
    if config.data == "mosi":
        mosi, context = read_mosi(config.features / "mosi.npz", config.text), config.model.get("context", 63)
        splits = (
            MosiVideos(mosi, "train", context, config.seed, config.disturbance, config.soften),
            MosiVideos(mosi, "validation", context, 0, calm, config.soften),
        )
        rows = [mosi.of_split("train").values[modality] for modality in MODALITIES]
    else:
        arrays = load_arrays(config.features)
        splits = (
            PairedWindows(arrays, "train", config.pairing, config.seed, config.disturbance),
            PairedWindows(arrays, "validation", config.pairing, 0, config.disturbance),
        )
        rows = [arrays[modality].of_split("train").values for modality in MODALITIES]
    return TrainingData(*splits, [torch.from_numpy(values) for values in rows])


def new_model(config: TrainConfig, rows: list[Tensor]) -> EBMC:
    """A model for features of these widths, its statistics fitted to them. rows: per modality `[N, d_m]`."""
    widths = {modality: values.shape[1] for modality, values in zip(MODALITIES, rows, strict=True)}
    context = config.model.get("context", 63) if config.data == "mosi" else config.pairing.context
    features = 1 if config.data == "mosi" else FEATURES
    fields: dict[str, Any] = {**config.model, "context": context, "widths": widths, "features": features}
    try:
        shape = EbmcConfig(**fields)
    except (TypeError, ValueError) as error:
        raise DataError(f"the table model of the training configuration: {error}") from error
    model = EBMC(shape)
    model.fit(rows)
    return model


def train(config: TrainConfig, report: Report, resume: bool = False) -> Path:
    """Train, calibrate and save; returns the run's folder. Raises `DataError`.

    `resume` goes on where a run of the same configuration was stopped, and gives the weights that it would have given.
    """
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads)
    data = load_training_data(config)
    training = Training(config, data)
    run = config.run
    if resume:
        training.restore(run)
    run.mkdir(parents=True, exist_ok=True)
    (run / CONFIG).write_text(json.dumps(config.to_dict(), indent=2) + "\n", encoding="utf-8")
    for row in training.epochs():
        write_metrics(run / METRICS, training.rows)
        training.save(run)
        report("  ".join(f"{key} {value:.4g}" for key, value in row.items()))
    model = training.model.cpu()
    calibrate(model, data.validation)
    save_checkpoint(run / CHECKPOINT, config.name, model, config.to_dict())
    (run / STATE).unlink(missing_ok=True)
    return run


class Training:
    """Everything that changes while a run goes on, one epoch at a time."""

    def __init__(self, config: TrainConfig, data: TrainingData) -> None:
        self.config, self.data = config, data
        self.device = torch.device(device_of(config.device))
        self.model = new_model(config, data.rows).to(self.device)
        self.energy = Energy(len(MODALITIES), config.energy).to(self.device)
        # drawn from a source of its own: how often a run is resumed must not change what it is judged by
        self.judge = example_from_batch(data.validation.mixed(config.validation), self.device)
        self.teacher: Teacher | None = None
        self.rows: list[Row] = []
        self._begin(1)

    def _begin(self, stage: int) -> None:
        """A stage: a new optimiser, and no best epoch yet."""
        config = self.config
        self.stage, self.epoch, self.since, self.best_loss = stage, 0, 0, float("inf")
        self.longest = config.stage_one if stage == 1 else config.stage_two
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimiser, self.longest, config.learning_rate / 20
        )
        self.average = copy.deepcopy(self.model).requires_grad_(False)
        self.best = copy.deepcopy(self.model.state_dict())

    def epochs(self) -> Iterator[Row]:
        """Epochs until validation stops improving in both stages; leaves the model at its best one."""
        while True:
            if self.epoch >= self.longest or self.since >= self.config.patience:
                self.model.load_state_dict(self.best)
                if self.stage == 2:
                    return
                self.teacher = Teacher(self.model, self.data.validation)
                self._begin(2)
            yield self.one_epoch()

    def one_epoch(self) -> Row:
        """Steps, then validation; remembers the weights if they are the best so far."""
        began, total = time.monotonic(), 0.0
        self.model.train()
        for _ in range(self.config.steps):
            total += self.step()
        self.schedule.step()
        self.epoch += 1
        judged = self.average if self.config.averaging else self.model
        figures = validate(judged, self.judge, own_experts=self.teacher is None)
        self.since += 1
        if figures["validation"] < self.best_loss:
            self.best, self.best_loss, self.since = copy.deepcopy(judged.state_dict()), figures["validation"], 0
        row = {"stage": self.stage, "epoch": self.epoch, "loss": total / self.config.steps, **figures}
        self.rows.append({**row, "seconds": time.monotonic() - began})
        return self.rows[-1]

    def step(self) -> float:
        """One batch; returns its loss. In mixed precision the products are in bfloat16, weights stay in float32."""
        config = self.config
        example = example_from_batch(self.data.train.draw(config.batch), self.device)
        mixed = config.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=mixed):
            if self.teacher is None:
                loss = stage_one(self.model, example, config)
            else:
                loss = stage_two(self.model, self.teacher, self.energy, example, config)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.clip)
        self.optimiser.step()
        if config.averaging:
            with torch.no_grad():
                for mean, now in zip(self.average.parameters(), self.model.parameters(), strict=True):
                    mean.lerp_(now, 1 - config.averaging)
        return loss.item()

    def save(self, run: Path) -> None:
        """Write the state beside what it replaces, then in its place: a run that is killed keeps the last epoch."""
        partial = run / (STATE + ".partial")
        torch.save(self.state(), partial)
        os.replace(partial, run / STATE)

    def state(self) -> dict[str, Any]:
        """All of it, as tensors and plain values."""
        return {
            "config": self.config.to_dict(),
            "progress": [self.stage, self.epoch, self.since, self.best_loss],
            "rows": self.rows,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "best": self.best,
            "teacher": self.teacher and self.teacher.model.state_dict(),
            "energy": self.energy.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "dropout": torch.get_rng_state(),
            "draws": self.data.train.generator.bit_generator.state,
        }

    def restore(self, run: Path) -> None:
        """Take up the state of a run of the same configuration. Raises `DataError` where there is none."""
        path = run / STATE
        if (run / CHECKPOINT).is_dir() and not path.exists():
            raise DataError(f"{run} is done; train with another seed or name, or remove that folder")
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
        except FileNotFoundError as error:
            raise DataError(f"{run} holds no {STATE} to resume from; leave --resume out to begin") from error
        except (RuntimeError, OSError, EOFError, ValueError) as error:
            raise DataError(f"{path} is damaged; leave --resume out to begin anew") from error
        if state["config"] != self.config.to_dict():
            raise DataError(f"{run} was begun with another configuration; see its {CONFIG}")
        stage, epoch, since, best_loss = state["progress"]
        if state["teacher"]:
            self.teacher = Teacher(self.model, self.data.validation)
            self.teacher.model.load_state_dict(state["teacher"])
            self._begin(2)
        self.stage, self.epoch, self.since, self.best_loss = stage, epoch, since, best_loss
        self.rows, self.best = state["rows"], state["best"]
        for part in ("model", "average", "energy", "optimiser", "schedule"):
            getattr(self, part).load_state_dict(state[part])
        torch.set_rng_state(state["dropout"].cpu())
        self.data.train.generator.bit_generator.state = state["draws"]


def device_of(name: str) -> str:
    """`cpu` or `cuda`. Raises `DataError` when a GPU is asked for that is not there."""
    if name == "cuda" and not torch.cuda.is_available():
        raise DataError("device is cuda, but torch finds no GPU; say cpu or auto")
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name


def write_metrics(path: Path, rows: list[Row]) -> None:
    """All rows so far as CSV; a stage's own columns are empty in the other stage."""
    names = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
