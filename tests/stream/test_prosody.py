"""Pitch, spectrogram and quantiles against the libraries whose numbers the model was trained on."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchaudio import functional, transforms

from stream.features import pitch
from stream.features.prosody import FFT, HOP, quantiles, spectrogram
from tests.stream.speech_clips import Samples, noise, noisy, read_sound

RATE = 16_000


@pytest.fixture(scope="module")
def windows(clip: Path) -> list[Samples]:
    """Clean, noisy and clipped speech, digital silence, and short ends."""
    sound = read_sound(clip)
    speech = [sound[second * RATE : (second + 4) * RATE].copy() for second in (0, 5, 12, 20)]
    worse = [noisy(speech[0], noise("pink", 4 * RATE), 5), np.clip(10 * speech[1], -1, 1)]
    return [*speech, *worse, np.pad(speech[2][:RATE], (RATE, RATE)), speech[3][:12_345], np.zeros(RATE, np.float32)]


def test_pitch_is_that_of_torchaudio(windows: list[Samples]) -> None:
    for samples in windows:
        low = functional.resample(torch.from_numpy(samples), RATE, pitch.RATE)
        assert np.allclose(pitch.halved(samples), low.numpy(), atol=1e-6)
        expected = functional.detect_pitch_frequency(
            low, pitch.RATE, frame_time=pitch.FRAME / pitch.RATE, win_length=pitch.SMOOTHED, freq_low=pitch.LOW
        ).numpy()
        found = pitch.frequencies(samples)
        assert found.shape == expected.shape
        assert np.mean(~np.isclose(found, expected, rtol=1e-5)) < 0.01  # two lags may be alike to the last bit


def test_the_spectrogram_is_that_of_torchaudio(windows: list[Samples]) -> None:
    reference = transforms.Spectrogram(n_fft=FFT, hop_length=HOP, power=2.0)
    for samples in windows:
        expected = reference(torch.from_numpy(samples)).numpy().T
        np.testing.assert_allclose(spectrogram(samples), expected, rtol=1e-3, atol=1e-7 * (1 + expected.max()))


@pytest.mark.parametrize("count", [1, 100, 257, 700])
def test_a_spectrogram_of_hardly_anything(count: int) -> None:
    assert spectrogram(np.ones(count, np.float32)).shape == (max(count, FFT) // HOP + 1, FFT // 2 + 1)


@given(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=50), st.lists(st.floats(0, 1), min_size=1, max_size=3))
def test_quantiles_are_those_of_numpy(values: list[float], parts: list[float]) -> None:
    row = np.array(values, np.float32)
    found = [float(value) for value in quantiles(row, *parts)]
    assert found == pytest.approx([float(np.quantile(row, part)) for part in parts], rel=1e-5, abs=1e-4)
