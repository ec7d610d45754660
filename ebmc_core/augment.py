"""Face crops varied at random while the expression network trains.

Only their place varies: blur, noise, darkness and hands come from the degraded copies of `stream.prepare.faces`, which
went through the landmarker as well.
"""

import torch
from torch import Generator, Tensor
from torch.nn import functional

from ebmc_core.face import CROP, MARGIN


def augmented(crops: Tensor, rng: Generator) -> Tensor:
    """Crops `[B, CROP + 2 MARGIN, ...]` turned by up to 8 degrees, scaled by 8 %, shifted by 2 pixels, some mirrored.

    That is as far as landmarks err, and a little more. Gives float `[B, CROP, CROP]`, 0..255.
    """
    n, inner = len(crops), CROP / (CROP + 2 * MARGIN)
    angle = _uniform(rng, n, 0.14)
    scale = inner * torch.exp(_uniform(rng, n, 0.08))
    aspect = torch.exp(_uniform(rng, n, 0.04))
    mirror = torch.sign(_uniform(rng, n, 1.0))
    across, down = (_uniform(rng, n, 4 / CROP) for _ in range(2))
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    rows = torch.stack([cos * mirror, -sin * aspect, across, sin * mirror, cos * aspect, down], dim=1)
    grid = functional.affine_grid(rows.view(n, 2, 3), [n, 1, CROP, CROP], align_corners=False)
    moved = functional.grid_sample(crops.float()[:, None], grid, padding_mode="border", align_corners=False)
    return moved[:, 0]


def _uniform(rng: Generator, n: int, limit: float) -> Tensor:
    """`[n]`, between minus and plus the limit."""
    return (torch.rand(n, generator=rng) * 2 - 1) * limit
