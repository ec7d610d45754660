"""The expression network: what one grey, aligned face crop says of emotion and sentiment.

A small residual network (0.3 M parameters, about 10 M multiply-adds) without global pooling: the crop is aligned, so
where something happens (brows, mouth) is half of what it means. What leaves it for the stream is the embedding, the
32 numbers from which both heads are linear.
"""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ebmc_core.face import CROP, EMBEDDING, EMOTIONS
from ebmc_core.modality import SENTIMENTS

BLENDSHAPES = 52


class ExpressionOutput(NamedTuple):
    """embedding: `[B, EMBEDDING]`. emotion: logits `[B, 7]`. sentiment: logits `[B, 3]`. shapes: `[B, 52]`."""

    embedding: Tensor
    emotion: Tensor
    sentiment: Tensor
    shapes: Tensor


class Block(nn.Module):
    """Two 3 x 3 convolutions around a shortcut; halves the picture, `[B, C, S, S]` to `[B, C', S/2, S/2]`."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels_out)
        self.second = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(channels_out)
        self.shortcut = nn.Conv2d(channels_in, channels_out, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.shortcut(nn.functional.avg_pool2d(x, 2))
        x = torch.relu(self.first_norm(self.first(x)))
        return torch.relu(self.second_norm(self.second(x)) + shortcut)


class ExpressionNet(nn.Module):
    """Crops in, embedding and logits out.

    Besides the two labelled heads it learns the blendshapes of the same face: they exist for every picture, while only
    one in twenty shows a negative emotion, and they keep the trunk looking at muscles instead of at who it is.
    """

    def __init__(self, channels: tuple[int, ...] = (16, 32, 64, 96), dropout: float = 0.5) -> None:
        super().__init__()
        self.channels = channels
        self.stem = nn.Conv2d(1, channels[0], 5, stride=2, padding=2, bias=False)
        self.stem_norm = nn.BatchNorm2d(channels[0])
        self.blocks = nn.Sequential(*(Block(narrow, wide) for narrow, wide in pairwise(channels)))
        side = CROP >> len(channels)
        self.dropout = nn.Dropout(dropout)
        self.embed = nn.Linear(channels[-1] * side * side, EMBEDDING)
        self.embed_norm = nn.BatchNorm1d(EMBEDDING)
        self.emotion = nn.Linear(EMBEDDING, len(EMOTIONS))
        self.sentiment = nn.Linear(EMBEDDING, len(SENTIMENTS))
        self.shapes = nn.Linear(channels[-1] * side * side, BLENDSHAPES)

    def forward(self, crops: Tensor) -> ExpressionOutput:
        """crops: `[B, CROP, CROP]`, uint8 or float, 0..255."""
        x = standardised(crops)[:, None]  # [B, 1, 64, 64]
        x = torch.relu(self.stem_norm(self.stem(x)))  # [B, 16, 32, 32]
        x = self.dropout(self.blocks(x).flatten(1))  # [B, 96 * 4 * 4]
        embedding = torch.tanh(self.embed_norm(self.embed(x)))  # [B, 32], bounded: an odd picture cannot shout
        return ExpressionOutput(embedding, self.emotion(embedding), self.sentiment(embedding), self.shapes(x))


def standardised(crops: Tensor) -> Tensor:
    """Zero mean and unit spread within each crop `[B, S, S]`, so that light and contrast carry nothing."""
    light = crops.float()
    light = light - light.mean(dim=(1, 2), keepdim=True)
    return light / (light.square().mean(dim=(1, 2), keepdim=True) + 1.0).sqrt()  # 1: a flat crop stays flat
