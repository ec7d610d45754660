"""The experts as they are compiled: the same numbers for the newest window, from fewer and larger products.

Exact rewritings of `ebmc_core.experts.Experts` (differences are rounding, below 1e-5 of the model's outputs):
the scale and shift of a normalisation go into the linear layer behind it; the first block's normalised tokens are the
same for all experts, so its queries, keys and values are one product; and the last block, where one window asks,
projects the question into the space of the tokens (`q W_k^T`) instead of all tokens into the space of the question.

Axes: `E` experts, `N` streams times modalities, `L` windows, `H` heads, `D` width, `S = D / H`.
"""

import copy
import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ebmc_core.experts import MASKED, ExpertBlock, Experts, StackedLinear, StackedNorm, WindowAttention
from ebmc_core.model import EBMC


def folded(model: EBMC) -> EBMC:
    """A copy whose experts are `FoldedExperts`, unless there is nothing to fold; it only runs with `newest`."""
    copied = copy.deepcopy(model).eval()
    if model.config.experts == "own":  # each modality through one expert: no products to share
        return copied
    copied.experts = FoldedExperts(copied.experts)  # pyright: ignore[reportAttributeAccessIssue]
    return copied


class FoldedExperts(nn.Module):
    """Drop-in for `Experts` in inference, for the newest window alone."""

    def __init__(self, experts: Experts) -> None:
        super().__init__()
        self.router, self.norm = experts.router, experts.norm
        *before, last = (cast(ExpertBlock, block) for block in experts.blocks)
        self.before = nn.ModuleList(WholeBlock(block, shared=i == 0) for i, block in enumerate(before))
        self.last = NewestBlock(last)

    def forward(
        self, tokens: Tensor, keys: Tensor, own_experts: bool = False, newest: bool = True
    ) -> tuple[Tensor, Tensor]:
        """As `Experts.forward` with `newest`: tokens `[M, B, L, D]`, keys `[M, B, L, L]` to `z [M, B, 1, D]`."""
        assert newest and not own_experts
        modalities, batch, length, width = tokens.shape
        route = torch.softmax(self.router(tokens[:, :, -1:]), dim=-1)  # [M, B, 1, E]
        x = tokens.reshape(1, modalities * batch, length, width)
        keys = keys.to(tokens.dtype)
        mask = ((1 - keys) * MASKED).reshape(modalities * batch, 1, length, length)
        readable = keys.amax(-1).reshape(1, modalities * batch, length, 1)  # a row with nothing to read reads 0
        for block in self.before:
            x = block(x, mask, readable)
        hidden = self.last(x, mask[:, :, -1], readable[:, :, -1])  # [E, N, D]
        mixed = (hidden.reshape(-1, modalities, batch, 1, width) * route.permute(3, 0, 1, 2).unsqueeze(-1)).sum(0)
        return self.norm(mixed), route


class Tail(nn.Module):
    """What follows the attention: out projection, residual, MLP, residual; `[E, R, D]` with any number of rows."""

    def __init__(self, block: ExpertBlock) -> None:
        super().__init__()
        self.out_weight, self.out_bias = block.attention.out.weight, block.attention.out.bias
        up, down = cast(StackedLinear, block.mlp[0]), cast(StackedLinear, block.mlp[3])
        self.up_weight, self.up_bias = absorb(block.mlp_norm, up)
        self.down_weight, self.down_bias = down.weight, down.bias

    def forward(self, x: Tensor, read: Tensor) -> Tensor:
        x = x + (torch.bmm(read, self.out_weight) + self.out_bias)
        hidden = F.gelu(torch.bmm(normalise(x), self.up_weight) + self.up_bias)
        return x + (torch.bmm(hidden, self.down_weight) + self.down_bias)


class WholeBlock(nn.Module):
    """A block over all windows. `shared`: the first one, whose input is the same for all experts."""

    def __init__(self, block: ExpertBlock, shared: bool) -> None:
        super().__init__()
        attention: WindowAttention = block.attention
        weight, bias = absorb(block.attention_norm, attention.qkv)  # [E, D, 3D], [E, 1, 3D]
        self.experts, self.width, self.heads = weight.shape[0], weight.shape[1], attention.heads
        scale = torch.ones(3, 1)
        scale[0] /= math.sqrt(self.width // self.heads)
        weight = weight.unflatten(-1, (3, self.width)) * scale
        bias = bias.unflatten(-1, (3, self.width)) * scale
        self.shared = shared
        if shared:  # [D, 3ED]
            self.weight = nn.Parameter(weight.permute(1, 2, 0, 3).flatten(1))
            self.bias = nn.Parameter(bias.permute(1, 2, 0, 3).flatten())
        else:
            self.weight, self.bias = nn.Parameter(weight.flatten(-2)), nn.Parameter(bias.flatten(-2))
        self.recency = nn.Parameter(attention.recency[:, :, attention.distance].flatten(0, 1))  # [EH, L, L]
        self.tail = Tail(block)

    def forward(self, x: Tensor, mask: Tensor, readable: Tensor) -> Tensor:
        """x `[1 or E, N, L, D]`, mask `[N, 1, L, L]` (0 or very negative). Returns `[E, N, L, D]`."""
        _, count, length, width = x.shape
        heads = self.experts * self.heads
        query, key, value = (
            part.reshape(count, length, heads, -1).transpose(1, 2) for part in self.project(normalise(x))
        )  # [N, EH, L, S]
        scores = query @ key.transpose(-1, -2) + (self.recency[:, :length, :length] + mask)  # [N, EH, L, L]
        read = torch.softmax(scores, dim=-1) @ value
        read = read.reshape(count, self.experts, self.heads, length, -1).permute(1, 0, 3, 2, 4)  # [E, N, L, H, S]
        read = read.reshape(self.experts, count, length, width) * readable
        flat = (-1, count * length, width)
        return self.tail(x.reshape(flat), read.reshape(flat)).reshape(self.experts, count, length, width)

    def project(self, x: Tensor) -> tuple[Tensor, ...]:
        """Queries, keys and values, each `[N, L, E * D]`."""
        _, count, length, width = x.shape
        if self.shared:
            return (x.reshape(count, length, width) @ self.weight + self.bias).chunk(3, dim=-1)
        flat = torch.bmm(x.reshape(self.experts, -1, width), self.weight) + self.bias
        parts = flat.reshape(self.experts, count, length, 3, width).permute(3, 1, 2, 0, 4)
        return parts.reshape(3, count, length, self.experts * width).unbind(0)


class NewestBlock(nn.Module):
    """The last block, in which only the newest window asks: `[E, N, L, D] -> [E, N, D]`."""

    def __init__(self, block: ExpertBlock) -> None:
        super().__init__()
        attention: WindowAttention = block.attention
        weight, bias = absorb(block.attention_norm, attention.qkv)
        self.experts, self.width, self.heads = weight.shape[0], weight.shape[1], attention.heads
        size = self.width // self.heads
        query, key, value = weight.chunk(3, dim=-1)  # [E, D, D]
        self.query = nn.Parameter(query / math.sqrt(size))
        self.query_bias = nn.Parameter(bias[..., : self.width] / math.sqrt(size))
        # the bias of the keys adds the same to every score of a question, so softmax does not see it
        self.key = nn.Parameter(key.unflatten(-1, (self.heads, size)).permute(0, 2, 3, 1).flatten(0, 1))  # [EH, S, D]
        self.value = nn.Parameter(value.unflatten(-1, (self.heads, size)).permute(0, 2, 1, 3).flatten(0, 1))
        self.value_bias = nn.Parameter(bias[..., 2 * self.width :])
        self.recency = nn.Parameter(attention.recency.flip(-1).unsqueeze(1))  # [E, 1, H, L], the newest last
        self.tail = Tail(block)

    def forward(self, x: Tensor, mask: Tensor, readable: Tensor) -> Tensor:
        """x `[1 or E, N, L, D]`, mask `[N, 1, L]`, readable `[1, N, 1]`."""
        count, length = x.shape[1:3]
        tokens = normalise(x).expand(self.experts, -1, -1, -1)
        query = torch.bmm(tokens[:, :, -1], self.query) + self.query_bias  # [E, N, D]
        query = query.reshape(self.experts, count, self.heads, -1).transpose(1, 2).reshape(len(self.key), count, -1)
        asked = torch.bmm(query, self.key).reshape(self.experts, self.heads, count, -1).transpose(1, 2)  # [E, N, H, D]
        scores = asked @ tokens.transpose(-1, -2) + (self.recency[..., -length:] + mask)  # [E, N, H, L]
        read = torch.softmax(scores, dim=-1) @ tokens  # [E, N, H, D]
        read = torch.bmm(read.transpose(1, 2).reshape(len(self.value), count, -1), self.value)  # [EH, N, S]
        read = read.reshape(self.experts, self.heads, count, -1).transpose(1, 2).reshape(self.experts, count, -1)
        return self.tail(x[:, :, -1], (read + self.value_bias) * readable)


def absorb(norm: StackedNorm, linear: StackedLinear) -> tuple[nn.Parameter, nn.Parameter]:
    """`(x * scale + shift) W + b = x (scale W) + (shift W + b)`: weight and bias for the bare normalisation."""
    with torch.no_grad():
        weight = norm.weight.unsqueeze(-1) * linear.weight
        bias = norm.bias.unsqueeze(1) @ linear.weight + linear.bias
    return nn.Parameter(weight), nn.Parameter(bias)


def normalise(x: Tensor) -> Tensor:
    """Layer normalisation without scale and shift."""
    return F.layer_norm(x, (x.shape[-1],))
