"""Dialogues in order: which lines were said before each one, and batches of a line with its past.

Made from `sentences.npz` (see `ebmc_core.data.sentences`): the clean lines of MELD, whose items end in their number
within the dialogue.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ebmc_core.data.sentences import Sentences
from ebmc_core.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class Dialogues:
    """The lines as they were written. before `[N, K]`: rows of the K lines before each row, nearest first, -1: none."""

    sentences: Sentences
    before: NDArray[np.int64]
    means: Tensor  # [N, 384], of each line's token states

    def rows(self, split: str) -> NDArray[np.int64]:
        """The lines of a split, in the order of the file."""
        lines = self.sentences
        return np.flatnonzero((lines.split == split) & (lines.source == "meld") & (lines.condition == "clean"))

    def lengths(self, rows: NDArray[np.int64], near: int) -> NDArray[np.int64]:
        """Tokens that `batch` gives for each of these rows."""
        tokens, past = self.sentences.lengths, self.before[rows]
        whole, rest = past[:, :near], past[:, near:]
        return tokens[rows] + np.where(whole >= 0, tokens[whole], 0).sum(1) + (rest >= 0).sum(1)

    def batch(self, rows: NDArray[np.int64], near: int) -> tuple[Tensor, Tensor, Tensor]:
        """States float32 `[B, T, 384]`, mask bool and lines back int64 `[B, T]`; own tokens first, padding last.

        near: how many of the lines before are read token by token; each of those before these is one token.
        """
        lines, width = self.sentences, self.means.shape[1]
        sizes = self.lengths(rows, near)
        states = torch.zeros(len(rows), int(sizes.max()), width)
        back = torch.zeros(states.shape[:2], dtype=torch.long)
        for at, row in enumerate(rows):
            end = 0
            for distance, line in enumerate((row, *self.before[row])):
                if line < 0:
                    break
                if distance <= near:
                    part = torch.from_numpy(lines.states[lines.starts[line] : lines.starts[line + 1]]).float()
                else:
                    part = self.means[line : line + 1]
                states[at, end : end + len(part)] = part
                back[at, end : end + len(part)] = distance
                end += len(part)
        return states, torch.arange(states.shape[1]) < torch.from_numpy(sizes)[:, None], back


def read_dialogues(sentences: Sentences, earlier: int) -> Dialogues:
    """Put the lines in order, with up to `earlier` lines before each. Raises `DataError` if items have no number."""
    before = np.full((len(sentences.label), earlier), -1)
    chosen = np.flatnonzero((sentences.source == "meld") & (sentences.condition == "clean"))
    try:
        number = np.array([int(item.rpartition("-")[2]) for item in sentences.item[chosen]])
    except ValueError as error:
        raise DataError("sentences.npz has a line of dialogue without a number: remove it, it is made anew") from error
    _, group = np.unique(sentences.group[chosen], return_inverse=True)
    order = np.lexsort((number, group))
    chosen, group = chosen[order], group[order]
    for step in range(1, earlier + 1):
        same = group[step:] == group[:-step]
        before[chosen[step:][same], step - 1] = chosen[:-step][same]
    starts = sentences.starts
    means = np.zeros((len(sentences.label), sentences.states.shape[1]), np.float32)
    for row in chosen:
        means[row] = sentences.states[starts[row] : starts[row + 1]].mean(0, dtype=np.float32)
    return Dialogues(sentences, before, torch.from_numpy(means))
