"""How far a feature is from anything seen in training: what trust knows of disturbances that no measure noticed.

After method section 10 (a drifted but confident stream is the bad case). Two numbers per modality: the energy of the
standardised feature inside the main directions of the training features (a Mahalanobis distance), and outside them,
where real features have little and noise has most of its energy.
"""

import torch
from torch import Tensor, nn

DIRECTIONS = 32
NUMBERS = 2
FAR = 6.0  # deviations; more says nothing more
USUAL = 0.9  # share of the training features that are not novel at all
TINY = 1e-6


class Novelty(nn.Module):
    """Log energies inside and outside the main directions, in deviations from the training mean, `[..., 2]`."""

    basis: Tensor
    spread: Tensor
    centre: Tensor
    scale: Tensor
    limit: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        count = min(DIRECTIONS, width // 2)
        self.register_buffer("basis", torch.eye(width, count))
        self.register_buffer("spread", torch.ones(count))
        self.register_buffer("centre", torch.zeros(NUMBERS))
        self.register_buffer("scale", torch.ones(NUMBERS))
        self.register_buffer("limit", torch.full((NUMBERS,), 2.33))

    @torch.no_grad()
    def fit(self, standard: Tensor) -> None:
        """Take the main directions of standardised training features `[N, d]`, and what is usual along them."""
        exact = standard.double()
        spread, directions = torch.linalg.eigh(exact.T @ exact / len(exact))  # rising
        count = self.basis.shape[1]
        self.basis.copy_(directions[:, -count:])
        self.spread.copy_(spread[-count:].clamp(min=TINY).sqrt())
        energies = self.energies(standard)
        self.centre.copy_(energies.mean(0))
        self.scale.copy_(energies.std(0).clamp(min=1e-3))
        self.limit.copy_(torch.quantile(self(standard)[0], USUAL, dim=0))

    def energies(self, standard: Tensor) -> Tensor:
        """Logarithms of the mean square inside (each direction in its own deviations) and outside, `[..., 2]`."""
        inside = standard @ self.basis  # [..., k]
        rest = (standard.square().sum(-1) - inside.square().sum(-1)).clamp(min=0) / standard.shape[-1]
        return torch.stack(((inside / self.spread).square().mean(-1), rest), dim=-1).add(TINY).log()

    def forward(self, standard: Tensor) -> tuple[Tensor, Tensor]:
        """standard: standardised features `[..., d]`.

        Returns the novelty `[..., 2]`, 0 for a usual feature, bounded; and how far it is beyond what 90 % of the
        training features are, `[...]`, 0 for those.
        """
        novelty = ((self.energies(standard) - self.centre) / self.scale).clamp(-FAR, FAR)
        return novelty, torch.relu(novelty - self.limit).sum(-1)
