"""Whisper's lower layers as one ONNX graph: sound in, statistics of the second layer's states out. Run once, at set-up.

`python -m stream.features.voice_graph FOLDER` reads `model.bin` (Whisper tiny.en for CTranslate2) in that folder and
leaves `voice.onnx` beside it. CTranslate2 gives the states of the last layer only, which are made for words; how
something is said is told best by the second of the four, and what comes after it need not be computed. The
spectrogram and the statistics are part of the graph, so that one call does it all without Python's lock.

The network is that of Radford et al. 2022 (Whisper): pre-norm blocks on 20 ms steps, six heads, sinusoidal places.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from faster_whisper.feature_extractor import FeatureExtractor
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from stream.features.graph_export import demand_agreement, write_graph
from stream.features.whisper_weights import read_whisper

WIDTH, HEADS = 384, 6
LAYERS = 2  # whose states tell most of how something is said: 78.7 % by the second, 75.8 by the third, 73.0 by the last
FFT, HOP = 400, 160  # samples: a spectrum of 25 ms every 10 ms
RANGE = 8.0  # decades below the loudest that the spectrogram keeps
TOLERANCE = 1e-3

Weights = Mapping[str, NDArray[np.float32]]


class Spectrogram(nn.Module):
    """Whisper's log mel spectrogram; the Fourier transform is a convolution, which every runtime has."""

    def __init__(self, filters: NDArray[np.float32]) -> None:
        """filters: mel filters `[80, 201]`."""
        super().__init__()
        time = np.arange(FFT)
        window = 0.5 - 0.5 * np.cos(2 * np.pi * time / FFT)
        angle = 2 * np.pi / FFT * np.outer(np.arange(FFT // 2 + 1), time)
        waves = np.concatenate([np.cos(angle), np.sin(angle)]) * window
        self.register_buffer("waves", torch.from_numpy(waves[:, None].astype(np.float32)))
        self.register_buffer("filters", torch.from_numpy(filters.astype(np.float32)))
        self.waves: Tensor
        self.filters: Tensor

    def forward(self, samples: Tensor) -> Tensor:
        """samples: `[n]` at 16 kHz, n a multiple of 160. Returns `[80, n / 160]`."""
        padded = F.pad(samples[None, None], (FFT // 2, FFT // 2), mode="reflect")
        real, imaginary = F.conv1d(padded, self.waves, stride=HOP)[0].chunk(2)
        power = (real.square() + imaginary.square())[:, :-1]
        loudness = torch.log10((self.filters @ power).clamp(min=1e-10))
        return (torch.maximum(loudness, loudness.max() - RANGE) + 4.0) / 4.0


class Block(nn.Module):
    """One layer: attention over all steps, then a step for itself."""

    def __init__(self, weights: Weights, layer: int) -> None:
        super().__init__()
        attention, step = f"encoder/layer_{layer}/self_attention", f"encoder/layer_{layer}/ffn"
        self.attention_norm, self.norm = (_norm(weights, f"{part}/layer_norm") for part in (attention, step))
        self.query, self.key, self.value = (_linear(weights, f"{attention}/linear_0", part) for part in range(3))
        self.out = _linear(weights, f"{attention}/linear_1")
        self.up, self.down = (_linear(weights, f"{step}/linear_{n}") for n in (0, 1))

    def forward(self, states: Tensor, asked: Tensor | None = None) -> Tensor:
        """States `[T, 384]` in and out; asked: of which steps, int64 `[K]`, where only `[K, 384]` are wanted."""
        normed = self.attention_norm(states)
        key, value = _heads(self.key(normed)), _heads(self.value(normed))
        if asked is not None:
            states, normed = states.index_select(0, asked), normed.index_select(0, asked)
        query = _heads(self.query(normed)) * (WIDTH // HEADS) ** -0.5
        look = torch.softmax(query @ key.transpose(1, 2), dim=-1)
        states = states + self.out((look @ value).transpose(0, 1).reshape(states.shape))
        return states + self.down(F.gelu(self.up(self.norm(states))))


def _heads(rows: Tensor) -> Tensor:
    """`[T, 384]` to `[heads, T, 64]`."""
    return rows.view(rows.shape[0], HEADS, WIDTH // HEADS).transpose(0, 1)


class VoiceLayers(nn.Module):
    """Sound to the mean, deviation and maximum of its states over the time that somebody speaks, `[3 * 384]`."""

    def __init__(self, weights: Weights, filters: NDArray[np.float32], layers: int = LAYERS) -> None:
        super().__init__()
        self.spectrogram = Spectrogram(filters)
        self.first = _convolution(weights, "encoder/conv1", stride=1)
        self.second = _convolution(weights, "encoder/conv2", stride=2)
        self.register_buffer("places", torch.from_numpy(weights["encoder/position_encodings/encodings"]))
        self.places: Tensor
        self.blocks = nn.ModuleList(Block(weights, layer) for layer in range(layers))

    def forward(self, samples: Tensor, spoken: Tensor) -> Tensor:
        """samples: `[n]` at 16 kHz, n a multiple of 320, at most 30 s. spoken: `[n / 320]`, 1 for states to be read.

        The last layer computes no other states than those.
        """
        states = self.states(samples, spoken.nonzero().squeeze(1))
        mean = states.mean(dim=0)
        return torch.cat((mean, (states - mean).square().mean(dim=0).sqrt(), states.amax(dim=0)))

    def states(self, samples: Tensor, asked: Tensor | None = None) -> Tensor:
        """The states `[n / 320, 384]` after the last layer that there is, or those that are asked for."""
        heard = F.gelu(self.first(self.spectrogram(samples)[None]))
        states = F.gelu(self.second(heard))[0].T
        states = states + self.places[: states.shape[0]]
        *blocks, last = self.blocks
        for block in blocks:
            states = block(states)
        return last(states, asked)


def onnx_from_whisper(folder: Path) -> Path:
    """Write `voice.onnx` and check it against torch on two lengths. Raises `WeightsError`."""
    encoder = VoiceLayers(read_whisper(folder / "model.bin"), FeatureExtractor().mel_filters).eval()
    noise = torch.randn(64_000, generator=torch.Generator().manual_seed(0)) * 0.05
    spoken = (torch.arange(200) % 7 > 2).float()
    path = folder / "voice.onnx"
    steps = torch.export.Dim("steps", min=2, max=1500)
    inputs = {"samples": noise, "spoken": spoken}
    write_graph(encoder, path, inputs, "statistics", {"samples": {0: 320 * steps}, "spoken": {0: steps}})
    for count in (200, 50):
        shorter = {"samples": noise[: 320 * count], "spoken": spoken[:count]}
        demand_agreement(encoder, path, "voice encoder", TOLERANCE, shorter)
    return path


def _linear(weights: Weights, name: str, part: int | None = None) -> nn.Linear:
    """A layer; part: which third of one that stands for query, key and value together."""
    weight, bias = (torch.from_numpy(weights[f"{name}/{what}"]) for what in ("weight", "bias"))
    if part is not None:
        weight, bias = weight.chunk(3)[part], bias.chunk(3)[part]
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer


def _norm(weights: Weights, name: str) -> nn.LayerNorm:
    layer = nn.LayerNorm(WIDTH)
    layer.load_state_dict(
        {to: torch.from_numpy(weights[f"{name}/{of}"]) for to, of in (("weight", "gamma"), ("bias", "beta"))}
    )
    return layer


def _convolution(weights: Weights, name: str, stride: int) -> nn.Conv1d:
    weight = torch.from_numpy(weights[f"{name}/weight"])
    layer = nn.Conv1d(weight.shape[1], weight.shape[0], 3, stride=stride, padding=1)
    layer.load_state_dict({"weight": weight, "bias": torch.from_numpy(weights[f"{name}/bias"])})
    return layer


if __name__ == "__main__":
    onnx_from_whisper(Path(sys.argv[1]))
