"""Training of the live model: Stage I teaches the experts, Stage II the whole, with a frozen Stage I as teacher.

The loop is `train`; what it minimises is `stage_one` and `stage_two`. The epoch is chosen on the validation split.
"""

import copy
import csv
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ebmc_core import losses
from ebmc_core.calibrate import calibrate, calibrate_unimodal
from ebmc_core.checkpoint import save_checkpoint
from ebmc_core.config import EbmcConfig
from ebmc_core.data.arrays import FeatureArrays, load_arrays
from ebmc_core.data.paired import PairedBatch, PairedWindows, Pairing
from ebmc_core.errors import DataError
from ebmc_core.modality import MODALITIES, Modality
from ebmc_core.model import EBMC, Inputs, Representation, Standardise, inputs_from_batch, observed

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class LossWeights:
    """Weights of the losses beside the fused cross entropy. The paper has MSD 0.5, CCE 0.1 and IMTD 0.1."""

    unimodal: float = 0.5
    spread: float = 0.2
    msd: float = 0.1
    redundancy: float = 0.1
    specific: float = 0.1
    cce: float = 0.1
    trust: float = 0.5
    distil: float = 0.1
    balance: float = 0.01


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One training run; a TOML file has these keys, with tables `model`, `pairing` and `weights`."""

    name: str = "live-en-1"
    """What the checkpoint is called in events."""
    features: Path = Path("features")
    """Folder of the feature arrays."""
    runs: Path = Path("runs")
    """Folder that gets a folder for this run."""
    seed: int = 1
    threads: int = 1
    batch: int = 64
    steps: int = 40
    """Batches in an epoch."""
    stage_one: int = 15
    """Most epochs of Stage I."""
    stage_two: int = 30
    """Most epochs of Stage II."""
    patience: int = 6
    """Epochs without a better validation loss that end a stage."""
    learning_rate: float = 5e-4
    weight_decay: float = 0.02
    clip: float = 1.0
    validation: int = 384
    """Sequences that every epoch is validated on."""
    model: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Fields of `EbmcConfig`; the feature widths come from the arrays."""
    pairing: Pairing = field(default_factory=Pairing)
    weights: LossWeights = field(default_factory=LossWeights)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values, for the checkpoint; folders are left out, they mean nothing elsewhere."""
        plain = asdict(self)
        return {key: value for key, value in plain.items() if not isinstance(value, Path)}


def read_train_config(path: Path, **overrides: Any) -> TrainConfig:
    """Read a TOML file; keyword arguments stand over it. Raises `DataError` for keys and values that do not exist."""
    try:
        content = {**tomllib.loads(path.read_text(encoding="utf-8")), **overrides}
        for name, kind in (("features", Path), ("runs", Path)):
            if name in content:
                content[name] = kind(content[name])
        if "pairing" in content:
            pairing = dict(content["pairing"])
            pairing["next_item"] = tuple(pairing.get("next_item", Pairing().next_item))
            content["pairing"] = Pairing(**pairing)
        if "weights" in content:
            content["weights"] = LossWeights(**content["weights"])
        return TrainConfig(**content)
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path} is not a training configuration: {error}") from error


class Teacher:
    """The frozen Stage I network. Held outside the student's modules, so that no switch of mode or save reaches it."""

    def __init__(self, model: EBMC, windows: PairedWindows) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        calibrate_unimodal(self.model, windows, own_experts=True)

    @torch.no_grad()
    def __call__(self, inputs: Inputs) -> Tensor:
        """Calibrated probabilities of each modality alone, `[M, B, L, C]`."""
        inner = self.model.represent(*inputs, own_experts=True)
        return torch.softmax(inner.unimodal / self.model.calibration.unimodal.view(-1, 1, 1, 1), dim=-1)


def train(config: TrainConfig, report: Report) -> Path:
    """Train, calibrate and save; returns the run's folder, with `metrics.csv` and `checkpoint/`. Raises `DataError`."""
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads)
    arrays = load_arrays(config.features)
    model = new_model(config, arrays)
    windows = PairedWindows(arrays, "train", config.pairing, config.seed)
    # the same validation windows for every seed and epoch
    fixed = PairedWindows(arrays, "validation", config.pairing, seed=0)
    validation = fixed.draw(config.validation)
    run = config.runs / f"{config.name}-seed{config.seed}"
    run.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, float]] = []
    teacher: Teacher | None = None
    for stage, epochs in ((1, config.stage_one), (2, config.stage_two)):
        for row in run_stage(model, teacher, windows, validation, config, epochs):
            rows.append({"stage": stage, **row})
            report("  ".join(f"{key} {value:g}" for key, value in rows[-1].items()))
        teacher = Teacher(model, fixed)
    calibrate(model, fixed)
    _write_metrics(run / "metrics.csv", rows)
    save_checkpoint(run / "checkpoint", config.name, model, config.to_dict())
    return run


def new_model(config: TrainConfig, arrays: Mapping[Modality, FeatureArrays]) -> EBMC:
    """A model for these arrays, its standardisation fitted to their training split."""
    shape = {**config.model, "context": config.pairing.context}
    model = EBMC(EbmcConfig(widths={modality: arrays[modality].width for modality in MODALITIES}, **shape))
    for layer, modality in zip(model.projection.standardise, MODALITIES, strict=True):
        assert isinstance(layer, Standardise)
        layer.fit(torch.from_numpy(arrays[modality].of_split("train").values))
    return model


def run_stage(
    model: EBMC,
    teacher: Teacher | None,
    windows: PairedWindows,
    validation: PairedBatch,
    config: TrainConfig,
    epochs: int,
) -> Iterator[dict[str, float]]:
    """Epochs until validation stops improving; leaves the model at its best one. Yields a row of figures for each."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(epochs, 1), config.learning_rate / 20)
    best, best_loss, since = copy.deepcopy(model.state_dict()), float("inf"), 0
    for epoch in range(1, epochs + 1):
        began, total = time.monotonic(), 0.0
        model.train()
        for _ in range(config.steps):
            batch = windows.draw(config.batch)
            loss = stage_two(model, teacher, batch, config) if teacher else stage_one(model, batch, config)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
            optimiser.step()
            total += loss.item()
        schedule.step()
        figures = validate(model, validation, own_experts=teacher is None)
        yield {"epoch": epoch, "loss": total / config.steps, **figures, "seconds": time.monotonic() - began}
        since += 1
        if figures["validation"] < best_loss:
            best, best_loss, since = copy.deepcopy(model.state_dict()), figures["validation"], 0
        if since >= config.patience:
            break
    model.load_state_dict(best)


def stage_one(model: EBMC, batch: PairedBatch, config: TrainConfig) -> Tensor:
    """Each modality through its own expert: unimodal task, MSD, CCE."""
    inputs = inputs_from_batch(batch.features)
    inner = model.represent(*inputs, own_experts=True)
    return auxiliary(model, inner, inputs, batch, replace(config.weights, unimodal=1.0))


def stage_two(model: EBMC, teacher: Teacher, batch: PairedBatch, config: TrainConfig) -> Tensor:
    """All experts: the fused task and IMTD beside what Stage I had."""
    inputs, weights = inputs_from_batch(batch.features), config.weights
    label = torch.from_numpy(batch.label)
    inner = model.represent(*inputs)
    here = observed(inputs.present, inputs.valid)
    something = here.amax(0)
    taught = teacher(inputs)
    target = losses.teacher_trust(taught, label, here, inputs.quality.permute(2, 0, 1))
    return (
        losses.classify(inner.logits, label, something)
        + weights.spread * losses.spread(inner.logits, inner.log_variance, label, something)
        + weights.trust * losses.follow_trust(inner.trust, target)
        + weights.distil * losses.distil(inner.logits, taught, target)
        + weights.balance * losses.balance(inner.router, here)
        + auxiliary(model, inner, inputs, batch, weights)
    )


def auxiliary(model: EBMC, inner: Representation, inputs: Inputs, batch: PairedBatch, weights: LossWeights) -> Tensor:
    """What both stages share: unimodal heads, MSD, and CCE with simulated absence."""
    here = observed(inputs.present, inputs.valid)
    label, own = torch.from_numpy(batch.label), torch.from_numpy(batch.own).permute(2, 0, 1)
    hidden = here * (torch.rand_like(here) < 0.3)  # [M, B, L]
    filled = model.complement.fill(inner.shared, inner.specific, here - hidden)
    newest = label[:, -1]  # one window a sequence, so that no window repels its own neighbours
    return (
        weights.unimodal * losses.classify(inner.unimodal, own, here)
        + weights.msd * losses.invariance(inner.shared[:, :, -1], here[:, :, -1], newest[:, None] != newest)
        + weights.redundancy * losses.redundancy(inner.shared, inner.specific, here)
        + weights.specific * losses.classify(model.specific(inner.specific), own, here)
        + weights.cce * losses.reconstruct(filled, inner.own, hidden)
    )


@torch.no_grad()
def validate(model: EBMC, batch: PairedBatch, own_experts: bool) -> dict[str, float]:
    """Cross entropies on the validation windows; `validation` is what the epoch is chosen by."""
    model.eval()
    inputs = inputs_from_batch(batch.features)
    label, own = torch.from_numpy(batch.label), torch.from_numpy(batch.own).permute(2, 0, 1)
    inner = model.represent(*inputs, own_experts=own_experts)
    here = observed(inputs.present, inputs.valid)
    alone = {str(m): losses.classify(inner.unimodal[i], own[i], here[i]).item() for i, m in enumerate(MODALITIES)}
    unimodal = sum(alone.values()) / len(alone)
    if own_experts:
        return {"validation": unimodal, **alone}
    something = here.amax(0)
    fused = losses.classify(inner.logits, label, something).item()
    accuracy = losses.masked_mean((inner.logits.argmax(-1) == label).float(), something).item()
    return {"validation": fused + 0.5 * unimodal, "fused": fused, "accuracy": accuracy, **alone}


def _write_metrics(path: Path, rows: list[dict[str, float]]) -> None:
    names = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
