"""Train the upper blocks of the sentence encoder on the lines of `sentences.npz` (see `stream.prepare.sentences`).

Every choice looks at validation dialogues and videos; test ones are looked at once, after the last epoch.
"""

import copy
import csv
import dataclasses
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from ebmc_core.data.sentences import EMOTIONS, Sentences, read_sentences
from ebmc_core.errors import DataError
from ebmc_core.sentence import BLOCKS, WIDTH, SentimentReader, UpperEncoder
from ebmc_core.sentence_checkpoint import save_sentence

CONDITIONS = {"clean": ("clean",), "heard": ("plain", "calm"), "partial": ("partial",), "misheard": ("misheard",)}
BUCKET = 32  # batches whose lines are sorted by length, so that little is padded
MEASURED = 64  # lines at once when nothing is learned


@dataclass(frozen=True)
class SentenceTrainConfig:
    """One training run."""

    name: str = "sentence"
    features: Path = Path("features")
    """Folder that holds `sentences.npz`."""
    runs: Path = Path("runs")
    """The run is written to `runs/<name>/`."""
    minilm: Path = Path("minilm")
    """Folder that holds MiniLM's `model.safetensors`, where the training starts."""
    seed: int = 0
    members: int = 3
    """Networks whose weights are averaged, each with a seed of its own."""
    folds: int = 3
    """The training videos of the reviews go round these; a member leaves out the fold of its number. 0: none does."""
    blocks: int = 2
    """How many of the upper blocks learn."""
    epochs: int = 2
    """Each line is read once an epoch, as one of its copies; the rate falls to zero at the end of the last one."""
    batch: int = 32
    rate: float = 1.5e-4
    """Of the blocks."""
    head_rate: float = 2e-3
    weight_decay: float = 1e-2
    dropout: float = 0.1
    smoothing: float = 0.0
    emotion: float = 0.3
    """Weight of naming the emotion, beside the sentiment."""
    clean: float = 0.5
    """Share of the lines that are read as written, the others as one of their copies."""
    averaging: float = 0.99
    """Decay of the running mean of the weights that is kept; it rises to this from zero."""

    @classmethod
    def from_toml(cls, path: Path, **overrides: Any) -> "SentenceTrainConfig":
        """Read a config file; `overrides` win. Raises `DataError` when it is missing or names an unknown key."""
        try:
            table: dict[str, Any] = tomllib.loads(path.read_text())
            table |= {key: Path(table[key]) for key in ("features", "runs", "minilm") if key in table}
            return cls(**(table | overrides))
        except (OSError, tomllib.TOMLDecodeError, TypeError) as error:
            raise DataError(f"{path} is not a training config: {error}") from error


def train_sentence(config: SentenceTrainConfig, report: Callable[[str], None]) -> Path:
    """Train the members, average their weights, write `runs/<name>/` and return it. Raises `DataError`.

    report: gets a line an epoch. Beside the checkpoint the folder holds `metrics.csv` (every epoch of every member) and
    `reviews.npz` (see `_write_reviews`).
    """
    sentences = read_sentences(config.features / "sentences.npz")
    if sentences.frozen + config.blocks != BLOCKS:
        raise DataError(f"sentences.npz is {sentences.frozen} blocks deep, not {BLOCKS - config.blocks}: remove it")
    members: list[SentimentReader] = []
    history: list[dict[str, float]] = []
    for member in range(config.members):
        net, epochs = train_member(config, sentences, member, report)
        members.append(net)
        history += epochs
    mean = averaged(members)
    folder = config.runs / config.name
    metrics = {split: measured(mean, sentences, split) for split in ("validation", "test")}
    training = dataclasses.asdict(config) | {key: str(getattr(config, key)) for key in ("features", "runs")}
    save_sentence(mean.encoder, folder, {key: training[key] for key in training if key != "minilm"}, metrics)
    _write_history(folder / "metrics.csv", history)
    _write_reviews(folder / "reviews.npz", sentences, mean, members, config.folds)
    return folder


def train_member(
    config: SentenceTrainConfig, sentences: Sentences, member: int, report: Callable[[str], None]
) -> tuple[SentimentReader, list[dict[str, float]]]:
    """One network, its seed `config.seed + member`, without the videos of fold `member`; and a row an epoch."""
    seed = config.seed + member
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = SentimentReader(pretrained(config), len(EMOTIONS), config.dropout)
    kept = copy.deepcopy(net).eval()  # the running mean of the weights
    optimiser = torch.optim.AdamW(_groups(net, config), betas=(0.9, 0.98))
    lines = _lines(sentences, review_folds(sentences, config.folds) == member)
    steps = config.epochs * -(-len(lines) // config.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min(step / (0.06 * steps), 1 - step / steps))
    history: list[dict[str, float]] = []
    for epoch in range(config.epochs):
        net.train()
        total = 0.0
        for rows in _batches(sentences, lines, config, rng):
            loss = _loss(net, sentences, rows, config)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            _average(kept, net, min(config.averaging, (schedule.last_epoch + 1) / (schedule.last_epoch + 10)))
            total += float(loss.detach()) * config.epochs / steps
        scores = measured(kept, sentences, "validation", ("clean",))
        history.append({"member": member, "epoch": epoch, "loss": total, **scores})
        report("  ".join(f"{name} {value:.4g}" for name, value in history[-1].items()))
    return kept, history


@torch.no_grad()
def averaged(members: list[SentimentReader]) -> SentimentReader:
    """The mean of the weights (Wortsman et al. 2022, "Model soups"): all members began at one place, so it is one."""
    mean = copy.deepcopy(members[0])
    for part, *parts in zip(mean.parameters(), *(one.parameters() for one in members), strict=True):
        part.copy_(torch.stack(parts).mean(dim=0))
    return mean


def review_folds(sentences: Sentences, count: int) -> NDArray[np.int64]:
    """The fold of each row, `[N]`: training videos of reviews go round; -1 for all other rows."""
    videos = np.unique(sentences.group[(sentences.source == "mosi") & (sentences.split == "train")])
    folds = np.full(len(sentences.label), -1)
    if count > 0:
        for at, video in enumerate(videos):
            folds[sentences.group == video] = at % count
    return folds


def _write_reviews(
    path: Path, sentences: Sentences, mean: SentimentReader, members: list[SentimentReader], count: int
) -> None:
    """Vectors of all clean review lines, as far as possible by networks that had not learned from their labels.

    Another model that trains on a network's vectors of the network's own training lines trusts them too much. So a
    training line has the vector of the member that left its fold out, all others that of the mean. Keys: `values`
    float32 `[N, 384]`, `item`, `split`, `label`, and `learned` bool, true where the vector knows the label after all.
    """
    rows = np.flatnonzero((sentences.source == "mosi") & (sentences.condition == "clean"))
    folds = review_folds(sentences, count)[rows]
    values = np.zeros((len(rows), WIDTH), np.float32)
    for fold in np.unique(folds):
        encoder = members[fold].encoder if 0 <= fold < len(members) else mean.encoder
        values[folds == fold] = sentence_vectors(encoder, sentences, rows[folds == fold]).numpy()
    columns = {name: getattr(sentences, name)[rows] for name in ("item", "split", "label")}
    learned = (columns["split"] == "train") & ~((folds >= 0) & (folds < len(members)))
    np.savez(path, values=values, learned=learned, **columns)


def pretrained(config: SentenceTrainConfig) -> UpperEncoder:
    """MiniLM's own upper blocks. Raises `DataError` when its file is not there or is another network's."""
    encoder = UpperEncoder(config.blocks, config.dropout)
    try:
        encoder.load_minilm(load_file(config.minilm / "model.safetensors"))
    except Exception as error:  # safetensors' own error has no public root
        raise DataError(f"{config.minilm} holds no MiniLM weights: run `ebmc models pull minilm-l6-v2`") from error
    return encoder


def _groups(net: SentimentReader, config: SentenceTrainConfig) -> list[dict[str, object]]:
    """The blocks' matrices, their offsets and norms (which do not decay), and the heads, each with its rate."""
    blocks = list(net.encoder.parameters())
    heads = [part for head in (net.sentiment, net.emotion, net.verdict) for part in head.parameters()]
    matrices, offsets = [one for one in blocks if one.ndim > 1], [one for one in blocks if one.ndim == 1]
    return [
        {"params": matrices, "lr": config.rate, "weight_decay": config.weight_decay},
        {"params": offsets, "lr": config.rate, "weight_decay": 0.0},
        {"params": heads, "lr": config.head_rate, "weight_decay": config.weight_decay},
    ]


def _lines(sentences: Sentences, skipped: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """The rows of each training line that is not skipped, the clean one first."""
    rows = np.flatnonzero((sentences.split == "train") & ~skipped)
    clean = sentences.condition[rows] == "clean"
    order = rows[np.lexsort((rows, ~clean, sentences.item[rows]))]
    return np.split(order, np.flatnonzero(sentences.item[order][1:] != sentences.item[order][:-1]) + 1)


def _batches(
    sentences: Sentences, lines: list[NDArray[np.int64]], config: SentenceTrainConfig, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """One copy of each line, in batches of nearly one length, in random order."""
    drawn = np.array([line[0] if rng.random() < config.clean else rng.choice(line) for line in lines])
    drawn = rng.permutation(drawn)
    for first in range(0, len(drawn), BUCKET * config.batch):
        bucket = drawn[first : first + BUCKET * config.batch]
        bucket = bucket[np.argsort(sentences.lengths[bucket], kind="stable")]
        batches = [bucket[at : at + config.batch] for at in range(0, len(bucket), config.batch)]
        yield from (batches[at] for at in rng.permutation(len(batches)))


def _loss(net: SentimentReader, sentences: Sentences, rows: NDArray[np.int64], config: SentenceTrainConfig) -> Tensor:
    """Mean over the lines of the cross entropies: sentiment and emotion of dialogue, the verdict of reviews."""
    sentiment, emotion, verdict = net(*sentences.batch(rows))
    label = torch.from_numpy(sentences.label[rows]).long()
    felt = torch.from_numpy(sentences.emotion[rows]).long()
    review = torch.from_numpy(sentences.source[rows] == "mosi")

    def summed(logits: Tensor, truth: Tensor) -> Tensor:
        return functional.cross_entropy(logits, truth, label_smoothing=config.smoothing, reduction="sum")

    loss = summed(sentiment[~review], label[~review]) + config.emotion * summed(emotion[~review], felt[~review])
    return (loss + summed(verdict[review], label[review] // 2)) / len(rows)  # labels 0 and 2: MOSI has no neutral


@torch.no_grad()
def _average(kept: nn.Module, net: nn.Module, decay: float) -> None:
    """Move the running mean of the weights towards the present ones."""
    for mean, now in zip(kept.parameters(), net.parameters(), strict=True):
        mean.lerp_(now, 1 - decay)


@torch.no_grad()
def measured(
    net: SentimentReader, sentences: Sentences, split: str, names: Iterable[str] = CONDITIONS
) -> dict[str, float]:
    """By the training's own heads, 0..1: weighted F1 and balanced accuracy on MELD, accuracy on MOSI.

    names: of `CONDITIONS`.
    """
    scores: dict[str, float] = {}
    for name in names:
        chosen = (sentences.split == split) & np.isin(sentences.condition, CONDITIONS[name])
        for source in ("meld", "mosi"):
            rows = np.flatnonzero(chosen & (sentences.source == source))
            if not len(rows):
                continue
            sentiment, _, verdict = net.heads(sentence_vectors(net.encoder, sentences, rows))
            truth = sentences.label[rows].astype(np.int64)
            if source == "mosi":
                scores[f"mosi/{name}"] = float(np.mean(2 * verdict.argmax(dim=1).numpy() == truth))
            else:
                guess = sentiment.argmax(dim=1).numpy()
                scores[f"meld/{name}"] = weighted_f1(guess, truth)
                scores[f"meld/{name}/balanced"] = float(np.mean([np.mean(guess[truth == k] == k) for k in set(truth)]))
    return scores


@torch.no_grad()
def sentence_vectors(encoder: UpperEncoder, sentences: Sentences, rows: NDArray[np.int64]) -> Tensor:
    """Unit vectors of some lines, `[len(rows), 384]`."""
    vectors = torch.zeros(len(rows), WIDTH)
    order = np.argsort(sentences.lengths[rows], kind="stable")
    for first in range(0, len(rows), MEASURED):
        part = order[first : first + MEASURED]
        vectors[part] = encoder(*sentences.batch(rows[part]))
    return vectors


def weighted_f1(guess: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    """F1 per class, averaged by how often the class is the truth; 0 for a class that is never guessed right."""
    found = 0.0
    for label in set(truth.tolist()):
        hits = int(((guess == label) & (truth == label)).sum())
        found += 2 * hits / int((guess == label).sum() + (truth == label).sum()) * float(np.mean(truth == label))
    return found


def _write_history(path: Path, history: list[dict[str, float]]) -> None:
    with path.open("w", newline="") as lines:
        writer = csv.DictWriter(lines, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(history)
