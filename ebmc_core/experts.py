"""Unimodal experts and the router that mixes them (soft mixture of experts; EBMC section 2, built as in 9.4.2).

Axes: `M` modalities, `E` experts (one per modality, so `E == M`), `B` streams, `L` windows, `H` heads, `D` width.
The weights of all experts are stacked, so nine passes (each modality through each expert) are one batched product.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MASKED = -1e4  # finite in half precision, and exp(MASKED) is exactly 0 in float32


class StackedLinear(nn.Module):
    """`K` linear layers side by side: `[K, ..., inputs] -> [K, ..., outputs]`."""

    def __init__(self, count: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(count, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(count, 1, outputs))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(x.shape[0], -1, x.shape[-1])  # [K, N, inputs]
        return (torch.bmm(flat, self.weight) + self.bias).reshape(*x.shape[:-1], self.weight.shape[-1])


class StackedNorm(nn.Module):
    """`K` layer normalisations side by side, each with its own scale and shift: `[K, ..., D]`."""

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(count, width))
        self.bias = nn.Parameter(torch.zeros(count, width))

    def forward(self, x: Tensor) -> Tensor:
        lead = (x.shape[0], *([1] * (x.dim() - 2)), x.shape[-1])
        return F.layer_norm(x, (x.shape[-1],)) * self.weight.view(lead) + self.bias.view(lead)


class StackedMLP(nn.Sequential):
    """`K` two-layer networks side by side: `[K, ..., inputs] -> [K, ..., outputs]`."""

    def __init__(self, count: int, inputs: int, hidden: int, outputs: int, dropout: float = 0.0) -> None:
        super().__init__(
            StackedLinear(count, inputs, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            StackedLinear(count, hidden, outputs),
        )


class WindowAttention(nn.Module):
    """Attention of one modality's windows on one another (those that `keys` allow), in every expert at once.

    A learned bias per head and distance carries the order of the windows: it depends on nothing but the distance,
    so padding in front changes no bit.
    """

    distance: Tensor

    def __init__(self, experts: int, width: int, heads: int, context: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = StackedLinear(experts, width, 3 * width)
        self.out = StackedLinear(experts, width, width)
        slopes = torch.linspace(0.02, 0.5, heads)[:, None] * -torch.arange(context)  # near windows matter more at first
        self.recency = nn.Parameter(slopes.repeat(experts, 1, 1))  # [E, H, context]
        steps = torch.arange(context)
        self.register_buffer("distance", (steps[:, None] - steps[None, :]).abs(), persistent=False)

    def forward(self, x: Tensor, keys: Tensor, newest: bool = False) -> Tensor:
        """x: `[E, N, L, D]`. keys: `[E or 1, N, L, L]`, 1 where the row's window may read the column's window.

        `newest`: only the last window asks; returns `[E, N, 1, D]`, equal to the last step of the whole.
        """
        experts, count, length, width = x.shape
        first = length - 1 if newest else 0  # the first window that asks
        query = self.split(x[:, :, first:], slice(None, width))  # [E, N, H, Q, D/H]
        key, value = self.split(x, slice(width, 2 * width)), self.split(x, slice(2 * width, None))
        scores = query @ key.transpose(-1, -2) / math.sqrt(width // self.heads)
        scores = scores + self.recency[:, :, self.distance[first:length, :length]].unsqueeze(1)  # [E, N, H, Q, L]
        allowed = keys[:, :, first:].unsqueeze(2)
        weights = torch.softmax(scores + (1 - allowed) * MASKED, dim=-1)
        read = (weights @ value) * allowed.amax(-1, keepdim=True)  # a row with nothing to read reads 0
        return self.out(read.transpose(2, 3).reshape(experts, count, length - first, width))

    def split(self, x: Tensor, columns: slice) -> Tensor:
        """x `[E, N, L, D]` through these columns of `qkv`, one head beside the other: `[E, N, H, L, D/H]`."""
        flat = x.reshape(x.shape[0], -1, x.shape[-1])
        part = torch.bmm(flat, self.qkv.weight[..., columns]) + self.qkv.bias[..., columns]
        return part.reshape(*x.shape[:-1], self.heads, -1).transpose(2, 3)


class ExpertBlock(nn.Module):
    """A pre-norm residual block: attention on other windows, then an MLP; `[E, N, L, D] -> [E, N, L, D]`."""

    def __init__(self, experts: int, width: int, heads: int, context: int, ratio: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = StackedNorm(experts, width)
        self.attention = WindowAttention(experts, width, heads, context)
        self.mlp_norm = StackedNorm(experts, width)
        self.mlp = StackedMLP(experts, width, ratio * width, width, dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, keys: Tensor, newest: bool = False) -> Tensor:
        read = self.attention(self.attention_norm(x), keys, newest)
        x = (x[:, :, -1:] if newest else x) + self.dropout(read)
        return x + self.dropout(self.mlp(self.mlp_norm(x)))


class Experts(nn.Module):
    """Three experts and a softmax router per modality: `f_m -> z_m`. No modality reads another one's windows."""

    def __init__(
        self, experts: int, width: int, depth: int, heads: int, context: int, ratio: int, dropout: float
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ExpertBlock(experts, width, heads, context, ratio, dropout) for _ in range(depth))
        self.router = StackedMLP(experts, width, width // 2, experts)
        self.norm = StackedNorm(experts, width)

    def forward(
        self, tokens: Tensor, keys: Tensor, own_experts: bool = False, newest: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Stage I (`own_experts`) runs each modality through its own expert only; Stage II mixes all three.

        tokens: `[M, B, L, D]`. keys: `[M, B, L, L]`. Returns `z [M, B, L, D]` and the router weights `[M, B, L, E]`.
        `newest`: both for the last window alone, `L = 1`.
        """
        modalities, batch, length, width = tokens.shape
        route = torch.softmax(self.router(tokens[:, :, -1:] if newest else tokens), dim=-1)  # [M, B, L, E]
        if own_experts:
            return self.norm(self.run(tokens, keys, newest)), route
        flat = tokens.reshape(1, modalities * batch, length, width).expand(modalities, -1, -1, -1)
        hidden = self.run(flat, keys.reshape(1, modalities * batch, length, length), newest)
        hidden = hidden.reshape(modalities, modalities, batch, -1, width)  # [E, M, B, L, D]
        mixed = (hidden * route.permute(3, 0, 1, 2).unsqueeze(-1)).sum(0)  # z_m = sum_e r_{m,e} h_m^e
        return self.norm(mixed), route

    def run(self, x: Tensor, keys: Tensor, newest: bool = False) -> Tensor:
        """All blocks in turn; `[E, N, L, D]`. `newest`: the last block for the last window alone."""
        for index, block in enumerate(self.blocks, start=1):
            x = block(x, keys, newest and index == len(self.blocks))
        return x
