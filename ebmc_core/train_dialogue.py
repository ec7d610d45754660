"""Train a reader of dialogue: the sentiment of each line from itself and the lines before it (see `dialogue.py`).

Every choice looks at validation dialogues, cut from the training ones; test is looked at once, after the last epoch.
"""

import copy
import dataclasses
import hashlib
import json
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from ebmc_core.checkpoint import CONFIG, WEIGHTS, checkpoint_folder
from ebmc_core.data.dialogues import Dialogues, read_dialogues
from ebmc_core.data.sentences import EMOTIONS, Sentences, read_sentences
from ebmc_core.dialogue import DialogueReader, mean_of
from ebmc_core.errors import DataError
from ebmc_core.metrics import balanced_accuracy, weighted_f1
from ebmc_core.sentence import BLOCKS, UpperEncoder
from ebmc_core.sentence_checkpoint import load_sentence

BUCKET = 32  # batches whose lines are sorted by length, so that little is padded
MEASURED = 64  # lines at once when nothing is learned


@dataclass(frozen=True)
class DialogueTrainConfig:
    """One training run."""

    name: str = "dialogue"
    features: Path = Path("features")
    """Folder that holds `sentences.npz`."""
    runs: Path = Path("runs")
    """The run is written to `runs/<name>-seed<seed>/`."""
    start: str = "sentence"
    """The checkpoint of sentence blocks where the training starts: one that comes with the package, or a folder."""
    seed: int = 0
    members: int = 1
    """Networks whose weights are averaged, each with a seed of its own."""
    blocks: int = 2
    """How many upper blocks the start has."""
    learned: int = 1
    """How many of them learn and read several lines; those below read each line by itself, once."""
    near: int = 1
    """Lines before that are read token by token."""
    earlier: int = 6
    """Lines before that are read at all."""
    epochs: int = 2
    """Each line is read once an epoch; the rate falls to zero at the end of the last one."""
    batch: int = 32
    rate: float = 1e-4
    """Of the blocks."""
    head_rate: float = 2e-3
    weight_decay: float = 1e-2
    dropout: float = 0.1
    smoothing: float = 0.0
    emotion: float = 0.3
    """Weight of naming the emotion, beside the sentiment."""
    averaging: float = 0.99
    """Decay of the running mean of the weights that is kept; it rises to this from zero."""

    @classmethod
    def from_toml(cls, path: Path, **overrides: Any) -> "DialogueTrainConfig":
        """Read a config file; `overrides` win. Raises `DataError` when it is missing or names an unknown key."""
        try:
            table: dict[str, Any] = tomllib.loads(path.read_text())
            table |= {key: Path(table[key]) for key in ("features", "runs") if key in table}
            return cls(**(table | overrides))
        except (OSError, tomllib.TOMLDecodeError, TypeError) as error:
            raise DataError(f"{path} is not a training config: {error}") from error


def train_dialogue(config: DialogueTrainConfig, report: Callable[[str], None]) -> Path:
    """Train the members, average their weights, write `runs/<name>-seed<seed>/` and return it. Raises `DataError`.

    report: gets a line an epoch. `config.json` holds the figures of the mean and of each member, on both splits.
    """
    sentences = read_sentences(config.features / "sentences.npz")
    if sentences.frozen + config.blocks != BLOCKS:
        raise DataError(f"sentences.npz is {sentences.frozen} blocks deep, not {BLOCKS - config.blocks}: remove it")
    dialogues = read_dialogues(raised(config, sentences), config.earlier)
    members = [train_member(config, dialogues, member, report) for member in range(config.members)]
    mean = mean_of(members)
    folder = config.runs / f"{config.name}-seed{config.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: weight.contiguous() for name, weight in mean.state_dict().items()}, folder / WEIGHTS)
    training = dataclasses.asdict(config) | {key: str(getattr(config, key)) for key in ("features", "runs")}
    judged = {"mean": mean} | {f"member {at}": one for at, one in enumerate(members)}
    metrics = {
        split: {name: measured(one, dialogues, split, config.near) for name, one in judged.items()}
        for split in ("validation", "test")
    }
    digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    described = {"training": training, "metrics": metrics, "sha256": digest}
    (folder / CONFIG).write_text(json.dumps(described, indent=2) + "\n")
    for split in ("validation", "test"):
        report(f"{split}: weighted F1 {100 * metrics[split]['mean']['weighted F1']:.1f} %")
    return folder


def new_reader(config: DialogueTrainConfig) -> DialogueReader:
    """The last blocks of the checkpoint that the training starts from. Raises `CheckpointError`, `DataError`."""
    encoder = start_encoder(config)
    encoder.blocks = encoder.blocks[config.blocks - config.learned :]
    return DialogueReader(encoder, config.earlier, len(EMOTIONS), config.dropout)


def start_encoder(config: DialogueTrainConfig) -> UpperEncoder:
    """All blocks of that checkpoint."""
    if not 0 < config.learned <= config.blocks:
        raise DataError(f"learned must be from 1 to blocks, {config.blocks}, not {config.learned}")
    encoder = UpperEncoder(config.blocks, config.dropout)
    folder = Path(config.start) if Path(config.start).is_dir() else checkpoint_folder(config.start)
    try:
        encoder.load_minilm(load_sentence(folder))
    except KeyError as error:
        raise DataError(f"{folder} has fewer than {config.blocks} blocks") from error
    return encoder


@torch.no_grad()
def raised(config: DialogueTrainConfig, sentences: Sentences) -> Sentences:
    """The lines' states above those blocks of the start that do not learn; of the lines that are read, no others."""
    lower = start_encoder(config).eval().blocks[: config.blocks - config.learned]
    if not len(lower):
        return sentences
    states = sentences.states.copy()
    rows = np.flatnonzero((sentences.source == "meld") & (sentences.condition == "clean"))
    for length in np.unique(sentences.lengths[rows]):
        same = rows[sentences.lengths[rows] == length]
        for part in np.array_split(same, -(-len(same) // MEASURED)):
            tokens = sentences.starts[part][:, None] + np.arange(length)
            found = torch.from_numpy(sentences.states[tokens]).float()
            for block in lower:
                found = block(found, torch.ones(found.shape[:2], dtype=torch.bool))
            states[tokens] = found.half().numpy()
    return dataclasses.replace(sentences, states=states, frozen=sentences.frozen + len(lower))


def train_member(
    config: DialogueTrainConfig, dialogues: Dialogues, member: int, report: Callable[[str], None]
) -> DialogueReader:
    """One network, its seed `config.seed + member`: the running mean of its weights at the end of the last epoch."""
    torch.manual_seed(config.seed + member)
    rng = np.random.default_rng(config.seed + member)
    net = new_reader(config)
    kept = copy.deepcopy(net).eval()
    optimiser = torch.optim.AdamW(_groups(net, config), betas=(0.9, 0.98))
    lines = dialogues.rows("train")
    steps = config.epochs * -(-len(lines) // config.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min(step / (0.06 * steps), 1 - step / steps))
    for epoch in range(config.epochs):
        net.train()
        total = 0.0
        for rows in _batches(dialogues, rng.permutation(lines), config, rng):
            sentiment, emotion = net(*dialogues.batch(rows, config.near))
            label, felt = (
                torch.from_numpy(column[rows]).long()
                for column in (dialogues.sentences.label, dialogues.sentences.emotion)
            )
            loss = functional.cross_entropy(sentiment, label, label_smoothing=config.smoothing)
            loss = loss + config.emotion * functional.cross_entropy(emotion, felt, label_smoothing=config.smoothing)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            decay = min(config.averaging, (schedule.last_epoch + 1) / (schedule.last_epoch + 10))
            with torch.no_grad():
                for mean, now in zip(kept.parameters(), net.parameters(), strict=True):
                    mean.lerp_(now, 1 - decay)
            total += float(loss.detach()) * config.epochs / steps
        scores = measured(kept, dialogues, "validation", config.near)
        row = {"member": member, "epoch": epoch, "loss": total, **scores}
        report("  ".join(f"{name} {value:.4g}" for name, value in row.items()))
    return kept


def _groups(net: DialogueReader, config: DialogueTrainConfig) -> list[dict[str, object]]:
    """The blocks' matrices, all that does not decay, and the heads, each with its rate."""
    blocks = list(net.encoder.parameters())
    heads = [*net.sentiment.parameters(), *net.emotion.parameters()]
    flat = [one for one in blocks if one.ndim == 1]
    return [
        {"params": [one for one in blocks if one.ndim > 1], "lr": config.rate, "weight_decay": config.weight_decay},
        {"params": flat, "lr": config.rate, "weight_decay": 0.0},
        {"params": [net.back.weight], "lr": config.head_rate, "weight_decay": 0.0},
        {"params": heads, "lr": config.head_rate, "weight_decay": config.weight_decay},
    ]


def _batches(
    dialogues: Dialogues, drawn: NDArray[np.int64], config: DialogueTrainConfig, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """All lines, in batches of nearly one length, in random order."""
    for first in range(0, len(drawn), BUCKET * config.batch):
        bucket = drawn[first : first + BUCKET * config.batch]
        bucket = bucket[np.argsort(dialogues.lengths(bucket, config.near), kind="stable")]
        batches = [bucket[at : at + config.batch] for at in range(0, len(bucket), config.batch)]
        yield from (batches[at] for at in rng.permutation(len(batches)))


@torch.no_grad()
def measured(net: DialogueReader, dialogues: Dialogues, split: str, near: int) -> dict[str, float]:
    """Weighted F1 and balanced accuracy of the three sentiments, 0..1."""
    net.eval()
    rows = dialogues.rows(split)
    guess = np.zeros(len(rows), np.int64)
    order = np.argsort(dialogues.lengths(rows, near), kind="stable")
    for first in range(0, len(rows), MEASURED):
        part = order[first : first + MEASURED]
        guess[part] = net(*dialogues.batch(rows[part], near))[0].argmax(dim=1).numpy()
    truth = dialogues.sentences.label[rows].astype(np.int64)
    return {"weighted F1": weighted_f1(guess, truth), "balanced": balanced_accuracy(guess, truth)}
