"""Real sound for tests, read once."""

from functools import cache
from pathlib import Path

import av
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from stream.features.voice import VoiceEncoder
from stream.records import AUDIO_RATE
from stream.settings import load_settings
from stream.speech.asr import Recogniser
from stream.weights import fetch

Samples = NDArray[np.float32]


@cache
def read_sound(path: Path) -> Samples:
    """Float32 `[n]`, 16 kHz mono."""
    resampler = AudioResampler(format="flt", layout="mono", rate=AUDIO_RATE)
    with av.open(path) as media:
        frames = [*media.decode(audio=0), None]
    sound = np.concatenate([part.to_ndarray()[0] for frame in frames for part in resampler.resample(frame)])
    sound.setflags(write=False)
    return sound


def noise(kind: str, count: int, seed: int = 0) -> Samples:
    """White or pink noise of root mean square 1."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    if kind == "pink":
        spectrum /= np.sqrt(np.maximum(1, np.arange(len(spectrum))))
    found = np.fft.irfft(spectrum, count)
    return (found / np.sqrt(np.mean(found**2))).astype(np.float32)


def noisy(speech: Samples, background: Samples, ratio: float) -> Samples:
    """Speech with a background of root mean square 1, `ratio` dB below it."""
    loudness = np.sqrt(np.mean(speech**2))
    return speech + background[: len(speech)] * np.float32(loudness / 10 ** (ratio / 20))


def weights(name: str) -> Path:
    """The weights of that name; fetched if set-up has not."""
    return fetch(name, load_settings().cache)


@cache
def _recogniser(path: Path) -> Recogniser:
    return Recogniser(path)


def recogniser() -> Recogniser:
    """Whisper tiny.en, loaded once for all tests."""
    return _recogniser(weights("whisper-tiny.en"))


@cache
def voice_encoder() -> VoiceEncoder:
    """The lower layers of Whisper tiny.en, loaded once for all tests."""
    return VoiceEncoder(weights("whisper-tiny.en"))
