"""Train the expression network on the portraits of `faces.npz` (see `stream.prepare.faces`).

Early stopping and every choice look at validation people; test people are looked at once, after the last epoch.
"""

import copy
import csv
import dataclasses
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ebmc_core.augment import augmented
from ebmc_core.errors import DataError
from ebmc_core.expression import ExpressionNet
from ebmc_core.expression_checkpoint import save_expression
from ebmc_core.face import CROP, MARGIN, SENTIMENT_OF_EMOTION

NO_SENTIMENT = -1
ARRAYS = ("crops", "shapes", "blendshapes", "emotion", "group", "condition")


@dataclass(frozen=True)
class ExpressionTrainConfig:
    """One training run."""

    name: str = "expression"
    features: Path = Path("features")
    """Folder that holds `faces.npz`."""
    runs: Path = Path("runs")
    """The run is written to `runs/<name>/`."""
    seed: int = 0
    epochs: int = 40
    patience: int = 12
    """Epochs without a better validation balanced accuracy before it stops."""
    draws: int = 6000
    """Crops an epoch: drawn anew each time, a third from each sentiment."""
    batch: int = 64
    rate: float = 2e-3
    weight_decay: float = 5e-2
    dropout: float = 0.5
    smoothing: float = 0.1
    """Of the labels: people disagree about one portrait in ten."""
    emotion: float = 0.3
    """Weight of naming the emotion, beside the sentiment."""
    mixup: float = 0.0
    """Beta parameter of mixing two crops and their labels; 0 for none."""
    averaging: float = 0.99
    """Decay of the running mean of the weights that is validated and kept."""

    @classmethod
    def from_toml(cls, path: Path, **overrides: Any) -> "ExpressionTrainConfig":
        """Read a config file; `overrides` win. Raises `DataError` when it is missing or names an unknown key."""
        try:
            table: dict[str, Any] = tomllib.loads(path.read_text())
            table |= {key: Path(table[key]) for key in ("features", "runs") if key in table}
            return cls(**(table | overrides))
        except (OSError, tomllib.TOMLDecodeError, TypeError) as error:
            raise DataError(f"{path} is not a training config: {error}") from error


@dataclass(frozen=True, eq=False)
class Faces:
    """Crops uint8 `[N, 72, 72]`, shapes `[N, 478, 3]`, blendshapes `[N, 52]`, emotion, sentiment (-1: none), who."""

    crops: Tensor
    shapes: Tensor
    blendshapes: Tensor
    emotion: Tensor
    sentiment: Tensor
    group: NDArray[np.str_]
    condition: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.crops)

    @property
    def inner(self) -> Tensor:
        """The crops as the network sees them, `[N, CROP, CROP]`."""
        return self.crops[:, MARGIN:-MARGIN, MARGIN:-MARGIN]


def load_faces(path: Path, split: str) -> Faces:
    """One split of `faces.npz`. Raises `DataError` when it is missing, empty or malformed."""
    try:
        with np.load(path) as stored:
            rows = np.flatnonzero(stored["split"] == split)
            arrays = {name: stored[name][rows] for name in ARRAYS}
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise DataError(f"{path} is missing or damaged: run `ebmc data prepare`") from error
    side = CROP + 2 * MARGIN
    if not len(rows) or arrays["crops"].shape[1:] != (side, side):
        raise DataError(f"{path} holds no crops of {side} x {side} in its {split} split: run `ebmc data prepare`")
    sentiment_of = torch.tensor([NO_SENTIMENT if side is None else side for side in SENTIMENT_OF_EMOTION])
    emotion = torch.from_numpy(arrays["emotion"]).long()
    return Faces(
        crops=torch.from_numpy(arrays["crops"]),
        shapes=torch.from_numpy(arrays["shapes"]).float(),
        blendshapes=torch.from_numpy(arrays["blendshapes"]).float(),
        emotion=emotion,
        sentiment=sentiment_of[emotion],
        group=arrays["group"],
        condition=arrays["condition"],
    )


def train_expression(config: ExpressionTrainConfig, report: Callable[[str], None]) -> Path:
    """Train, keep the best epoch by validation, write `runs/<name>/` and return it. `report` gets a line an epoch."""
    torch.manual_seed(config.seed)
    rng = torch.Generator().manual_seed(config.seed)
    train, validation, test = (load_faces(config.features / "faces.npz", s) for s in ("train", "validation", "test"))
    net = ExpressionNet(dropout=config.dropout)
    clean = torch.from_numpy(train.condition == "clean")
    net.fit_views(train.inner[clean], train.shapes[clean], train.blendshapes[clean])
    kept = copy.deepcopy(net).eval()  # the running mean of the weights
    optimiser = torch.optim.AdamW(_groups(net, config.weight_decay), lr=config.rate)
    steps = config.epochs * (config.draws // config.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.rate, total_steps=steps, pct_start=0.1)
    best, best_epoch, best_state, history = 0.0, 0, copy.deepcopy(kept.state_dict()), []
    for epoch in range(config.epochs):
        net.train()
        total = 0.0
        for rows in _batches(train, config, rng):
            loss = _loss(net, train, rows, config, rng)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimiser.step()
            schedule.step()
            _average(kept, net, min(config.averaging, (schedule.last_epoch + 1) / (schedule.last_epoch + 10)))
            total += float(loss.detach()) / (config.draws // config.batch)
        scores = {"epoch": epoch, "loss": total, **measured(kept, validation)}
        history.append(scores)
        report(
            "  ".join(f"{name} {value:.3f}" if name != "epoch" else f"epoch {value}" for name, value in scores.items())
        )
        if scores["balanced"] > best:
            best, best_epoch, best_state = scores["balanced"], epoch, copy.deepcopy(kept.state_dict())
        if epoch - best_epoch >= config.patience:
            break
    kept.load_state_dict(best_state)
    metrics = {
        name: measured(kept, part) for name, part in (("train", train), ("validation", validation), ("test", test))
    }
    report(
        f"kept epoch {best_epoch}: " + ", ".join(f"{name} {score['balanced']:.3f}" for name, score in metrics.items())
    )
    folder = config.runs / config.name
    training = dataclasses.asdict(config) | {"features": str(config.features), "runs": str(config.runs)}
    save_expression(kept, folder, training, metrics)
    _write_history(folder / "metrics.csv", history)
    return folder


def _groups(net: nn.Module, decay: float) -> list[dict[str, object]]:
    """Weight decay for matrices and kernels only, as it makes no sense for offsets and norms."""
    heavy = [weight for weight in net.parameters() if weight.ndim > 1]
    light = [weight for weight in net.parameters() if weight.ndim <= 1]
    return [{"params": heavy, "weight_decay": decay}, {"params": light, "weight_decay": 0.0}]


def _batches(faces: Faces, config: ExpressionTrainConfig, rng: torch.Generator) -> Iterator[Tensor]:
    """Rows for one epoch, a third from each sentiment, and few surprised faces for the emotion head.

    Half of each sentiment is clean: rare emotions have more degraded copies, and blur must not come to mean sadness.
    """
    clean = torch.from_numpy(faces.condition == "clean")
    weight = torch.zeros(len(faces))
    for sentiment, share in ((0, 1.0), (1, 1.0), (2, 1.0), (NO_SENTIMENT, 0.25)):
        for condition in (clean, ~clean):
            part = ((faces.sentiment == sentiment) & condition).float()
            weight += share * part / part.sum().clamp_min(1.0)
    rows = torch.multinomial(weight, config.draws, replacement=True, generator=rng)
    return iter(rows[: config.draws // config.batch * config.batch].split(config.batch))


def _loss(
    net: ExpressionNet, faces: Faces, rows: Tensor, config: ExpressionTrainConfig, rng: torch.Generator
) -> Tensor:
    """Cross entropy of emotion and of sentiment on augmented crops."""
    face = augmented(faces.crops[rows], rng), faces.shapes[rows], faces.blendshapes[rows]
    share, other = 1.0, torch.randperm(len(rows), generator=rng)
    if config.mixup:
        share = float(np.random.default_rng(int(other[0]) + int(rows[0])).beta(config.mixup, config.mixup))
        crops, shapes, muscles = (share * one + (1 - share) * one[other] for one in face)
        face = crops, shapes, muscles
    said = net(*face)
    loss = torch.zeros(())
    for part, labels in ((share, rows), (1 - share, rows[other])):
        emotion = functional.cross_entropy(said.emotion, faces.emotion[labels], label_smoothing=config.smoothing)
        sentiment = functional.cross_entropy(
            said.sentiment, faces.sentiment[labels], ignore_index=NO_SENTIMENT, label_smoothing=config.smoothing
        )
        loss = loss + part * (config.emotion * emotion + sentiment)
    return loss


@torch.no_grad()
def _average(kept: nn.Module, net: nn.Module, decay: float) -> None:
    """Move the running mean of the weights towards the present ones; counters are copied."""
    for mean, now in zip(kept.state_dict().values(), net.state_dict().values(), strict=True):
        mean.copy_(mean * decay + now * (1 - decay) if mean.is_floating_point() else now)


@torch.no_grad()
def measured(net: ExpressionNet, faces: Faces) -> dict[str, float]:
    """Balanced accuracy of sentiment on clean and on degraded crops, and of emotion on clean ones, 0..1."""
    arrays = (faces.inner, faces.shapes, faces.blendshapes)
    said = [net(*part) for part in zip(*(one.split(256) for one in arrays), strict=True)]
    sentiment = torch.cat([one.sentiment for one in said]).argmax(dim=1)
    emotion = torch.cat([one.emotion for one in said]).argmax(dim=1)
    clean = torch.from_numpy(faces.condition == "clean")
    valued = faces.sentiment != NO_SENTIMENT
    return {
        "balanced": _balanced(sentiment, faces.sentiment, clean & valued),
        "degraded": _balanced(sentiment, faces.sentiment, ~clean & valued),
        "emotion": _balanced(emotion, faces.emotion, clean),
    }


def _balanced(guess: Tensor, truth: Tensor, rows: Tensor) -> float:
    """Mean over the classes of the share of a class that was recognised."""
    guess, truth = guess[rows], truth[rows]
    return float(np.mean([float((guess[truth == one] == one).float().mean()) for one in truth.unique()]))


def _write_history(path: Path, history: list[dict[str, float]]) -> None:
    with path.open("w", newline="") as lines:
        writer = csv.DictWriter(lines, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(history)
