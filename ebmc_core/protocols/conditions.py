"""Seven conditions: how right each system is when only some of the modalities are there (method section 7b, A)."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ebmc_core.batch import Float
from ebmc_core.data.sequences import Ints, LabelledBatch, Sequences, ordered_subsets, subset_name
from ebmc_core.metrics import accuracy, guess, paired_bootstrap, weighted_f1
from ebmc_core.protocols.report import Report, Table
from ebmc_core.protocols.systems import Predictor, Systems, answers, windows


class Score(NamedTuple):
    """Of one trained system in one condition; right: `[n]`, 1 where it was."""

    accuracy: float
    weighted_f1: float
    right: Float


def seven_conditions(systems: Systems, held_out: Sequences, data: str, count: int) -> Report:
    """Accuracy and weighted F1 in %, per condition and their mean; the gain of the first system over each other.

    count: most sequences.
    """
    batches = {subset_name(subset): held_out.held(count, subset) for subset in ordered_subsets()}
    found = {
        name: [[score(seed, batch) for seed in seeds] for batch in batches.values()] for name, seeds in systems.items()
    }
    columns = [*batches, "mean"]
    tables = [
        Table("accuracy, %", columns, {name: _rows(each, "accuracy") for name, each in found.items()}),
        Table("weighted F1, %", columns, {name: _rows(each, "weighted_f1") for name, each in found.items()}),
    ]
    right = {name: [np.mean([s.right for s in seeds], axis=0) for seeds in f] for name, f in found.items()}
    groups = [windows(batch)[1] for batch in batches.values()]
    return Report("seven-conditions", data, tables, gains(right, groups, ["all three", "the seven conditions"]))


def score(system: Predictor, batch: LabelledBatch) -> Score:
    """What one system gets right in a batch."""
    label, _ = windows(batch)
    guessed = guess(answers(system, batch), label)
    return Score(accuracy(guessed, label), weighted_f1(guessed, label), (guessed == label).astype(np.float32))


def _rows(conditions: list[list[Score]], measure: str) -> list[list[float]]:
    """One measure in per cent, per condition and seed, and the mean over conditions of each seed."""
    cells = [[100 * float(getattr(each, measure)) for each in seeds] for seeds in conditions]
    return [*cells, [float(np.mean(seed)) for seed in zip(*cells, strict=True)]]


def gains(right: Mapping[str, list[Float]], groups: list[Ints], names: list[str]) -> list[str]:
    """A sentence for each system but the first: what the first gains in the last condition, and over all of them."""
    first, *rest = right
    lines: list[str] = []
    for other in rest:
        pairs = (
            (right[first][-1], right[other][-1], groups[-1]),
            (np.concatenate(right[first]), np.concatenate(right[other]), np.concatenate(groups)),
        )
        told = [
            f"{name} {100 * d.gain:+.1f} points (95 % {100 * d.low:+.1f} to {100 * d.high:+.1f}, p {d.no_gain:.3f})"
            for name, d in zip(names, (paired_bootstrap(*pair) for pair in pairs), strict=True)
        ]
        lines.append(f"{first} over {other}: {'; '.join(told)}.")
    return lines
