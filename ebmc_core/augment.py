"""Face crops varied at random while the expression network trains. Batches of float crops `[B, S, S]`, 0..255."""

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional

from ebmc_core.face import CROP, MARGIN


def augmented(crops: Tensor, rng: Generator) -> Tensor:
    """Crops `[B, CROP + 2 MARGIN, ...]` as they might also have come, `[B, CROP, CROP]`."""
    x = _moved(crops.float(), rng)
    x = _soft(x, rng)
    x = 255 * (x.clamp(0, 255) / 255) ** torch.exp(_uniform(rng, len(x), -0.5, 0.5))
    x = x + torch.randn(x.shape, generator=rng) * _uniform(rng, len(x), 0, 8) * _chance(rng, len(x), 0.5)
    return _patched(x, rng)


def _uniform(rng: Generator, n: int, low: float, high: float) -> Tensor:
    """`[n, 1, 1]`."""
    return torch.rand(n, 1, 1, generator=rng) * (high - low) + low


def _chance(rng: Generator, n: int, share: float) -> Tensor:
    """1 with that chance, else 0, `[n, 1, 1]`."""
    return (torch.rand(n, 1, 1, generator=rng) < share).float()


def _moved(crops: Tensor, rng: Generator) -> Tensor:
    """Turned by up to 12 degrees, scaled by 10 %, shifted by 3 pixels, mirrored: as far as landmarks err, and more."""
    n, inner = len(crops), CROP / (CROP + 2 * MARGIN)
    angle = _uniform(rng, n, -0.2, 0.2)[:, 0, 0]
    scale = inner * torch.exp(_uniform(rng, n, -0.1, 0.1)[:, 0, 0])
    aspect = torch.exp(_uniform(rng, n, -0.07, 0.07)[:, 0, 0])
    mirror = 1 - 2 * _chance(rng, n, 0.5)[:, 0, 0]
    shift = (torch.rand(n, 2, generator=rng) * 2 - 1) * 6 / CROP
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    rows = torch.stack([cos * mirror, -sin * aspect, shift[:, 0], sin * mirror, cos * aspect, shift[:, 1]], dim=1)
    grid = functional.affine_grid(rows.view(n, 2, 3), [n, 1, CROP, CROP], align_corners=False)
    return functional.grid_sample(crops[:, None], grid, padding_mode="border", align_corners=False)[:, 0]


def _soft(x: Tensor, rng: Generator) -> Tensor:
    """Some of them out of focus: a Gaussian of up to 1.5 pixels, one width for the batch."""
    sigma = float(torch.rand(1, generator=rng)) * 1.5 + 0.1
    taps = torch.arange(-4, 5, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (taps / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    padded = functional.pad(x[:, None], (4, 4, 4, 4), mode="replicate")
    blurred = functional.conv2d(functional.conv2d(padded, kernel), kernel.transpose(2, 3))[:, 0]
    chosen = _chance(rng, len(x), 0.3)
    return chosen * blurred + (1 - chosen) * x


def _patched(x: Tensor, rng: Generator) -> Tensor:
    """A rectangle of one grey over a third of them: no single feature may decide alone."""
    n = len(x)
    centre = torch.rand(n, 2, 1, generator=rng) * CROP
    half = torch.rand(n, 2, 1, generator=rng) * CROP * 0.2 + 4
    inside = (torch.arange(CROP).view(1, 1, -1) - centre).abs() < half  # [n, 2, CROP]
    patch = (inside[:, 0, :, None] & inside[:, 1, None, :]).float() * _chance(rng, n, 0.35)
    return x * (1 - patch) + _uniform(rng, n, 0, 255) * patch
