"""Audio of a window: what Whisper's lower layers make of the voice, prosody, and how far they can be relied on."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stream.features.noise import clipping, level, signal_to_noise
from stream.features.prosody import HOP, PROSODY, Mask, Samples, prosody, spectrogram
from stream.features.voice import STATISTICS, VoiceEncoder
from stream.records import AUDIO_RATE, ModalityFeatures, State, Window
from stream.speech.vad import SpeechChunk, speech_fraction

SILENCE = -60.0  # dB of full scale
GONE = 0.5  # seconds without a sound, up to the window's end, after which the window has none, whatever it held before
STEP = 1.0 / 32768.0  # of 16 bits; a microphone that is on is never below it for long, one that is muted is exactly 0
LEAST_SPEECH = 0.08  # part of the window
ENOUGH_SPEECH = 0.35  # part of the window from which more speech adds no quality
CLEAN = 30.0  # dB of estimated signal to noise from which less noise adds no quality
ROUNDING = 1e-3  # seconds; times are sums
DEGRADED = 0.5  # quality below this
LEVEL = 0.05  # root mean square that speech is brought to before the encoder, which is not indifferent to gain
MOST_GAIN = 100.0


class AudioFrontEnd:
    """Audio features of windows. Shared by streams and threads: it keeps nothing between calls."""

    WIDTH = STATISTICS + len(PROSODY)

    def __init__(self, encoder: VoiceEncoder) -> None:
        self._encoder = encoder

    def window(
        self,
        samples: NDArray[np.float32],
        speech: Sequence[SpeechChunk],
        window: Window,
        last_speech: float | None = None,
        *,
        start: float | None = None,
        newest: float | None = None,
        ended: float | None = None,
        dropped: bool = False,
    ) -> ModalityFeatures:
        """Features, state and quality of one window. All times are event time, seconds.

        samples: float32 `[n]` at 16 kHz, the audio of the window. NaN and infinities count as silence. start: time of
        the first; where it is not said they reach to the window's end. speech: chunks that overlap the window.
        last_speech: time of the last speech before, for the age of a modality that is missing.

        newest: time just after the newest sample that was received before the window's end; with it, a window whose
        sound has stopped, or was muted, for half a second at its end is missing. ended: when the source ended, if it
        did within the window: what comes after has not stopped, it never was. dropped: the window was closed without
        waiting for its sound.
        """
        clean = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32, copy=False)
        audio = np.clip(clean, -1.0, 1.0)
        fraction = speech_fraction(speech, window.start, window.end)
        begin = window.end - len(audio) / AUDIO_RATE if start is None else start
        until = window.end if ended is None else min(ended, window.end)
        gone = _gone(audio, begin, until, newest, dropped)
        reason = gone or _absence(audio, fraction)
        heard = max((chunk.end for chunk in speech if chunk.speech), default=last_speech)
        age = max(0.0, window.end - (heard if heard is not None else 0.0))
        if reason is not None:
            return ModalityFeatures(np.zeros(self.WIDTH, np.float32), State.MISSING, 0.0, age, reason)
        power = spectrogram(audio)
        spoken = _mask(speech, begin, len(power))
        noise_ratio = signal_to_noise(power, spoken)
        quality, complaint = _quality(fraction, noise_ratio, clipping(audio))
        values = np.concatenate([self._voice(audio, spoken), prosody(audio, power, spoken)])
        state = State.OK if quality >= DEGRADED else State.DEGRADED
        return ModalityFeatures(values, state, quality, age, None if state is State.OK else complaint)

    def _voice(self, audio: Samples, spoken: Mask) -> Samples:
        """The encoder's statistics, with the speech brought to one loudness first."""
        aloud = audio[: spoken.size * HOP][np.repeat(spoken, HOP)[: audio.size]]
        loud = aloud if aloud.size else audio
        loudness = float(np.sqrt(np.mean(np.square(loud, dtype=np.float64))))
        return self._encoder.statistics(audio * np.float32(min(MOST_GAIN, LEVEL / max(loudness, 1e-6))), spoken)


def _gone(audio: Samples, begin: float, until: float, newest: float | None, dropped: bool) -> str | None:
    """Why sound that was here is not here any more at `until`, if so: it stopped coming, or it was muted."""
    if dropped and newest is None:
        return "no sound"
    if newest is None:
        return None
    if dropped or until - newest >= GONE - ROUNDING:
        return f"no sound for {max(0.0, until - newest):.1f} s"
    loud = np.flatnonzero(np.abs(audio) >= STEP)
    quiet = until - (begin + (int(loud[-1]) + 1) / AUDIO_RATE if loud.size else begin)
    return f"muted for {quiet:.1f} s" if quiet >= GONE - ROUNDING else None


def _absence(audio: Samples, fraction: float) -> str | None:
    """Why there is nothing to read, if there is nothing."""
    if audio.size == 0:
        return "no sound"
    if level(audio) < SILENCE:
        return "silence"
    return "no speech" if fraction < LEAST_SPEECH else None


def _mask(speech: Sequence[SpeechChunk], begin: float, frames: int) -> Mask:
    """Bool `[frames]`: which 10 ms frames from `begin` on are speech."""
    mask = np.zeros(frames, np.bool_)
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
