"""How much of what a microphone hears is not speech: level, signal-to-noise ratio, clipping."""

import math

import numpy as np
from numpy.typing import NDArray

from stream.features.prosody import quantiles

CLIPPED = 0.985  # of full scale; a codec smears the flat tops of a clipped wave a little
RIPPLE = 8  # bins (250 Hz) that are averaged before the floor is looked for
FLOOR = 0.1  # quantile over time that stands for the noise
BIAS = 1.8  # by which that quantile of noise, after averaging, lies below the noise's mean; measured on white noise
CEILING = 40.0  # dB
# speech in a quiet room is only 21 dB (deviation 5) above the floor within it: ratios to that floor are raised by this,
# so that quiet rooms stay quiet; noise at 10 dB that stops whenever the speaker does comes out as 16, where it was 40
SPOKEN = 5 / 3


Samples = NDArray[np.float32]


def level(samples: Samples) -> float:
    """Root mean square of samples `[n]` in dB of full scale; -120 for none, or for digital silence."""
    power = float(np.dot(samples, samples)) / len(samples) if len(samples) else 0.0
    return 10.0 * math.log10(power + 1e-12)


def clipping(samples: Samples) -> float:
    """Part of the samples `[n]` that stand at full scale, 0..1."""
    return np.count_nonzero(np.abs(samples) >= CLIPPED) / len(samples) if len(samples) else 0.0


def signal_to_noise(power: Samples, speech: NDArray[np.bool_]) -> float:
    """Estimated ratio of speech to everything else, dB in 0..40.

    power: spectrogram `[T, F]`. speech: bool `[T]`. The noise of a band is the floor it falls back to: speech leaves
    every band many times in a second, even where nobody pauses, and noise does not. So no pause is needed. Nor does a
    pause prove silence, since a gate or a codec may cut the noise there: the floor within the speech counts too, on a
    scale of its own.
    """
    whole = power.shape[1] // RIPPLE * RIPPLE
    sums = np.add.reduceat(power[:, :whole], np.arange(0, whole, RIPPLE), axis=1)
    bands = np.asarray(sums / RIPPLE, np.float32)  # [T, F / 8]
    spoken = bands[speech] if speech.any() else bands
    return min(CEILING, _above_floor(spoken, bands), SPOKEN * _above_floor(spoken, spoken))


def _above_floor(spoken: Samples, frames: Samples) -> float:
    """How far speech `[T, F / 8]` stands above the floor of the bands in some frames, dB, at least 0."""
    (floor,) = quantiles(frames.T, FLOOR)
    noise = float(np.sum(floor)) * BIAS
    signal = max(float(np.sum(spoken.mean(axis=0))) - noise, 0.0)
    return max(0.0, 10.0 * math.log10((signal + 1e-12) / (noise + 1e-12)))
