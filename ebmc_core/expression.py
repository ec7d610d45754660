"""The expression network: what crop, texture, shape of the mesh and blendshapes of a face say of a feeling.

What it looks at is fixed, only what it concludes is learned: oriented gradients of the crop (furrows, lids, teeth), the
texture (the first layers of a network that learned from millions of faces to tell people apart), the mesh with the
head's turn taken out, and MediaPipe's blendshapes, each reduced to its main directions. With a few hundred people who
show a negative emotion, a convolutional trunk that is trained here learns by heart who they are.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ebmc_core.face import BLENDSHAPES, EMBEDDING, EMOTIONS, POINTS, TEXTURE
from ebmc_core.modality import SENTIMENTS


class ExpressionOutput(NamedTuple):
    """embedding: `[B, EMBEDDING]`. emotion: logits `[B, 7]`. sentiment: logits `[B, 3]`. covered: logit `[B]`."""

    embedding: Tensor
    emotion: Tensor
    sentiment: Tensor
    covered: Tensor


class Looks(NamedTuple):
    """What the network is shown of B faces; see `ebmc_core.face`.

    crops: `[B, CROP, CROP]`, uint8 or float, 0..255. textures: `[B, *TEXTURE]`. shapes: `[B, POINTS, 3]`.
    blendshapes: `[B, BLENDSHAPES]`.
    """

    crops: Tensor
    textures: Tensor
    shapes: Tensor
    blendshapes: Tensor

    def at(self, rows: Tensor | slice) -> "Looks":
        """Those of some faces."""
        return Looks(*(array[rows] for array in self))


class OrientedGradients(nn.Module):
    """Histograms of oriented gradients of crops, float `[B, 64, 64]` to `[B, 1764]` (N. Dalal, B. Triggs, CVPR 2005).

    9 directions in cells of 8 x 8, in overlapping blocks of 2 x 2 cells, each of unit length, clipped, and of unit
    length again: light and contrast drop out. A smooth lobe per direction replaces the binning, so that it exports. The
    offsets are in squared grey levels.
    """

    cosine: Tensor
    sine: Tensor

    WIDTH = 9 * 4 * 7 * 7
    CELL = 8
    CLIP = 0.2

    def __init__(self) -> None:
        super().__init__()
        angle = ((torch.arange(9) + 0.5) * math.pi / 9).view(1, -1, 1, 1)
        self.register_buffer("cosine", torch.cos(2 * angle), persistent=False)
        self.register_buffer("sine", torch.sin(2 * angle), persistent=False)

    def forward(self, crops: Tensor) -> Tensor:
        x = functional.pad(crops[:, None], (1, 1, 1, 1), mode="replicate")  # [B, 1, 66, 66]
        across, down = x[:, :, 1:-1, 2:] - x[:, :, 1:-1, :-2], x[:, :, 2:, 1:-1] - x[:, :, :-2, 1:-1]
        energy = across.square() + down.square() + 0.1  # 1e-8 would be 0 to the ONNX optimiser, and flat skin NaN
        along = ((across.square() - down.square()) * self.cosine + 2 * across * down * self.sine) / energy
        lobes = torch.relu(along) ** 6 * energy.sqrt()  # [B, 9, 64, 64]
        cells = functional.avg_pool2d(lobes, self.CELL)  # [B, 9, 8, 8]
        corners = (cells[..., :-1, :-1], cells[..., :-1, 1:], cells[..., 1:, :-1], cells[..., 1:, 1:])
        blocks = _unit(torch.cat(corners, dim=1)).clamp(max=self.CLIP)  # [B, 36, 7, 7]
        return _unit(blocks).flatten(1)


def _unit(blocks: Tensor) -> Tensor:
    """Each block `[B, 36, ...]` of length one, but an empty one stays empty."""
    return blocks / (blocks.square().sum(dim=1, keepdim=True) + 0.5).sqrt()


class MainDirections(nn.Module):
    """Principal components of unit spread, `[B, n]` to `[B, k]`; fitted once, never trained."""

    mean: Tensor
    basis: Tensor

    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("basis", torch.zeros(width, count))

    @torch.no_grad()
    def fit(self, rows: Tensor) -> None:
        """Take the directions in which rows `[N, n]` vary most."""
        self.mean.copy_(rows.mean(dim=0))
        centred = (rows - self.mean).double()
        spread, directions = torch.linalg.eigh(centred.T @ centred / len(rows))  # rising
        count = self.basis.shape[1]
        self.basis.copy_(directions[:, -count:] / (spread[-count:].clamp_min(0) + 1e-6).sqrt())

    def forward(self, rows: Tensor) -> Tensor:
        return ((rows - self.mean) @ self.basis).clamp(-5, 5)  # a mesh that went astray stays bounded


class MainTextures(nn.Module):
    """Main directions of textures `[B, *TEXTURE]` to `[B, k]`: first of the channels of a cell, then of all cells.

    In one step the directions would be six times as many numbers.
    """

    channels: Tensor

    CHANNELS = 64

    def __init__(self, count: int) -> None:
        super().__init__()
        depth, rows, columns = TEXTURE
        self.register_buffer("channels", torch.zeros(depth, self.CHANNELS))
        self.main = MainDirections(self.CHANNELS * rows * columns, count)

    @torch.no_grad()
    def fit(self, textures: Tensor) -> None:
        """Take the directions in which textures vary most."""
        cells = textures.permute(0, 2, 3, 1).flatten(0, 2)  # [N * 16, 512]
        centred = (cells - cells.mean(dim=0)).double()
        _, directions = torch.linalg.eigh(centred.T @ centred)  # rising
        self.channels.copy_(directions[:, -self.CHANNELS :])
        self.main.fit(self._reduced(textures))

    def _reduced(self, textures: Tensor) -> Tensor:
        return (textures.permute(0, 2, 3, 1) @ self.channels).flatten(1)  # [B, 16 * 64]

    def forward(self, textures: Tensor) -> Tensor:
        return self.main(self._reduced(textures))


class ExpressionNet(nn.Module):
    """Looks in, embedding and logits out; emotion and sentiment are linear in the embedding."""

    def __init__(self, directions: tuple[int, int, int, int] = (120, 150, 80, 40), dropout: float = 0.5) -> None:
        """directions: how many are kept of gradients, texture, shape and blendshapes."""
        super().__init__()
        self.directions = directions
        gradients, textures, shape, muscles = directions
        self.gradients = OrientedGradients()
        self.view_of_gradients = MainDirections(OrientedGradients.WIDTH, gradients)
        self.view_of_textures = MainTextures(textures)
        self.view_of_shape = MainDirections(POINTS * 3, shape)
        self.view_of_muscles = MainDirections(BLENDSHAPES, muscles)
        self.dropout = nn.Dropout(dropout)
        self.embed = nn.Linear(sum(directions), EMBEDDING, bias=False)
        self.embed_norm = nn.BatchNorm1d(EMBEDDING)
        self.emotion = nn.Linear(EMBEDDING, len(EMOTIONS))
        self.sentiment = nn.Linear(EMBEDDING, len(SENTIMENTS))
        self.covered = nn.Linear(sum(directions), 1)

    @torch.no_grad()
    def fit_views(self, looks: Looks) -> None:
        """Fit the main directions on faces for training."""
        gradients = [self.gradients(part.float()) for part in looks.crops.split(512)]
        self.view_of_gradients.fit(torch.cat(gradients))
        self.view_of_textures.fit(looks.textures.float())
        self.view_of_shape.fit(looks.shapes.flatten(1))
        self.view_of_muscles.fit(looks.blendshapes)

    def seen(self, looks: Looks) -> Tensor:
        """The fixed views side by side, `[B, sum(directions)]`."""
        views = (
            self.view_of_gradients(self.gradients(looks.crops.float())),
            self.view_of_textures(looks.textures.float()),
            self.view_of_shape(looks.shapes.flatten(1)),
            self.view_of_muscles(looks.blendshapes),
        )
        return torch.cat(views, dim=1)

    def concluded(self, seen: Tensor) -> ExpressionOutput:
        """What follows from the views."""
        x = self.dropout(seen)
        embedding = torch.relu(self.embed_norm(self.embed(x)))  # [B, 32]
        return ExpressionOutput(embedding, self.emotion(embedding), self.sentiment(embedding), self.covered(x)[:, 0])

    def forward(self, looks: Looks) -> ExpressionOutput:
        return self.concluded(self.seen(looks))
