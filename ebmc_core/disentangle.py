"""MSD, modality semantic disentanglement (EBMC Eq. 1-5, built as in 9.4.3): what is shared, what is specific."""

from torch import Tensor, nn

from ebmc_core.experts import StackedMLP, StackedNorm


class Disentangle(nn.Module):
    """Splits `z_m` into a shared part `c_m` and a specific part `s_m`, each with its own normalisation."""

    def __init__(self, modalities: int, width: int, part: int) -> None:
        super().__init__()
        self.shared = nn.Sequential(StackedMLP(modalities, width, width, part), StackedNorm(modalities, part))
        self.specific = nn.Sequential(StackedMLP(modalities, width, width, part), StackedNorm(modalities, part))

    def forward(self, own: Tensor) -> tuple[Tensor, Tensor]:
        """own: `z [M, B, L, D]`. Returns `c` and `s`, each `[M, B, L, P]`."""
        return self.shared(own), self.specific(own)
