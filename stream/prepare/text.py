"""MELD and CMU-MOSI transcripts into training vectors: written lines, and what a recogniser would make of them.

Live text is heard, not written: it comes without care for case and commas, stops in mid-sentence, and some words are
others than were said. So each line has copies like that, with the doubt a recogniser would have had.

Data: MELD (Poria et al. 2019), CMU-MOSI transcripts (Zadeh et al. 2016). MOSI has no neutral.
"""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator

from ebmc_core.data.sentences import EMOTIONS, NO_EMOTION
from ebmc_core.errors import DataError
from ebmc_core.modality import SENTIMENTS, Sentiment
from stream.features.text import TextFrontEnd, recency

Report = Callable[[int, int, str], None]

SEED = 22
BATCH = 256
MELD_VALIDATION = 0.10  # of the dialogues
MOSI_VALIDATION = 0.15  # of the videos
# typographic punctuation in plain signs: cp1252 bytes that were read as latin-1, and the proper characters
PUNCTUATION = str.maketrans(
    dict.fromkeys("\x91\x92\u2018\u2019", "'")
    | dict.fromkeys("\x93\x94\u201c\u201d", '"')
    | dict.fromkeys("\x96\x97\u2013\u2014", " - ")
    | {"\x85": "...", "\u2026": "...", "\xa0": " "}
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it was transcribed."""

    text: str
    label: int
    item: str
    group: str
    split: str
    source: str
    emotion: int = NO_EMOTION


@dataclass(frozen=True, slots=True)
class Copy:
    """A line as somebody heard it. quality: 0..1, as the text front end would have measured it."""

    line: Line
    condition: str
    text: str
    quality: float


def prepare_text(data: Path, out: Path, front: TextFrontEnd, report: Report | None = None) -> Path:
    """Write `out/text.npz` from `data/meld` and `data/cmu-mosi`. Raises `DataError` when they are not there."""
    copies = read_copies(data)
    vectors: list[np.ndarray] = []
    for first in range(0, len(copies), BATCH):
        vectors.append(front.vectors([copy.text for copy in copies[first : first + BATCH]]))
        if report:
            report(min(first + BATCH, len(copies)), len(copies), "sentences")
    out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        out / "text.npz",
        values=np.concatenate(vectors).astype(np.float16),
        quality=np.array([copy.quality for copy in copies], np.float32),
        label=np.array([copy.line.label for copy in copies], np.int8),
        item=np.array([copy.line.item for copy in copies]),
        group=np.array([copy.line.group for copy in copies]),
        split=np.array([copy.line.split for copy in copies]),
        condition=np.array([copy.condition for copy in copies]),
        source=np.array([copy.line.source for copy in copies]),
    )
    return out / "text.npz"


def read_copies(data: Path) -> list[Copy]:
    """Every line of both data sets with its copies, the same ones each time. Raises `DataError` as `prepare_text`."""
    rng = np.random.default_rng(SEED)
    lines = [*_meld(data / "meld", rng), *_mosi(data / "cmu-mosi" / "mosi_utterance.npz", rng)]
    vocabulary = sorted({word for line in lines if line.split == "train" for word in _plain(line.text)})
    return [copy for line in lines for copy in _copies(line, vocabulary, rng)]


def _meld(folder: Path, rng: Generator) -> Iterator[Line]:
    """The training file by dialogue into train and validation; the development file is the test."""
    train = _meld_rows(folder / "train_sent_emo.csv")
    dialogues = sorted({row["Dialogue_ID"] for row in train})
    held = set(rng.choice(dialogues, round(MELD_VALIDATION * len(dialogues)), replace=False).tolist())
    for rows, part in ((train, "train"), (_meld_rows(folder / "dev_sent_emo.csv"), "dev")):
        for row in rows:
            dialogue = row["Dialogue_ID"]
            split = "test" if part == "dev" else "validation" if dialogue in held else "train"
            group = f"meld-{part}-{dialogue}"
            label = SENTIMENTS.index(Sentiment(row["Sentiment"].lower()))
            text = " ".join(row["Utterance"].translate(PUNCTUATION).split())
            if text:
                emotion = EMOTIONS.index(row["Emotion"])
                yield Line(text, label, f"{group}-{row['Utterance_ID']}", group, split, "meld", emotion)


def _meld_rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise DataError(f"no MELD lines at {path}: name the folder that holds meld")
    with path.open(encoding="utf-8", newline="") as stored:
        return list(csv.DictReader(stored))


def _mosi(path: Path, rng: Generator) -> Iterator[Line]:
    """The training videos into train and validation; the official test stays the test."""
    if not path.is_file():
        raise DataError(f"no MOSI transcripts at {path}: name the folder that holds cmu-mosi")
    with np.load(path) as stored:
        columns = {
            part: [stored[f"{part}_{name}"].tolist() for name in ("id", "transcript", "label")]
            for part in ("train", "test")
        }
    videos = sorted({_video(item) for item in columns["train"][0]})
    held = set(rng.choice(videos, round(MOSI_VALIDATION * len(videos)), replace=False).tolist())
    for part, (items, transcripts, labels) in columns.items():
        for item, transcript, positive in zip(items, transcripts, labels, strict=True):
            split = "test" if part == "test" else "validation" if _video(item) in held else "train"
            sentiment = Sentiment.POSITIVE if positive else Sentiment.NEGATIVE
            text = " ".join(str(transcript).lower().split())
            if text:
                yield Line(text, SENTIMENTS.index(sentiment), f"mosi-{item}", f"mosi-{_video(item)}", split, "mosi")


def _video(item: str) -> str:
    """Of `<video id>_<utterance number>`; the video id may have underscores itself."""
    return item.rpartition("_")[0]


def _plain(text: str) -> list[str]:
    """Lower-case words without punctuation, except apostrophes."""
    kept = "".join(mark if mark.isalnum() or mark in "' " else " " for mark in text.lower())
    return [word for word in (part.strip("'") for part in kept.split()) if word]


def _calm(text: str) -> str:
    """Punctuation as a recogniser sets it, which hears questions but neither dots of hesitation nor exclamations."""
    return re.sub(r"[.!]+(?=\s|$)", ".", re.sub(r"[!?]*\?[!?]*", "?", text.lower()))


def _copies(line: Line, vocabulary: Sequence[str], rng: Generator) -> Iterator[Copy]:
    """As written; as heard, with or without commas; stopped in mid-sentence; and misheard."""
    words = _plain(line.text)
    yield Copy(line, "clean", line.text, _doubt(len(words), 0, 0.5, rng))
    if words:
        condition, text = ("plain", " ".join(words)) if rng.random() < 0.5 else ("calm", _calm(line.text))
        yield Copy(line, condition, text, _doubt(len(words), 0, rng.uniform(0, 2), rng))
    if len(words) >= 4:
        said = words[: max(2, round(rng.uniform(0.3, 0.9) * len(words)))]
        yield Copy(line, "partial", " ".join(said), _doubt(len(said), 1, rng.uniform(0, 2), rng))
    if len(words) >= 2:
        heard, wrong = _misheard(words, vocabulary, rng)
        yield Copy(line, "misheard", " ".join(heard), _doubt(len(heard), wrong, rng.uniform(0, 2), rng))


def _misheard(words: Sequence[str], vocabulary: Sequence[str], rng: Generator) -> tuple[list[str], int]:
    """10 to 50 % of the words, at least one, lost or taken for others; and how many of those left are wrong."""
    share = rng.uniform(0.1, 0.5)
    hit = rng.random(len(words)) < share
    hit[rng.integers(len(words))] = True
    heard: list[str] = []
    wrong = 0
    for word, struck in zip(words, hit, strict=True):
        if not struck:
            heard.append(word)
        elif rng.random() < 0.6 or len(words) == 2:
            heard.append(vocabulary[int(rng.integers(len(vocabulary)))])
            wrong += 1
    return heard or list(words[:1]), wrong


def _doubt(count: int, wrong: int, age: float, rng: Generator) -> float:
    """Mean word probability times recency, with probabilities like those Whisper gives to right and wrong words."""
    right = rng.beta(9, 1.2, max(0, count - wrong))
    unsure = rng.beta(3, 4, wrong)
    found = np.concatenate([right, unsure])
    return float(found.mean() if len(found) else 0.5) * recency(age)
