"""What goes wrong in streams, done to training sequences: modalities that are absent, drop out, freeze or get noisy.

Method section 9.4.8: each of the seven conditions, windows dropped at a rate of their own, contiguous outages, additive
noise, frozen features, and noise in place of the feature.

    subset    a a a a a a a a      one of the seven, or all three, for the whole sequence
    outage    a a . . . a a a      one stretch away
    dropped   a . a a . . a a      every window with its own luck
    noisy     a a ~ ~ ~ ~ a a      there, but worth less; a measured quality may have noticed or not
    frozen    a b b b b b b h      there, but the same feature again
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ebmc_core.batch import Float
from ebmc_core.data.sequences import SUBSETS, subset_of
from ebmc_core.modality import MODALITIES


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Chances, per sequence and (but for the first three) modality; strengths in deviations of a feature."""

    complete: float = 0.35
    """Chance that a sequence has all modalities; else it has one of the seven subsets."""
    only: str | None = None
    """A subset such as `text+video` that every sequence has, in place of the above: a model for one condition."""
    dropping: float = 0.0
    """Chance, per sequence, that windows are dropped at a rate drawn from 0..1."""
    outage: float = 0.3
    """Chance of one contiguous outage."""
    noise: float = 0.2
    """Chance of a stretch with noise added."""
    loudest: float = 2.5
    """The noise's deviation is drawn between 0 and this."""
    replaced: float = 0.0
    """Chance that such a stretch is nothing but noise."""
    frozen: float = 0.0
    """Chance of a stretch in which the feature stands still."""
    noticed: float = 1.0
    """Chance that the measured quality falls with the noise; otherwise only the feature itself shows it."""
    jitter: float = 0.15
    """Deviation of noise on every window."""


class Disturber:
    """Applies a `Disturbance`; the same generator gives the same."""

    def __init__(self, disturbance: Disturbance, generator: np.random.Generator) -> None:
        self.chances = disturbance
        self.generator = generator

    def presence(self, count: int, length: int) -> Float:
        """Which modalities are there, `[count, length, M]`."""
        generator, chances = self.generator, self.chances
        subset = SUBSETS[generator.integers(0, len(SUBSETS), count)]
        subset[generator.random(count) < chances.complete] = 1
        if chances.only is not None:
            subset[:] = subset_of(chances.only)
        present = np.repeat(subset[:, None, :], length, axis=1).astype(np.float32)
        for m in range(len(MODALITIES)):
            present[self.stretch(count, length, chances.outage), m] = 0
        rate = np.where(generator.random((count, 1, 1)) < chances.dropping, generator.random((count, 1, 1)), 0)
        return present * (generator.random(present.shape) >= rate)

    def spoil(self, values: Float, quality: Float, deviation: Float) -> Float:
        """Noise and frozen stretches in place. values `[B, L, d]`, quality `[B, L]`, deviation `[d]`.

        Returns the clarity `[B, L]` (see `LabelledBatch`): the share of the power that is signal where no quality
        noticed the noise, 0 where nothing of the feature is left, else 1.
        """
        generator, chances = self.generator, self.chances
        count, length = quality.shape
        frozen = self.stretch(count, length, chances.frozen)
        source = np.maximum.accumulate(np.where(frozen, 0, np.arange(length)), axis=1)
        values[...] = np.take_along_axis(values, source[..., None], axis=1)
        strength = np.full(quality.shape, chances.jitter, np.float32)
        noisy = self.stretch(count, length, chances.noise)
        strength[noisy] += generator.uniform(0, chances.loudest, noisy.sum())
        replaced = noisy & (generator.random((count, 1)) < chances.replaced)
        noticed = generator.random((count, 1)) < chances.noticed
        noise = generator.standard_normal(values.shape, np.float32) * strength[..., None]
        values += noise * deviation
        middle = values.reshape(-1, values.shape[-1]).mean(0)
        values[replaced] = middle + noise[replaced] * deviation
        loss = 1 + (strength - chances.jitter) ** 2
        quality /= np.where(noticed, loss, 1)
        return np.where(replaced, 0, np.where(noticed, 1, 1 / loss)).astype(np.float32)

    def stretch(self, count: int, length: int, chance: float) -> NDArray[np.bool_]:
        """One contiguous stretch `[B, L]` in a sequence with this chance; half of them reach the newest window."""
        generator = self.generator
        start = generator.integers(0, length, (count, 1))
        end = start + generator.integers(1, max(length, 2), (count, 1))
        end = np.where(generator.random((count, 1)) < 0.5, length, end)
        steps = np.arange(length)
        return (steps >= start) & (steps < end) & (generator.random((count, 1)) < chance)
