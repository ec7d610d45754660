"""Train the expression network on the portraits of `faces.npz` (see `stream.prepare.faces`).

What the network looks at is fixed, so the views of all faces are computed once, and only what it concludes is trained.
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

from ebmc_core.errors import DataError
from ebmc_core.expression import ExpressionNet, ExpressionOutput, Looks
from ebmc_core.expression_checkpoint import save_expression
from ebmc_core.face import CROP, SENTIMENT_OF_EMOTION, TEXTURE

NO_SENTIMENT = -1
ARRAYS = ("crops", "textures", "shapes", "blendshapes", "emotion", "group", "condition")


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
    """Faces an epoch: drawn anew each time, a third from each sentiment."""
    batch: int = 64
    rate: float = 2e-3
    weight_decay: float = 5e-2
    dropout: float = 0.5
    smoothing: float = 0.1
    """Of the labels: people disagree about one portrait in ten."""
    emotion: float = 0.3
    """Weight of naming the emotion, beside the sentiment."""
    persons: float = 0.5
    """0 draws pictures alike, 1 draws persons alike: half of the negative pictures show eight actors."""
    negative: float = 1.0
    """Share of negative faces among those drawn, against 1 for neutral and 1 for positive ones."""
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
    """The looks of N faces, their emotion and sentiment (-1: none), who they are and how they were degraded."""

    looks: Looks
    emotion: Tensor
    sentiment: Tensor
    group: NDArray[np.str_]
    condition: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.emotion)

    @property
    def clean(self) -> Tensor:
        """Which are as they were found, bool `[N]`."""
        return torch.from_numpy(self.condition == "clean")

    @property
    def covered(self) -> Tensor:
        """Which have something before them, float `[N]`."""
        return torch.from_numpy(self.condition == "covered").float()


def load_faces(path: Path, split: str) -> Faces:
    """One split of `faces.npz`. Raises `DataError` when it is missing, empty or malformed."""
    try:
        with np.load(path) as stored:
            rows = np.flatnonzero(stored["split"] == split)
            arrays = {name: stored[name][rows] for name in ARRAYS}
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise DataError(f"{path} is missing or damaged: run `ebmc data prepare`") from error
    if not len(rows) or arrays["crops"].shape[1:] != (CROP, CROP) or arrays["textures"].shape[1:] != TEXTURE:
        raise DataError(f"{path} holds no crops of {CROP} x {CROP} in its {split} split: run `ebmc data prepare`")
    sentiment_of = torch.tensor([NO_SENTIMENT if side is None else side for side in SENTIMENT_OF_EMOTION])
    emotion = torch.from_numpy(arrays["emotion"]).long()
    return Faces(
        looks=Looks(
            crops=torch.from_numpy(arrays["crops"]),
            textures=torch.from_numpy(arrays["textures"]),
            shapes=torch.from_numpy(arrays["shapes"]).float(),
            blendshapes=torch.from_numpy(arrays["blendshapes"]).float(),
        ),
        emotion=emotion,
        sentiment=sentiment_of[emotion],
        group=arrays["group"],
        condition=arrays["condition"],
    )


@torch.no_grad()
def views_of(net: ExpressionNet, looks: Looks) -> Tensor:
    """The fixed views of many faces, `[N, sum(directions)]`."""
    starts = range(0, len(looks.crops), 512)
    return torch.cat([net.seen(looks.at(slice(start, start + 512))) for start in starts])


def train_expression(config: ExpressionTrainConfig, report: Callable[[str], None]) -> Path:
    """Train, keep the best epoch by validation, write `runs/<name>/` and return it. `report` gets a line an epoch."""
    torch.manual_seed(config.seed)
    parts = {name: load_faces(config.features / "faces.npz", name) for name in ("train", "validation", "test")}
    net = ExpressionNet(dropout=config.dropout)
    net.fit_views(parts["train"].looks.at(parts["train"].clean))
    views = {name: views_of(net, part.looks) for name, part in parts.items()}
    kept, history = trained(net, parts, views, config, report)
    metrics = {name: measured(kept, views[name], part) for name, part in parts.items()}
    report("kept: " + ", ".join(f"{name} {score['balanced']:.3f}" for name, score in metrics.items()))
    folder = config.runs / config.name
    training = dataclasses.asdict(config) | {"features": str(config.features), "runs": str(config.runs)}
    save_expression(kept, folder, training, metrics)
    _write_history(folder / "metrics.csv", history)
    return folder


def trained(
    net: ExpressionNet,
    parts: dict[str, Faces],
    views: dict[str, Tensor],
    config: ExpressionTrainConfig,
    report: Callable[[str], None],
) -> tuple[ExpressionNet, list[dict[str, float]]]:
    """The network of the best epoch and the scores of all; looks at the parts train and validation."""
    rng = torch.Generator().manual_seed(config.seed)
    kept = copy.deepcopy(net).eval()  # the running mean of the weights
    optimiser = torch.optim.AdamW(_groups(net, config.weight_decay), lr=config.rate)
    steps = config.epochs * (config.draws // config.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.rate, total_steps=steps, pct_start=0.1)
    best, best_epoch, best_state, history = 0.0, 0, copy.deepcopy(kept.state_dict()), []
    for epoch in range(config.epochs):
        net.train()
        total = 0.0
        for rows in _batches(parts["train"], config, rng):
            loss = _loss(net.concluded(views["train"][rows]), parts["train"], rows, config)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimiser.step()
            schedule.step()
            _average(kept, net, min(config.averaging, (schedule.last_epoch + 1) / (schedule.last_epoch + 10)))
            total += float(loss.detach()) / (config.draws // config.batch)
        scores = {"epoch": epoch, "loss": total, **measured(kept, views["validation"], parts["validation"])}
        history.append(scores)
        report(
            "  ".join(f"{name} {value:.3f}" if name != "epoch" else f"epoch {value}" for name, value in scores.items())
        )
        if scores["balanced"] > best:
            best, best_epoch, best_state = scores["balanced"], epoch, copy.deepcopy(kept.state_dict())
        if epoch - best_epoch >= config.patience:
            break
    kept.load_state_dict(best_state)
    return kept, history


def _groups(net: nn.Module, decay: float) -> list[dict[str, object]]:
    """Weight decay for matrices and kernels only, as it makes no sense for offsets and norms."""
    heavy = [weight for weight in net.parameters() if weight.ndim > 1]
    light = [weight for weight in net.parameters() if weight.ndim <= 1]
    return [{"params": heavy, "weight_decay": decay}, {"params": light, "weight_decay": 0.0}]


def _batches(faces: Faces, config: ExpressionTrainConfig, rng: torch.Generator) -> Iterator[Tensor]:
    """Rows for one epoch: negative ones as `config.negative` says, each person by `1 / count ** config.persons`.

    Half of each sentiment is clean: rare emotions have more degraded copies, and blur must not come to mean sadness.
    """
    clean, weight = faces.clean, torch.zeros(len(faces))
    _, person = np.unique(faces.group, return_inverse=True)
    for sentiment, share in ((0, config.negative), (1, 1.0), (2, 1.0), (NO_SENTIMENT, 0.25)):
        for condition in (clean, ~clean):
            part = (faces.sentiment == sentiment) & condition
            count = torch.from_numpy(np.bincount(person, weights=part.numpy())[person]).clamp_min(1.0)
            chance = part * count.float() ** -config.persons
            weight += share * chance / chance.sum().clamp_min(1e-9)
    rows = torch.multinomial(weight, config.draws, replacement=True, generator=rng)
    return iter(rows[: config.draws // config.batch * config.batch].split(config.batch))


def _loss(said: ExpressionOutput, faces: Faces, rows: Tensor, config: ExpressionTrainConfig) -> Tensor:
    """Cross entropy of emotion, of sentiment and of whether the face is covered."""
    emotion = functional.cross_entropy(said.emotion, faces.emotion[rows], label_smoothing=config.smoothing)
    sentiment = functional.cross_entropy(
        said.sentiment, faces.sentiment[rows], ignore_index=NO_SENTIMENT, label_smoothing=config.smoothing
    )
    covered = functional.binary_cross_entropy_with_logits(said.covered, faces.covered[rows])
    return config.emotion * emotion + sentiment + covered  # the last one has weights of its own


@torch.no_grad()
def _average(kept: nn.Module, net: nn.Module, decay: float) -> None:
    """Move the running mean of the weights towards the present ones; counters are copied."""
    for mean, now in zip(kept.state_dict().values(), net.state_dict().values(), strict=True):
        mean.copy_(mean * decay + now * (1 - decay) if mean.is_floating_point() else now)


@torch.no_grad()
def measured(net: ExpressionNet, views: Tensor, faces: Faces) -> dict[str, float]:
    """Balanced accuracy of sentiment on clean and on degraded faces, and of emotion on clean ones, 0..1.

    covered: area under the ROC curve, covered faces against all others.
    """
    said = net.concluded(views)
    sentiment, emotion = said.sentiment.argmax(dim=1), said.emotion.argmax(dim=1)
    clean, valued = faces.clean, faces.sentiment != NO_SENTIMENT
    return {
        "balanced": _balanced(sentiment, faces.sentiment, clean & valued),
        "degraded": _balanced(sentiment, faces.sentiment, ~clean & valued),
        "emotion": _balanced(emotion, faces.emotion, clean),
        "covered": _area(said.covered, faces.covered > 0),
    }


def _area(score: Tensor, truth: Tensor) -> float:
    """Share of pairs of a true and a false row in which the true one scores higher."""
    yes, no = score[truth], score[~truth].sort().values
    return float(torch.searchsorted(no, yes).double().mean() / len(no))


def _balanced(guess: Tensor, truth: Tensor, rows: Tensor) -> float:
    """Mean over the classes of the share of a class that was recognised."""
    guess, truth = guess[rows], truth[rows]
    return float(np.mean([float((guess[truth == one] == one).float().mean()) for one in truth.unique()]))


def _write_history(path: Path, history: list[dict[str, float]]) -> None:
    with path.open("w", newline="") as lines:
        writer = csv.DictWriter(lines, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(history)
