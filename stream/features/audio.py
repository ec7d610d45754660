"""Audio of a window: the pooled states of Whisper's encoder, prosody, and how far they can be relied on."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from stream.features.noise import clipping, level, signal_to_noise
from stream.features.prosody import HOP, PROSODY, Prosody
from stream.records import AUDIO_RATE, ModalityFeatures, State, Window
from stream.speech.asr import Recogniser
from stream.speech.vad import SpeechChunk, speech_fraction

ENCODER = 384  # width of Whisper tiny's encoder
STATISTICS = 3  # mean, standard deviation, maximum over time
SILENCE = -60.0  # dB of full scale
LEAST_SPEECH = 0.08  # part of the window
ENOUGH_SPEECH = 0.35  # part of the window from which more speech adds no quality
CLEAN = 30.0  # dB of estimated signal to noise from which less noise adds no quality
DEGRADED = 0.5  # quality below this
LEVEL = 0.05  # root mean square that speech is brought to before the encoder, which is not indifferent to gain
MOST_GAIN = 100.0


class AudioFrontEnd:
    """Audio features of windows. Shared by streams and threads: it keeps nothing between calls."""

    WIDTH = STATISTICS * ENCODER + len(PROSODY)

    def __init__(self, recogniser: Recogniser) -> None:
        """recogniser: a Whisper tiny, whose encoder is used."""
        self._recogniser = recogniser
        self._prosody = Prosody()

    def window(
        self,
        samples: NDArray[np.float32],
        speech: Sequence[SpeechChunk],
        window: Window,
        last_speech: float | None = None,
    ) -> ModalityFeatures:
        """Features, state and quality of one window.

        samples: float32 `[n]` at 16 kHz, the audio of the window; where there is less than the window is long, its
        beginning is not there. NaN and infinities count as silence. speech: chunks that overlap the window.
        last_speech: event time of the last speech before, for the age of a modality that is missing.
        """
        clean = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32, copy=False)
        audio = torch.from_numpy(np.clip(clean, -1.0, 1.0))
        fraction = speech_fraction(speech, window.start, window.end)
        reason = _absence(audio, fraction)
        heard = max((chunk.end for chunk in speech if chunk.speech), default=last_speech)
        age = max(0.0, window.end - (heard if heard is not None else 0.0))
        if reason is not None:
            return ModalityFeatures(np.zeros(self.WIDTH, np.float32), State.MISSING, 0.0, age, reason)
        begin = window.end - len(clean) / AUDIO_RATE
        power = self._prosody.spectrogram(audio)
        spoken = _mask(speech, begin, power.shape[1])
        noise_ratio = signal_to_noise(power, spoken)
        quality, complaint = _quality(fraction, noise_ratio, clipping(audio))
        values = np.concatenate([self._states(audio, spoken), self._prosody.measure(audio, power, spoken).numpy()])
        state = State.OK if quality >= DEGRADED else State.DEGRADED
        return ModalityFeatures(values, state, quality, age, None if state is State.OK else complaint)

    def _states(self, audio: torch.Tensor, spoken: torch.Tensor) -> NDArray[np.float32]:
        """Mean, deviation and maximum over time of the encoder's states, float32 `[1152]`, speech at one loudness."""
        aloud = audio[: spoken.numel() * HOP][spoken.repeat_interleave(HOP)[: audio.numel()]]
        loudness = float((aloud if aloud.numel() else audio).square().mean().sqrt())
        states = self._recogniser.encoder_states((audio * min(MOST_GAIN, LEVEL / max(loudness, 1e-6))).numpy())
        return np.concatenate([states.mean(axis=0), states.std(axis=0), states.max(axis=0)])


def _absence(audio: torch.Tensor, fraction: float) -> str | None:
    """Why there is nothing to read, if there is nothing."""
    if audio.numel() == 0:
        return "no sound"
    if level(audio) < SILENCE:
        return "silence"
    return "no speech" if fraction < LEAST_SPEECH else None


def _mask(speech: Sequence[SpeechChunk], begin: float, frames: int) -> torch.Tensor:
    """Bool `[frames]`: which 10 ms frames from `begin` on are speech."""
    mask = torch.zeros(frames, dtype=torch.bool)
    for chunk in speech:
        if chunk.speech:
            first, last = (round((time - begin) * AUDIO_RATE / HOP) for time in (chunk.start, chunk.end))
            mask[max(0, first) : max(0, last)] = True
    return mask


def _quality(fraction: float, noise_ratio: float, clipped: float) -> tuple[float, str]:
    """Quality 0..1 and what lowered it most. Each part is 1 where more would not help the model."""
    parts = {
        "little speech": min(1.0, fraction / ENOUGH_SPEECH) ** 0.5,
        f"noise, {noise_ratio:.0f} dB below the speech": min(1.0, noise_ratio / CLEAN),
        "clipped": max(0.1, 1.0 - 20.0 * clipped),
    }
    complaint = min(parts, key=lambda part: parts[part])
    return float(np.prod(list(parts.values()))), complaint
