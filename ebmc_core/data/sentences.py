"""Lines of dialogue and of reviews as token states on disk: `sentences.npz`, what the sentence training reads.

Keys: `states` float16 `[tokens, 384]`, all lines one after the other, as they leave the last frozen block of MiniLM;
`starts` int64 `[N + 1]`, where each line begins; `frozen` int, the number of frozen blocks; `emotion` int8, a number
of `EMOTIONS` or `NO_EMOTION`; `label`, `item`, `group`, `split`, `condition`, `source` as in `ebmc_core.data.arrays`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ebmc_core.data.arrays import WORDS
from ebmc_core.data.columns import REAL, WHOLE, read_columns
from ebmc_core.errors import DataError

EMOTIONS = ("neutral", "joy", "surprise", "anger", "sadness", "disgust", "fear")
NO_EMOTION = -1
KINDS = {
    "states": (REAL, 2),
    "starts": (WHOLE, 1),
    "frozen": (WHOLE, 0),
    "label": (WHOLE, 1),
    "emotion": (WHOLE, 1),
    **WORDS,
}


@dataclass(frozen=True, slots=True, eq=False)
class Sentences:
    """All lines; shapes and meanings as at the top of this file."""

    states: NDArray[np.float16]
    starts: NDArray[np.int64]
    frozen: int
    label: NDArray[np.int8]
    emotion: NDArray[np.int8]
    item: NDArray[np.str_]
    group: NDArray[np.str_]
    split: NDArray[np.str_]
    condition: NDArray[np.str_]
    source: NDArray[np.str_]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each line, `[N]`."""
        return np.diff(self.starts)

    def batch(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """States float32 `[B, T, 384]`, zero where a line has ended, and the mask bool `[B, T]` of where it has not."""
        lengths = torch.from_numpy(self.lengths[rows])
        mask = torch.arange(int(lengths.max())) < lengths[:, None]
        states = torch.zeros(*mask.shape, self.states.shape[1])
        spans = zip(self.starts[rows].tolist(), self.starts[rows + 1].tolist(), strict=True)
        tokens = np.concatenate([np.arange(first, end) for first, end in spans])
        states[mask] = torch.from_numpy(self.states[tokens]).float()
        return states, mask


def read_sentences(path: Path) -> Sentences:
    """Read and check `sentences.npz`. Raises `DataError` when it is missing or damaged."""
    try:
        columns = read_columns(path, KINDS)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is missing or damaged: remove it and train again, which makes it") from error
    columns["frozen"] = int(columns["frozen"])
    found = Sentences(**columns)
    count = len(found.label)
    aligned = all(
        len(getattr(found, name)) == count for name in ("emotion", "item", "group", "split", "condition", "source")
    )
    if not aligned or len(found.starts) != count + 1 or found.starts[-1] != len(found.states):
        raise DataError(f"{path} is inconsistent: remove it and train again, which makes it")
    if not np.isfinite(found.states).all():
        raise DataError(f"{path} has states that are not finite")
    return found
