"""Tri-modal window sequences paired by sentiment from unimodal recordings.

No aligned tri-modal recordings are at hand, so the pairing is made: a sequence is a chain of sentiment runs; within a
run one spoken text, one voice clip and one face of that sentiment (or of none: people say little with one channel)
persist for several windows, as they do in a stream whose 4 s windows overlap by 3.5 s. What pairing cannot teach, how
the three agree or clash within one real person, the model does not know.

    label    - - - - - - + + + + + + + + + +      a run lasts 6 windows on average
    text     a a a a b b c c c c d d d d d d
    audio    k k k k k k m m m m m m m n n n
    video    . . . p p p q q q . . . . q q q      an outage hides it, its age rises
    valid    0 0 1 1 1 1 1 1 1 1 1 1 1 1 1 1      early in a stream there are few windows
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ebmc_core.batch import FeatureBatch, Float
from ebmc_core.data.arrays import CLEAN, FeatureArrays
from ebmc_core.data.disturb import Disturbance, Disturber
from ebmc_core.data.sequences import Ints, LabelledBatch
from ebmc_core.modality import MODALITIES, SENTIMENTS, Modality

NEUTRAL = 1
HOP = 0.5  # seconds from one window to the next
AGES = (0.8, 0.4, 0.1)  # mean seconds from the last sample to the end of a window that has one, per modality
FRESH, FADE = 0.5, 4.0  # seconds: how long a sample keeps its quality, and in what time it then loses two thirds


@dataclass(frozen=True, slots=True)
class Pairing:
    """How sequences are made. All chances are per window unless they say otherwise."""

    context: int = 16
    """Windows in a sequence."""
    turn: float = 1 / 6
    """Chance that the sentiment changes."""
    next_item: tuple[float, ...] = (0.2, 0.15, 0.1)
    """Chance that a modality moves on to another item, in the order of the modalities."""
    reticent: float = 0.2
    """Chance that an item of a run with a sentiment is neutral all the same."""
    degraded: float = 0.5
    """Chance that an item is shown in one of its degraded copies."""
    late: float = 0.4
    """Chance, per sequence, that the stream has only just begun: padding in front."""


class ItemIndex:
    """Rows of one modality by label, item and whether they are clean, for drawing many at once."""

    def __init__(self, arrays: FeatureArrays) -> None:
        _, item = np.unique(arrays.item, return_inverse=True)
        degraded = arrays.condition != CLEAN
        self.rows = np.lexsort((degraded, item)).astype(np.int64)  # item by item, clean copies first
        self.copies = np.bincount(item)
        self.clean = np.bincount(item, weights=~degraded).astype(np.int64)
        self.start = np.concatenate(([0], np.cumsum(self.copies)[:-1]))
        label = np.zeros(len(self.copies), np.int64)
        label[item] = arrays.label
        self.items = [np.flatnonzero(label == index) for index in range(len(SENTIMENTS))]

    def draw_items(self, labels: Ints, generator: np.random.Generator) -> Ints:
        """An item of each label in labels `[n]`."""
        drawn = np.zeros_like(labels)
        for label, items in enumerate(self.items):
            wanted = labels == label
            drawn[wanted] = generator.choice(items, wanted.sum())
        return drawn

    def draw_copies(self, items: Ints, degraded: NDArray[np.bool_], generator: np.random.Generator) -> Ints:
        """A row of each item `[n]`, clean or degraded as asked where the item has such a copy."""
        spoiled = self.copies[items] - self.clean[items]
        degraded = np.where(spoiled == 0, False, np.where(self.clean[items] == 0, True, degraded))
        first = self.start[items] + np.where(degraded, self.clean[items], 0)
        choices = np.where(degraded, spoiled, self.clean[items])
        return self.rows[first + (generator.random(len(items)) * choices).astype(np.int64)]


class PairedWindows:
    """Draws sequences from one split; the same seed draws the same sequences."""

    def __init__(
        self,
        arrays: Mapping[Modality, FeatureArrays],
        split: str,
        pairing: Pairing,
        seed: int,
        disturbance: Disturbance | None = None,
    ) -> None:
        self.pairing = pairing
        self.arrays = {modality: arrays[modality].of_split(split) for modality in MODALITIES}
        self.index = {modality: ItemIndex(part) for modality, part in self.arrays.items()}
        self.deviation = {modality: part.values.std(0) for modality, part in self.arrays.items()}
        self.generator = np.random.default_rng(seed)
        self.disturber = Disturber(disturbance or Disturbance(), self.generator)

    def draw(self, count: int) -> LabelledBatch:
        """`count` sequences with subsets, outages, noise, and padding where a stream has only just begun."""
        late = self.generator.random(count) < self.pairing.late
        first = np.where(late, self.generator.integers(0, self.pairing.context, count), 0)
        valid = (np.arange(self.pairing.context) >= first[:, None]).astype(np.float32)
        return self._draw(self.disturber.presence(count, self.pairing.context) * valid[..., None], valid)

    def held(self, count: int, subset: Ints) -> LabelledBatch:
        """`count` sequences in which every window has just the modalities of the subset, noise and all."""
        valid = np.ones((count, self.pairing.context), np.float32)
        return self._draw(np.broadcast_to(subset, (*valid.shape, len(MODALITIES))).astype(np.float32), valid)

    def mixed(self, count: int) -> LabelledBatch:
        """As `draw`: what is drawn already mixes the seven conditions."""
        return self.draw(count)

    def _draw(self, present: Float, valid: Float) -> LabelledBatch:
        label = self._runs(len(valid))
        own = np.empty(present.shape, np.int64)
        quality, clarity = np.empty(own.shape, np.float32), np.empty(own.shape, np.float32)
        values: dict[Modality, Float] = {}
        for m, modality in enumerate(MODALITIES):
            rows, own[..., m] = self._items(modality, label, self.pairing.next_item[m])
            values[modality] = self.arrays[modality].values[rows]
            quality[..., m] = self.arrays[modality].quality[rows]
            clarity[..., m] = self.disturber.spoil(values[modality], quality[..., m], self.deviation[modality])
        age, quality = self._ages(present, quality)
        return LabelledBatch(FeatureBatch(values, present, quality, age, valid), label, own, clarity)

    def _runs(self, count: int) -> Ints:
        """Sentiment of each window `[B, L]`: a chain that keeps its state with chance `1 - turn`."""
        label = self.generator.integers(0, len(SENTIMENTS), (count, self.pairing.context))
        keep = self.generator.random(label.shape) >= self.pairing.turn
        for step in range(1, self.pairing.context):
            label[:, step] = np.where(keep[:, step], label[:, step - 1], label[:, step])
        return label

    def _items(self, modality: Modality, label: Ints, next_item: float) -> tuple[Ints, Ints]:
        """Rows and own labels `[B, L]`: an item lasts until the sentiment turns or its time is over."""
        generator, index = self.generator, self.index[modality]
        begins = generator.random(label.shape) < next_item
        begins[:, 1:] |= label[:, 1:] != label[:, :-1]
        begins[:, 0] = True
        reticent = generator.random(label.shape) < self.pairing.reticent
        own: Ints = np.where(reticent, np.int64(NEUTRAL), label)
        item = index.draw_items(own.ravel(), generator).reshape(label.shape)
        degraded = generator.random(label.shape) < self.pairing.degraded
        source = np.maximum.accumulate(np.where(begins, np.arange(label.shape[1]), 0), axis=1)  # where its item began
        item = np.take_along_axis(item, source, axis=1)
        degraded = np.take_along_axis(degraded, source, axis=1)
        rows: Ints = index.draw_copies(item.ravel(), degraded.ravel(), generator).reshape(label.shape)
        return rows, np.take_along_axis(own, source, axis=1)

    def _ages(self, present: Float, quality: Float) -> tuple[Float, Float]:
        """Seconds since the last sample, and the quality that is left: speech that is over says less of the moment."""
        age = np.zeros_like(present)
        fresh = self.generator.exponential(AGES, present.shape).astype(np.float32)
        last = self.generator.uniform(0, 10, present[:, 0].shape).astype(np.float32)
        for step in range(present.shape[1]):
            last = np.where(present[:, step] > 0, fresh[:, step], last + HOP).astype(np.float32)
            age[:, step] = last
        recency = np.exp(-np.maximum(age - FRESH, 0) / FADE)
        return age, (quality * recency * present).astype(np.float32)
