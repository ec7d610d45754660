"""EMC, energy-guided modality coordination (EBMC Eq. 8-12, built as in 9.4.5): the weak are pulled to the others.

`E_m = alpha ||z_m||^2 + beta task_m + gamma u_m` per sample, each term standardised by its running mean and deviation.
One-sided: a modality whose energy is above the others' median is pulled down; the strong are not pushed up. The square
of Eq. 9 goes over into a line at the `knee`: squared all the way, the few windows that no model gets right had most of
the gradient. It acts on training only, so its running statistics live here and not in the model.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TERMS = 3


class EnergyWeights(NamedTuple):
    """alpha, beta and gamma of Eq. 8, delta of Eq. 12, and the gap from which its square is a line."""

    norm: float = 1.0
    task: float = 1.0
    doubt: float = 1.0
    flow: float = 0.01
    knee: float = 1e6


class Energy(nn.Module):
    """Energies of the modalities, and the coordination loss that is made of them."""

    mean: Tensor
    square: Tensor
    steps: Tensor

    def __init__(self, modalities: int, weights: EnergyWeights | None = None, momentum: float = 0.05) -> None:
        super().__init__()
        self.weights = weights or EnergyWeights()
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(TERMS, modalities))
        self.register_buffer("square", torch.ones(TERMS, modalities))
        self.register_buffer("steps", torch.zeros(()))

    def forward(
        self, own: Tensor, logits: Tensor, head: Tensor, doubt: Tensor, labels: Tensor, present: Tensor
    ) -> Tensor:
        """`L_EMC = L_gap + delta sum_m ||dE_m/dz_m||^2` (Eq. 9-12), averaged over windows.

        own: `z [M, B, L, D]`; logits: of the unimodal heads `[M, B, L, C]`; head: their weights `[M, D, C]`; doubt:
        the teacher's entropy `u_m [M, B, L]`, which carries no gradient; labels: `[M, B, L]`; present: `[M, B, L]`.
        """
        terms = self.terms(own, logits, doubt, labels)
        deviation = self.standardise(terms.detach(), present)
        alpha, beta, gamma, delta, _ = self.weights
        scaled = (terms - self.mean[:, :, None, None]) / deviation[:, :, None, None]
        energy = alpha * scaled[0] + beta * scaled[1] + gamma * scaled[2]  # Eq. 8
        several = (present.sum(0) > 1).to(own.dtype)
        mask = present * several
        above = torch.relu(energy - median(energy.detach(), present))
        gap = above.square() - torch.relu(above - self.weights.knee).square()  # Eq. 9, one-sided, bent into a line
        flow = self.flow(own, logits, head, labels, deviation)  # Eq. 11, in closed form: the heads are linear
        return ((gap + delta * flow) * mask).sum() / mask.sum().clamp(min=1)

    def terms(self, own: Tensor, logits: Tensor, doubt: Tensor, labels: Tensor) -> Tensor:
        """Mean square of `z_m`, cross entropy of its head, the teacher's doubt: `[3, M, B, L]`."""
        task = F.cross_entropy(logits.flatten(0, -2), labels.flatten(), reduction="none").view(labels.shape)
        return torch.stack((own.square().mean(-1), task, doubt.detach()))

    @torch.no_grad()
    def standardise(self, terms: Tensor, present: Tensor) -> Tensor:
        """Take the batch into the running statistics; returns the deviations `[3, M]`. Empty modalities change none."""
        seen = present.sum((1, 2))  # [M]
        count = seen.clamp(min=1)
        mean = (terms * present).sum((2, 3)) / count
        square = (terms.square() * present).sum((2, 3)) / count
        share = torch.where(self.steps == 0, 1.0, self.momentum) * (seen > 0)
        self.mean.lerp_(mean, share.expand_as(mean))
        self.square.lerp_(square, share.expand_as(square))
        self.steps += 1
        return (self.square - self.mean.square()).clamp(min=1e-4).sqrt()

    def flow(self, own: Tensor, logits: Tensor, head: Tensor, labels: Tensor, deviation: Tensor) -> Tensor:
        """`||dE_m/dz_m||^2 [M, B, L]`: `2 alpha z / D` of the norm, `beta W (p - onehot)` of the cross entropy."""
        wrong = torch.softmax(logits, dim=-1) - F.one_hot(labels, logits.shape[-1])  # [M, B, L, C]
        task = torch.einsum("mblc,mdc->mbld", wrong, head) * (self.weights.task / deviation[1])[:, None, None, None]
        norm = 2 * own / own.shape[-1] * (self.weights.norm / deviation[0])[:, None, None, None]
        return (norm + task).square().sum(-1)


def median(energy: Tensor, present: Tensor) -> Tensor:
    """The lower median over the modalities that are there, `[M, B, L] -> [B, L]`, 0 where none is.

    Lower: of two, the weaker is pulled to the stronger.
    """
    ranked = energy.masked_fill(present == 0, torch.inf).sort(dim=0).values
    middle = ((present.sum(0) - 1).clamp(min=0) / 2).floor().long()
    return torch.nan_to_num(ranked.gather(0, middle.unsqueeze(0)).squeeze(0), posinf=0.0)
