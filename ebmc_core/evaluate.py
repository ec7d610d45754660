"""Held-out figures of a checkpoint: per subset of modalities, per modality alone, and trust against degradation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ebmc_core.batch import FeatureBatch, Float
from ebmc_core.data.arrays import CLEAN, FeatureArrays
from ebmc_core.data.paired import ItemIndex, PairedWindows, Pairing
from ebmc_core.data.sequences import Ints, ordered_subsets, subset_name
from ebmc_core.metrics import accuracy, balanced_accuracy, expected_calibration_error, guess, macro_f1
from ebmc_core.modality import MODALITIES, Modality
from ebmc_core.model import EBMC, inputs_from_batch


class SubsetFigures(NamedTuple):
    """Of the fused score, on paired windows that have just these modalities."""

    accuracy: float
    balanced: float
    macro_f1: float
    calibration_error: float
    coverage: float
    """Share of windows whose truth (-1, 0, 1) is inside the 90 % interval."""


class ConditionFigures(NamedTuple):
    """Of one modality under one condition, the two others clean and of the same sentiment."""

    quality: float
    trust: float
    alone: float
    """Balanced accuracy of this modality alone."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything `evaluate` found; the keys of `subsets` are like `text+audio`, of `alone` like `audio/ravdess`."""

    subsets: Mapping[str, SubsetFigures]
    alone: Mapping[str, float]
    conditions: Mapping[Modality, Mapping[str, ConditionFigures]]


def evaluate(
    model: EBMC, arrays: Mapping[Modality, FeatureArrays], split: str = "test", count: int = 512, seed: int = 7
) -> Evaluation:
    """Measure a calibrated model on one split; the windows depend on the seed alone, so checkpoints compare."""
    model.eval()
    held_out = {modality: arrays[modality].of_split(split) for modality in MODALITIES}
    pairing = Pairing(context=model.config.context)
    return Evaluation(
        {
            subset_name(subset): _subset(model, PairedWindows(arrays, split, pairing, seed), subset, count)
            for subset in ordered_subsets()
        },
        _alone(model, held_out),
        {modality: _conditions(model, held_out, modality, seed) for modality in MODALITIES},
    )


def _subset(model: EBMC, windows: PairedWindows, subset: Ints, count: int) -> SubsetFigures:
    drawn = windows.held(count, subset)
    with torch.no_grad():
        fused = model(*inputs_from_batch(drawn.features))
    probabilities, label = fused.probabilities.flatten(0, 1).numpy(), drawn.label.ravel()
    low, high = fused.interval.flatten(0, 1).numpy().T
    guessed = probabilities.argmax(-1)
    return SubsetFigures(
        accuracy(guessed, label),
        balanced_accuracy(guessed, label),
        macro_f1(guessed, label),
        expected_calibration_error(probabilities, label),
        float(((low <= label - 1) & (label - 1 <= high)).mean()),
    )


def _alone(model: EBMC, held_out: Mapping[Modality, FeatureArrays]) -> dict[str, float]:
    """Balanced accuracy of each unimodal head on single clean windows: per data set, and per gender if it says so."""
    figures: dict[str, float] = {}
    for m, modality in enumerate(MODALITIES):
        part = held_out[modality]
        for source, rows in clean_rows(part):
            unimodal = _fuse(model, held_out, {modality: rows})[1][:, m]
            label = part.label[rows]
            guessed = guess(unimodal, label)
            figures[f"{modality}/{source}"] = balanced_accuracy(guessed, label)
            for gender, theirs in genders(source, part.group[rows]).items():
                figures[f"{modality}/{source}, {gender}"] = balanced_accuracy(guessed[theirs], label[theirs])
    return figures


def genders(source: str, group: NDArray[np.str_]) -> dict[str, NDArray[np.bool_]]:
    """Which rows `[n]` are of women and which of men, for data that says so: actors of RAVDESS are men where odd."""
    if source != "ravdess":
        return {}
    odd = np.array([int(name.rpartition("-")[2]) % 2 == 1 for name in group])
    return {name: rows for name, rows in (("women", ~odd), ("men", odd)) if rows.any()}


def clean_rows(part: FeatureArrays) -> list[tuple[str, Ints]]:
    """Each data set in `part` that has rows as they were recorded, and the numbers of those rows."""
    found = [
        (str(source), np.flatnonzero((part.source == source) & (part.condition == CLEAN)))
        for source in np.unique(part.source)
    ]
    return [(source, rows) for source, rows in found if rows.size]


def _conditions(
    model: EBMC, held_out: Mapping[Modality, FeatureArrays], modality: Modality, seed: int
) -> dict[str, ConditionFigures]:
    generator = np.random.default_rng(seed)
    part, m = held_out[modality], MODALITIES.index(modality)
    index = {other: ItemIndex(held_out[other]) for other in MODALITIES if other != modality}
    figures: dict[str, ConditionFigures] = {}
    for condition in sorted(np.unique(part.condition), key=lambda name: (name != CLEAN, name)):
        rows = generator.permutation(np.flatnonzero(part.condition == condition))[:1024]
        label, clean = part.label[rows], np.zeros(len(rows), np.bool_)
        chosen = {
            other: each.draw_copies(each.draw_items(label, generator), clean, generator)
            for other, each in index.items()
        }
        trust, unimodal = _fuse(model, held_out, {**chosen, modality: rows})
        alone = balanced_accuracy(guess(unimodal[:, m], label), label)
        figures[str(condition)] = ConditionFigures(float(part.quality[rows].mean()), float(trust[:, m].mean()), alone)
    return figures


def _fuse(
    model: EBMC, held_out: Mapping[Modality, FeatureArrays], rows: Mapping[Modality, Ints]
) -> tuple[Float, Float]:
    """Trust `[n, M]` and unimodal probabilities `[n, M, C]` of single windows of these rows, the rest absent."""
    count = len(next(iter(rows.values())))
    values = {m: np.zeros((count, 1, held_out[m].width), np.float32) for m in MODALITIES}
    present = np.zeros((count, 1, len(MODALITIES)), np.float32)
    quality = np.zeros_like(present)
    for modality, chosen in rows.items():
        m = MODALITIES.index(modality)
        values[modality][:, 0] = held_out[modality].values[chosen]
        present[..., m], quality[:, 0, m] = 1, held_out[modality].quality[chosen]
    batch = FeatureBatch(values, present, quality, np.zeros_like(present), np.ones((count, 1), np.float32))
    with torch.no_grad():
        fused = model(*inputs_from_batch(batch))
    return fused.trust[:, 0].numpy(), fused.unimodal[:, 0].numpy()


def table(*seeds: Evaluation) -> str:
    """The figures as Markdown tables, for a report or a model card; of several seeds the mean and the deviation."""
    first = seeds[0]
    lines = ["| modalities | accuracy | balanced | macro F1 | ECE | 90 % interval covers |", "|---|" + "---|" * 5]
    for name in first.subsets:
        columns = zip(*(each.subsets[name] for each in seeds), strict=True)
        lines.append(f"| {name} | " + " | ".join(_cell(column, 100, 1) for column in columns) + " |")
    lines += ["", "| one modality alone, clean | balanced accuracy |", "|---|---|"]
    for name in first.alone:
        lines.append(f"| {name} | {_cell([each.alone[name] for each in seeds], 100, 1)} |")
    lines += ["", "| modality, condition | quality | trust beside two clean ones | alone |", "|---|---|---|---|"]
    for modality, conditions in first.conditions.items():
        for name in conditions:
            quality, trust, alone = zip(*(each.conditions[modality][name] for each in seeds), strict=True)
            cells = (_cell(quality, 1, 2), _cell(trust, 1, 2), _cell(alone, 100, 1))
            lines.append(f"| {modality}, {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(values: Sequence[float], scale: float, digits: int) -> str:
    mean, deviation = scale * np.mean(values), scale * np.std(values)
    return f"{mean:.{digits}f}" + (f" ± {deviation:.{digits}f}" if len(values) > 1 else "")
