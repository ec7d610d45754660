"""IMTD's trust head (EBMC Eq. 13-16, built as in 9.4.6): the weights that fuse, and that are published."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ebmc_core.experts import MASKED, StackedMLP
from ebmc_core.novelty import NUMBERS

AGE_SCALES = (0.5, 2.0, 8.0)  # seconds: within a window, just gone, long gone
QUALITY_FLOOR = 0.05  # keeps the logarithm finite at quality 0
LEAST_SLOPE = 0.5  # a measured quality always counts, whatever training made of it
STRANGE = 1.5  # where the slope of novelty begins (before softplus): steps are few, and from 0 it hardly moves


def encode_age(age: Tensor) -> Tensor:
    """Seconds since the last real sample as bounded decays, so that ages never trained on are harmless: `[..., 3]`."""
    return torch.stack([torch.exp(-age.clamp(min=0) / scale) for scale in AGE_SCALES], dim=-1)


class TrustHead(nn.Module):
    """Softmax over the modalities present of what was learned, what was measured, and how strange the feature is.

    `MLP_m(zbar_m, age_m) + slope_m * log(quality_m + floor) - slope'_m * log(1 + excess_m)`; in older checkpoints the
    MLP reads the novelty too, or the excess stands for its logarithm. The measured quality enters nowhere else in that
    sum and its slope is positive, so a lower quality always lowers that modality's trust; so does a feature beyond what
    90 % of the training features are. Absent modalities get exactly 0; if all are absent, all weights are 0.
    """

    def __init__(self, modalities: int, width: int, novelty: str) -> None:
        """novelty: `linear`, `log` or `apart`, see `EbmcConfig`."""
        super().__init__()
        self.fading, self.apart = novelty != "linear", novelty == "apart"
        learns_from = width + len(AGE_SCALES) + (0 if self.apart else NUMBERS)
        self.score = StackedMLP(modalities, learns_from, width // 2, 1)
        self.slope = nn.Parameter(torch.zeros(modalities, 1, 1))
        self.strange = nn.Parameter(torch.full((modalities, 1, 1), STRANGE))

    def forward(
        self, completed: Tensor, novelty: Tensor, excess: Tensor, age: Tensor, quality: Tensor, present: Tensor
    ) -> Tensor:
        """completed: `zbar [M, B, L, D]`; novelty `[M, B, L, 2]`; the others `[M, B, L]`, as is the trust returned."""
        seen = (completed, encode_age(age)) if self.apart else (completed, novelty, encode_age(age))
        learned = self.score(torch.cat(seen, dim=-1)).squeeze(-1)
        measured = (LEAST_SLOPE + F.softplus(self.slope)) * torch.log(quality.clamp(0, 1) + QUALITY_FLOOR)
        strange = F.softplus(self.strange) * (torch.log1p(excess) if self.fading else excess)
        logits = torch.where(present > 0, learned + measured - strange, MASKED)
        return torch.softmax(logits, dim=0) * present


def uniform_trust(present: Tensor) -> Tensor:
    """The same weight for all that are present `[M, ...]`: what trust is measured against."""
    return present / present.sum(0, keepdim=True).clamp(min=1)
