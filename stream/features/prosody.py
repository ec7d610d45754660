"""Prosody: how it is said. Pitch, energy and spectral statistics of the speech in a window, through torchaudio."""

import torch
from torch import Tensor
from torchaudio import functional, transforms

from stream.records import AUDIO_RATE

HOP = 160  # samples between frames, 10 ms
FFT = 512
PITCH_RATE = 8_000  # Hz; pitch lies far below, and it costs a third of the time at 16 kHz
PITCH_HOP = 0.02  # seconds
PITCH_LOW, PITCH_HIGH = 70, 450  # Hz, from a low man's voice to a child's shout
STEADY = 0.12  # a voiced frame's pitch is this near, relatively, to its neighbours'
FLOOR = 1e-10

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


class Prosody:
    """Prosody of a window. Holds the transforms only: safe to share, deterministic."""

    def __init__(self) -> None:
        self._spectrogram = transforms.Spectrogram(n_fft=FFT, hop_length=HOP, power=2.0)
        self._frequency = torch.linspace(0.0, AUDIO_RATE / 2000.0, FFT // 2 + 1).unsqueeze(1)  # kHz, [F, 1]

    def spectrogram(self, samples: Tensor) -> Tensor:
        """Power `[257, T]` of samples `[n]` at 16 kHz, a frame every 10 ms: `T = n / 160 + 1`."""
        # reflection at the edges needs more samples than half a frame
        short = max(0, FFT - samples.numel())
        return self._spectrogram(torch.nn.functional.pad(samples, (0, short)))

    def measure(self, samples: Tensor, power: Tensor, speech: Tensor) -> Tensor:
        """The numbers of `PROSODY`, float32 `[16]`; zeros where there is no speech.

        samples: `[n]` at 16 kHz. power: their spectrogram `[257, T]`. speech: bool `[T]`.
        """
        if int(speech.sum()) < 3:
            return torch.zeros(len(PROSODY))
        rhythm = torch.stack([speech.float().mean(), _pauses(speech)])
        spoken = power[:, speech] + FLOOR
        found = torch.cat([self._pitch(samples, speech), _energy(spoken), self._spectrum(spoken), rhythm])
        return torch.nan_to_num(found, nan=0.0, posinf=0.0, neginf=0.0).clamp(-10.0, 10.0)

    def _pitch(self, samples: Tensor, speech: Tensor) -> Tensor:
        """Median, spread, slope, restlessness and voiced part, `[5]`. Voiced: speech whose pitch holds still."""
        low = functional.resample(samples, AUDIO_RATE, PITCH_RATE)
        if low.numel() < PITCH_RATE // 4:
            return torch.zeros(5)
        hertz = functional.detect_pitch_frequency(
            low, PITCH_RATE, frame_time=PITCH_HOP, win_length=10, freq_low=PITCH_LOW
        )  # [T / 2]; the search goes on to 3.4 kHz, where it finds what has no pitch
        octave = torch.log2(hertz.clamp(PITCH_LOW, PITCH_HIGH) / 150.0)
        index = (torch.arange(octave.numel()) * PITCH_HOP * AUDIO_RATE / HOP).long().clamp(max=speech.numel() - 1)
        said = speech[index]
        step = octave.diff().abs()
        inside = (hertz > PITCH_LOW * 1.02) & (hertz < PITCH_HIGH * 0.98)
        steady = torch.cat([step[:1], step]).maximum(torch.cat([step, step[-1:]])) < STEADY
        voiced = said & inside & steady
        if int(voiced.sum()) < 5:
            return torch.zeros(5)
        curve, time = octave[voiced], torch.arange(octave.numel())[voiced] * PITCH_HOP
        spread = torch.quantile(curve, torch.tensor([0.1, 0.5, 0.9]))
        centred = time - time.mean()
        slope = (centred * (curve - curve.mean())).sum() / centred.square().sum().clamp(min=1e-3)
        part = voiced.sum() / said.sum().clamp(min=1)
        return torch.stack([spread[1], spread[2] - spread[0], slope, curve.diff().abs().mean(), part])

    def _spectrum(self, spoken: Tensor) -> Tensor:
        """Centroid, tilt, brightness, flatness and flux of the speech frames, `[6]`."""
        total = spoken.sum(dim=0)
        centroid = (spoken * self._frequency).sum(dim=0) / total
        tilt, bright = (_decibels(spoken[cut:].sum(dim=0) / spoken[:cut].sum(dim=0)).mean() / 20.0 for cut in (32, 96))
        flatness = (spoken.log10().mean(dim=0) - spoken.mean(dim=0).log10()).mean()
        flux = (spoken / total).sqrt().diff(dim=1).square().sum(dim=0).mean()
        return torch.stack([centroid.mean(), centroid.std(), tilt, bright, flatness, flux])


def _energy(spoken: Tensor) -> Tensor:
    """Median, spread and restlessness of the energy of speech frames, `[3]`, in 20 dB."""
    window_gain = FFT * FFT * 0.1875  # of a Hann window: power summed over half the bins, per unit of mean square
    energy = _decibels(spoken.sum(dim=0) / window_gain) / 20.0
    low, middle, high = torch.quantile(energy, torch.tensor([0.1, 0.5, 0.9]))
    return torch.stack([middle, high - low, energy.diff().abs().mean()])


def _pauses(speech: Tensor) -> Tensor:
    """Ends of speech inside the window, per second."""
    ends = (speech[:-1] & ~speech[1:]).sum()
    return ends / (speech.numel() * HOP / AUDIO_RATE)


def _decibels(ratio: Tensor) -> Tensor:
    return 10.0 * torch.log10(ratio.clamp(min=FLOOR))
