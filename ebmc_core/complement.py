"""CCE, cross-modal complementary enhancement (EBMC Eq. 6, built as in 9.4.4): what the others say of a modality."""

import torch
from torch import Tensor, nn

from ebmc_core.experts import StackedLinear, StackedMLP


class Complement(nn.Module):
    """A generator per modality, fed by the parts of the others and by the own shared part where there is one.

    Never by the own specific part: with it the generator would learn to copy instead of to impute.
    """

    visible: Tensor

    def __init__(self, modalities: int, width: int, part: int) -> None:
        super().__init__()
        self.generator = StackedMLP(modalities, modalities * 2 * part, width, width)
        self.missing = nn.Parameter(torch.randn(modalities, 1, 1, 2 * part) * 0.02)  # stands in for absent parts
        self.gate = StackedLinear(modalities, 2 * width, width)
        nn.init.constant_(self.gate.bias, -2.0)  # begin by trusting the evidence over what the others make of it
        visible = torch.ones(modalities, modalities, 1, 1, 2 * part)
        for index in range(modalities):
            visible[index, index, ..., part:] = 0
        self.register_buffer("visible", visible, persistent=False)

    def fill(self, shared: Tensor, specific: Tensor, present: Tensor) -> Tensor:
        """`zt_m = G_m(c_m or miss, {c_n, s_n or miss})`; shared, specific `[M, B, L, P]`, present `[M, B, L]`."""
        parts = torch.cat((shared, specific), dim=-1)
        parts = torch.where(present.unsqueeze(-1) > 0, parts, self.missing)  # [M, B, L, 2P]
        seen = (parts.unsqueeze(0) * self.visible).permute(0, 2, 3, 1, 4)  # [M, B, L, M, 2P]
        return self.generator(seen.flatten(-2))

    def forward(self, own: Tensor, shared: Tensor, specific: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Returns `zt` and the completed `zbar = present ? z + gate * (zt - z) : zt`, each `[M, B, L, D]`."""
        filled = self.fill(shared, specific, present)
        others = (present.sum(0, keepdim=True) - present > 0).to(own.dtype).unsqueeze(-1)
        gate = torch.sigmoid(self.gate(torch.cat((own, filled), dim=-1))) * others
        completed = own + gate * (filled - own)
        return filled, torch.where(present.unsqueeze(-1) > 0, completed, filled)
