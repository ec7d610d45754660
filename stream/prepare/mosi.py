"""CMU-MOSI into training sequences: the released utterance features in the order of each video, and MiniLM vectors.

Data: the feature release of Poria et al. (ACL 2017) of CMU-MOSI (Zadeh et al. 2016). It has no validation split, so 12
of its 62 training videos become one.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ebmc_core.errors import DataError
from stream.features.text import TextFrontEnd

Report = Callable[[int, int, str], None]

SEED = 0
VALIDATION = 12
"""Videos of the published training split that are held out for every choice."""
BATCH = 128
RELEASED = {"released": "text", "audio": "audio", "video": "video", "label": "label"}
"""Columns that are taken over as they are: our name, the release's."""


def prepare_mosi(data: Path, out: Path, front: TextFrontEnd, report: Report | None = None) -> Path:
    """Write `out/mosi.npz` (see `ebmc_core.data.mosi`). Raises `DataError` where `data/cmu-mosi` is not there."""
    path = data / "cmu-mosi" / "mosi_utterance.npz"
    if not path.is_file():
        raise DataError(f"no utterances of MOSI at {path}: name the folder that holds cmu-mosi")
    with np.load(path) as stored:
        parts = [_part({name: stored[f"{part}_{name}"] for name in _NAMES}, part) for part in ("train", "test")]
    columns: dict[str, NDArray[Any]] = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    lines = [str(line).lower() for line in columns.pop("transcript")]  # they are written in capitals
    vectors: list[NDArray[np.float32]] = []
    for first in range(0, len(lines), BATCH):
        vectors.append(front.vectors(lines[first : first + BATCH]))
        if report:
            report(min(first + BATCH, len(lines)), len(lines), "utterances")
    out.mkdir(parents=True, exist_ok=True)
    columns["minilm"] = np.concatenate(vectors)
    np.savez_compressed(out / "mosi.npz", **columns)  # pyright: ignore[reportArgumentType]
    return out / "mosi.npz"


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
    return {**taken, "transcript": columns["transcript"][order], "name": name[order], "split": split[order]}
