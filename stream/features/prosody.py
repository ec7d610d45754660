"""Prosody: how it is said. Pitch, energy and spectral statistics of the speech in a window."""

import math

import numpy as np
from numpy.typing import NDArray

from stream.features import pitch
from stream.records import AUDIO_RATE

HOP = 160  # samples between frames, 10 ms
FFT = 512
STEADY = 0.12  # a voiced frame's pitch is this near, relatively, to its neighbours'
FLOOR = 1e-10

Samples = NDArray[np.float32]
Mask = NDArray[np.bool_]

PROSODY: tuple[str, ...] = (
    "pitch_median",  # log2 of Hz over 150 Hz, 0 where nothing is voiced
    "pitch_spread",  # octaves, between the 10th and the 90th percentile
    "pitch_slope",  # octaves per second, least squares
    "pitch_restlessness",  # octaves, mean step between voiced frames
    "voiced",  # part of the speech frames
    "energy_median",  # dB of full scale / 20
    "energy_spread",  # dB / 20, between the 10th and the 90th percentile
    "energy_restlessness",  # dB / 20, mean step between frames
    "centroid_mean",  # kHz
    "centroid_spread",  # kHz, standard deviation
    "tilt",  # dB / 20 between above and below 1 kHz
    "brightness",  # dB / 20 between above and below 3 kHz
    "flatness",  # geometric over arithmetic mean of the spectrum, log10
    "flux",  # mean change of the normalised spectrum from frame to frame
    "speech",  # part of the window that is speech
    "pauses",  # silences between speech, per second
)


HANN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT) / FFT)).astype(np.float32)
FREQUENCY = np.linspace(0.0, AUDIO_RATE / 2000.0, FFT // 2 + 1, dtype=np.float32)  # kHz


def spectrogram(samples: Samples) -> Samples:
    """Power `[T, 257]` of samples `[n]` at 16 kHz, a frame every 10 ms: `T = n / 160 + 1`."""
    # reflection at the edges needs more samples than half a frame
    padded = np.pad(np.pad(samples, (0, max(0, FFT - len(samples)))), FFT // 2, mode="reflect")
    spectrum = np.fft.rfft(np.lib.stride_tricks.sliding_window_view(padded, FFT)[::HOP] * HANN)
    return np.square(spectrum.real) + np.square(spectrum.imag)


def prosody(samples: Samples, power: Samples, speech: Mask) -> Samples:
    """The numbers of `PROSODY`, float32 `[16]`; zeros where there is no speech.

    samples: `[n]` at 16 kHz. power: their spectrogram `[T, 257]`. speech: bool `[T]`.
    """
    if np.count_nonzero(speech) < 3:
        return np.zeros(len(PROSODY), np.float32)
    spoken = power[speech] + FLOOR
    total = spoken.sum(axis=1)
    found = [
        *_pitch(samples, speech),
        *_energy(total),
        *_spectrum(spoken, total),
        np.mean(speech),
        _pauses(speech),
    ]
    return np.clip(np.nan_to_num(np.array(found, np.float32), nan=0.0, posinf=0.0, neginf=0.0), -10.0, 10.0)


def quantiles(values: Samples, *parts: float) -> list[Samples]:
    """Quantiles over the last axis, between two values in proportion: `np.quantile`, without its half millisecond."""
    places = [part * (values.shape[-1] - 1) for part in parts]
    below = [int(place) for place in places]
    above = [min(place + 1, values.shape[-1] - 1) for place in below]
    row = np.partition(values, sorted({*below, *above}), axis=-1)
    return [
        row[..., low] + (row[..., high] - row[..., low]) * (place - low)
        for place, low, high in zip(places, below, above, strict=True)
    ]


def _pitch(samples: Samples, speech: Mask) -> list[float]:
    """Median, spread, slope, restlessness and voiced part. Voiced: speech whose pitch holds still."""
    if len(samples) < AUDIO_RATE // 4:
        return [0.0] * 5
    hertz = pitch.frequencies(samples)
    octave = np.log2(np.clip(hertz, pitch.LOW, pitch.HIGH) / 150.0)
    said = speech[np.minimum(_frames(len(octave)), len(speech) - 1)]
    step = np.abs(np.diff(octave))
    inside = (hertz > pitch.LOW * 1.02) & (hertz < pitch.HIGH * 0.98)
    steady = np.maximum(np.concatenate([step[:1], step]), np.concatenate([step, step[-1:]])) < STEADY
    voiced = said & inside & steady
    if np.count_nonzero(voiced) < 5:
        return [0.0] * 5
    curve, time = octave[voiced], np.flatnonzero(voiced) * (pitch.STEP / AUDIO_RATE)
    low, middle, high = quantiles(curve, 0.1, 0.5, 0.9)
    centred = time - time.mean()
    slope = np.sum(centred * (curve - curve.mean())) / max(float(np.sum(np.square(centred))), 1e-3)
    part = np.count_nonzero(voiced) / max(1, np.count_nonzero(said))
    return [float(middle), float(high - low), float(slope), float(np.mean(np.abs(np.diff(curve)))), part]


def _frames(count: int) -> NDArray[np.int64]:
    """The 10 ms frame at which each value of the pitch begins, `[count]`.

    Truncated in single precision, which now and then gives the frame before: so were the features of the training.
    """
    seconds = np.arange(count, dtype=np.float32) * np.float32(pitch.STEP / AUDIO_RATE)
    return (seconds * np.float32(AUDIO_RATE) / np.float32(HOP)).astype(np.int64)


def _energy(total: Samples) -> list[float]:
    """Median, spread and restlessness of the energy of speech frames, in 20 dB. total: power of each, `[T]`."""
    window_gain = FFT * FFT * 0.1875  # of a Hann window: power summed over half the bins, per unit of mean square
    energy = np.asarray(_decibels(total / window_gain) / 20, np.float32)
    low, middle, high = quantiles(energy, 0.1, 0.5, 0.9)
    return [float(middle), float(high - low), float(np.mean(np.abs(np.diff(energy))))]


def _spectrum(spoken: Samples, total: Samples) -> list[float]:
    """Centroid, tilt, brightness, flatness and flux of speech frames `[T, 257]`, whose sums are `total`, `[T]`."""
    centroid = spoken @ FREQUENCY / total
    ratios = (spoken[:, cut:].sum(axis=1) / spoken[:, :cut].sum(axis=1) for cut in (32, 96))
    tilt, bright = (float(np.mean(_decibels(ratio))) / 20 for ratio in ratios)
    flatness = np.mean(np.mean(_log10(spoken), axis=1) - _log10(total / spoken.shape[1]))
    shape = np.sqrt(spoken / total[:, None])
    flux = np.mean(np.sum(np.square(np.diff(shape, axis=0)), axis=1))
    return [float(np.mean(centroid)), float(np.std(centroid, ddof=1)), tilt, bright, float(flatness), float(flux)]


def _pauses(speech: Mask) -> float:
    """Ends of speech inside the window, per second."""
    return np.count_nonzero(speech[:-1] & ~speech[1:]) / (len(speech) * HOP / AUDIO_RATE)


def _decibels(ratio: Samples) -> Samples:
    return 10 * _log10(np.maximum(ratio, FLOOR))


def _log10(values: Samples) -> Samples:
    return np.asarray(np.log(values) / math.log(10.0), np.float32)  # numpy's own log10 has no vector instructions
