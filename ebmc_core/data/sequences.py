"""What every training set gives: sequences of windows with their truth, however they were come by."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ebmc_core.batch import FeatureBatch, Float
from ebmc_core.modality import MODALITIES

Ints = NDArray[np.int64]

SUBSETS: Ints = np.array([[index >> m & 1 for m in range(len(MODALITIES))] for index in range(1, 2 ** len(MODALITIES))])
"""The seven conditions, `[7, M]`: every set of modalities but the empty one."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledBatch:
    """Sequences with their truth. label `[B, L]`: of the window. own `[B, L, M]`: of each modality's evidence.

    clarity `[B, L, M]`: what the measured quality would have to be multiplied by to tell of all noise that was added;
    None where nothing was added that it does not tell.
    """

    features: FeatureBatch
    label: Ints
    own: Ints
    clarity: Float | None = None


class Sequences(Protocol):
    """One split of a data set. `generator`: where its chances come from; its state says what is drawn next."""

    generator: np.random.Generator

    def draw(self, count: int) -> LabelledBatch:
        """`count` sequences for training, disturbed at random."""
        ...

    def held(self, count: int, subset: Ints) -> LabelledBatch:
        """At most `count` sequences as they are, each window with just these modalities (`[M]`, 1 is there)."""
        ...

    def mixed(self, count: int) -> LabelledBatch:
        """What an epoch is judged by: sequences with all modalities and with subsets of them, always the same."""
        ...


def subset_name(subset: Ints) -> str:
    """`text+video` for `[1, 0, 1]`, `none` for no modality."""
    return "+".join(m for m, there in zip(MODALITIES, subset, strict=True) if there) or "none"


def subset_of(name: str) -> Ints:
    """The opposite of `subset_name`. Raises `ValueError` for a name that is no modality."""
    names = [] if name == "none" else name.split("+")
    if unknown := set(names) - set(MODALITIES):
        raise ValueError(f"{sorted(unknown)} are no modalities; there are {', '.join(MODALITIES)}")
    return np.array([int(m in names) for m in MODALITIES])


def ordered_subsets() -> list[Ints]:
    """The seven conditions as tables show them: one modality, two, three; text before audio before video."""
    return sorted(SUBSETS, key=lambda row: (row.sum(), -row @ (4, 2, 1)))
