"""The voice encoder is Whisper's own lower layers: held against CTranslate2, which runs the whole of it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from faster_whisper.feature_extractor import FeatureExtractor

from stream.errors import WeightsError
from stream.features.voice import STATISTICS, VoiceEncoder
from stream.features.voice_graph import Spectrogram, VoiceLayers
from stream.features.whisper_weights import read_whisper
from stream.speech.asr import Recogniser
from tests.stream.speech_clips import Samples, read_sound, voice_encoder, weights

RATE = 16_000


@pytest.fixture(scope="module")
def model() -> Path:
    return weights("whisper-tiny.en") / "model.bin"


@pytest.fixture(scope="module")
def spoken(clip: Path) -> Samples:
    return read_sound(clip)[: 4 * RATE].copy()


def test_the_spectrogram_is_whispers(spoken: Samples) -> None:
    extractor = FeatureExtractor()
    with torch.inference_mode():
        found = Spectrogram(extractor.mel_filters)(torch.from_numpy(spoken)).numpy()
    assert found.shape == (80, 400)
    assert np.allclose(found, extractor(spoken, padding=0), atol=1e-4)


def test_all_layers_with_the_last_norm_are_what_ctranslate2_computes(model: Path, spoken: Samples) -> None:
    """So the layers below are Whisper's too: each is made of the one before."""
    whole = Recogniser(model.parent, compute_type="float32")
    extractor = FeatureExtractor()
    expected = np.array(whole._whisper.encode(extractor(spoken, padding=0)))[0]  # pyright: ignore[reportPrivateUsage]
    variables = read_whisper(model)
    layers = VoiceLayers(variables, extractor.mel_filters, layers=4).eval()
    with torch.inference_mode():
        last = layers.states(torch.from_numpy(spoken))
        scale, offset = (torch.from_numpy(variables[f"encoder/layer_norm/{name}"]) for name in ("gamma", "beta"))
        found = torch.nn.functional.layer_norm(last, (384,), scale, offset).numpy()
    assert found.shape == expected.shape == (200, 384)
    assert np.abs(found - expected).max() < 1e-2 < np.abs(expected).std()


def test_statistics_are_those_of_the_states_in_speech(model: Path, spoken: Samples) -> None:
    layers = VoiceLayers(read_whisper(model), FeatureExtractor().mel_filters).eval()
    with torch.inference_mode():
        states = layers.states(torch.from_numpy(spoken)).numpy()
    half = np.arange(400) >= 200
    for mask, read in ((half, states[100:]), (~half, states[:100]), (np.zeros(400, np.bool_), states)):
        found = voice_encoder().statistics(spoken, mask)
        assert found.shape == (STATISTICS,) and found.dtype == np.float32
        assert np.allclose(found, np.concatenate([read.mean(0), read.std(0), read.max(0)]), atol=2e-3)
        assert np.array_equal(found, voice_encoder().statistics(spoken, mask))


@pytest.mark.parametrize("count", [0, 1, 100, 321, 640, 16_001, 30 * RATE])
def test_any_length_is_read(clip: Path, count: int) -> None:
    found = voice_encoder().statistics(read_sound(clip)[:count], np.ones(count // 160, np.bool_))
    assert found.shape == (STATISTICS,) and np.isfinite(found).all()


def test_of_what_is_too_long_the_first_28_seconds_are_read(clip: Path) -> None:
    long = np.tile(read_sound(clip), 2)[: 33 * RATE]
    spoken = np.arange(3300) % 3 > 0
    short = voice_encoder().statistics(long[: 28 * RATE], spoken[:2800])
    assert np.array_equal(voice_encoder().statistics(long, spoken), short)


@pytest.mark.parametrize("cut", [0, 3, 40, 5000])
def test_a_file_that_is_cut_short_is_said_to_be(model: Path, tmp_path: Path, cut: int) -> None:
    broken = tmp_path / "model.bin"
    broken.write_bytes(model.read_bytes()[:cut])
    with pytest.raises(WeightsError, match=r"model\.bin: is no CTranslate2 model, or is cut short"):
        read_whisper(broken)


def test_a_model_of_another_kind_is_refused(model: Path, tmp_path: Path) -> None:
    other = tmp_path / "model.bin"
    other.write_bytes(model.read_bytes()[:3000].replace(b"WhisperSpec", b"SpinachSpec"))
    with pytest.raises(WeightsError, match="is SpinachSpec of version 6, not WhisperSpec 6"):
        read_whisper(other)


def test_a_folder_without_the_graph_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no voice encoder could be loaded"):
        VoiceEncoder(tmp_path)
