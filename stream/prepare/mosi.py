"""CMU-MOSI into training sequences: the released utterance features in the order of each video, and MiniLM vectors.

MiniLM as its authors published it. The stream's own encoder has blocks that were tuned on labels of these utterances;
its vectors are taken from the training itself, which has a network for each fold that did not learn from it.

Data: the feature release of Poria et al. (ACL 2017) of CMU-MOSI (Zadeh et al. 2016). It has no validation split, so 12
of its 62 training videos become one.
"""

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from ebmc_core.errors import DataError
from stream.features.sentence_graph import tuned_encoder
from stream.features.text import LONGEST

Report = Callable[[int, int, str], None]

SEED = 0
VALIDATION = 12
"""Videos of the published training split that are held out for every choice."""
BATCH = 128
RELEASED = {"released": "text", "audio": "audio", "video": "video", "label": "label"}
"""Columns that are taken over as they are: our name, the release's."""


def prepare_mosi(
    data: Path, out: Path, minilm: Path, reviews: Path | None = None, report: Report | None = None
) -> Path:
    """Write `out/mosi.npz` (see `ebmc_core.data.mosi`). Raises `DataError` where `data/cmu-mosi` is not there."""
    path = data / "cmu-mosi" / "mosi_utterance.npz"
    if not path.is_file():
        raise DataError(f"no utterances of MOSI at {path}: name the folder that holds cmu-mosi")
    with np.load(path) as stored:
        parts = [_part({name: stored[f"{part}_{name}"] for name in _NAMES}, part) for part in ("train", "test")]
    columns: dict[str, NDArray[Any]] = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    lines = [str(line) for line in columns.pop("transcript")]
    out.mkdir(parents=True, exist_ok=True)
    identity = columns.pop("id")
    if reviews is not None:
        columns["sentence"] = _tuned(reviews, identity)
    columns["minilm"] = published_vectors(lines, minilm, report)
    np.savez_compressed(out / "mosi.npz", **columns)  # pyright: ignore[reportArgumentType]
    return out / "mosi.npz"


@torch.inference_mode()
def published_vectors(lines: Sequence[str], minilm: Path, report: Report | None = None) -> NDArray[np.float32]:
    """Sentence vectors of the published MiniLM, float32 `[n, 384]`. minilm: the `minilm-l6-v2` weights."""
    tokenizer: Tokenizer = Tokenizer.from_file(str(minilm / "tokenizer.json"))
    tokenizer.enable_truncation(LONGEST, direction="left")
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")
    encoder, vectors = tuned_encoder(minilm, tuned=None), list[NDArray[np.float32]]()
    for first in range(0, len(lines), BATCH):
        encoded = tokenizer.encode_batch(list(lines[first : first + BATCH]))
        ids, masks = ([getattr(each, name) for each in encoded] for name in ("ids", "attention_mask"))
        vectors.append(encoder(torch.tensor(ids), torch.tensor(masks)).numpy())
        if report:
            report(min(first + BATCH, len(lines)), len(lines), "utterances")
    return np.concatenate(vectors)


_NAMES = ("id", "transcript", *RELEASED.values())


def _part(columns: dict[str, NDArray[Any]], part: str) -> dict[str, NDArray[Any]]:
    """One published split, by video and then by the number of the utterance."""
    names, numbers = zip(*(str(item).rsplit("_", 1) for item in columns["id"]), strict=True)
    name, number = np.array(names), np.array(numbers, np.int64)
    order = np.lexsort((number, name))
    videos = sorted(set(names))
    held = np.random.default_rng(SEED).permutation(videos)[:VALIDATION] if part == "train" else []
    split = np.where(np.isin(name, held), "validation", part)
    taken = {ours: columns[theirs][order] for ours, theirs in RELEASED.items()}
    same = {key: columns[key][order] for key in ("id", "transcript")}
    return {**taken, **same, "name": name[order], "split": split[order]}


def _tuned(reviews: Path, identity: NDArray[np.str_]) -> NDArray[np.float32]:
    """The vectors of these utterances from the `reviews.npz` of `ebmc train sentence`. Raises `DataError`."""
    try:
        with np.load(reviews) as stored:
            vectors = dict(zip(stored["item"].tolist(), stored["values"], strict=True))
            learned = int(stored["learned"].sum())
        found = np.stack([vectors[f"mosi-{item}"] for item in identity])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{reviews} lacks vectors of these utterances: make it with `ebmc train sentence`") from error
    if learned:
        raise DataError(f"{learned} vectors in {reviews} know their own label: train with `folds` in the configuration")
    return found.astype(np.float32)
