"""IMTD's trust head (EBMC Eq. 13-16, built as in 9.4.6): the weights that fuse, and that are published."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ebmc_core.experts import MASKED, StackedMLP

AGE_SCALES = (0.5, 2.0, 8.0)  # seconds: within a window, just gone, long gone
QUALITY_FLOOR = 0.05  # keeps the logarithm finite at quality 0
LEAST_SLOPE = 0.5  # a measured quality always counts, whatever training made of it


def encode_age(age: Tensor) -> Tensor:
    """Seconds since the last real sample as bounded decays, so that ages never trained on are harmless: `[..., 3]`."""
    return torch.stack([torch.exp(-age.clamp(min=0) / scale) for scale in AGE_SCALES], dim=-1)


class TrustHead(nn.Module):
    """Softmax over the modalities present of `MLP_m(zbar_m, age_m) + slope_m * log(quality_m + floor)`.

    The measured quality enters nowhere else in that sum and its slope is positive, so a lower quality always lowers
    that modality's trust. Absent modalities get exactly 0; if all are absent, all weights are 0.
    """

    def __init__(self, modalities: int, width: int) -> None:
        super().__init__()
        self.score = StackedMLP(modalities, width + len(AGE_SCALES), width // 2, 1)
        self.slope = nn.Parameter(torch.zeros(modalities, 1, 1))

    def forward(self, completed: Tensor, age: Tensor, quality: Tensor, present: Tensor) -> Tensor:
        """completed: `zbar [M, B, L, D]`; age, quality, present `[M, B, L]`. Returns the trust `[M, B, L]`."""
        learned = self.score(torch.cat((completed, encode_age(age)), dim=-1)).squeeze(-1)
        slope = LEAST_SLOPE + F.softplus(self.slope)
        measured = slope * torch.log(quality.clamp(0, 1) + QUALITY_FLOOR)
        logits = torch.where(present > 0, learned + measured, MASKED)
        return torch.softmax(logits, dim=0) * present
