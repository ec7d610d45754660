"""The upper blocks of the sentence encoder, which are trained here on sentiment; those below stay MiniLM's own.

MiniLM (Wang et al. 2020) in the sentence-transformers form all-MiniLM-L6-v2: 6 post-norm BERT blocks of width 384, the
mean over tokens, length 1. Weights keep the names that MiniLM's file gives them, so that they can take their place.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

BLOCKS = 6
WIDTH = 384
HEADS = 12
INNER = 1536
NORM_EPSILON = 1e-12
PARTS = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "out": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "norm": "output.LayerNorm",
}
"""Our name of a part of a block, and MiniLM's."""


class SentenceBlock(nn.Module):
    """Self-attention and a feed-forward layer, each added to its input and normed."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.up, self.down = nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)
        self.attention_norm, self.norm = (nn.LayerNorm(WIDTH, eps=NORM_EPSILON) for _ in range(2))
        self.dropout = dropout

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """states: `[B, T, 384]`; mask: bool `[B, T]`, true where there is a token."""
        query, key, value = (
            part(states).unflatten(-1, (HEADS, -1)).transpose(1, 2)  # [B, H, T, 32]
            for part in (self.query, self.key, self.value)
        )
        dropout = self.dropout if self.training else 0.0
        seen = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask[:, None, None, :], dropout_p=dropout
        )
        mixed = self.out(seen.transpose(1, 2).flatten(2))  # [B, T, 384]
        states = self.attention_norm(states + functional.dropout(mixed, self.dropout, self.training))
        thought = self.down(functional.gelu(self.up(states)))
        return self.norm(states + functional.dropout(thought, self.dropout, self.training))


class UpperEncoder(nn.Module):
    """The last `count` blocks of MiniLM with its pooling: token states in, unit sentence vectors out."""

    def __init__(self, count: int, dropout: float = 0.0) -> None:
        super().__init__()
        assert 0 < count <= BLOCKS
        self.blocks = nn.ModuleList([SentenceBlock(dropout) for _ in range(count)])

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """states: `[B, T, 384]`, those below the first block; mask: bool `[B, T]`. Returns `[B, 384]` of length 1."""
        for block in self.blocks:
            states = block(states, mask)
        weight = mask.unsqueeze(-1).to(states.dtype)  # [B, T, 1]
        pooled = (states * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1e-9)
        return functional.normalize(pooled, dim=-1)

    def minilm_state(self) -> dict[str, Tensor]:
        """The weights under the names they have in MiniLM's file."""
        own = self.state_dict()
        return {theirs: own[ours] for ours, theirs in self._names().items()}

    def load_minilm(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights of these blocks from those of MiniLM's file. Raises `KeyError` when one is not there."""
        self.load_state_dict({ours: weights[theirs].float() for ours, theirs in self._names().items()})

    def _names(self) -> dict[str, str]:
        first = BLOCKS - len(self.blocks)
        return {
            f"blocks.{index}.{ours}.{kind}": f"encoder.layer.{first + index}.{theirs}.{kind}"
            for index in range(len(self.blocks))
            for ours, theirs in PARTS.items()
            for kind in ("weight", "bias")
        }


class SentimentReader(nn.Module):
    """The upper blocks and what is asked of their vector in training: sentiment, emotion, and a review's verdict.

    A vector of length 1 is stretched by `STRETCH` before the linear heads, so that they can be sure of something.
    """

    STRETCH = 20.0

    def __init__(self, encoder: UpperEncoder, emotions: int, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.sentiment, self.emotion, self.verdict = (
            nn.Linear(WIDTH, 3),
            nn.Linear(WIDTH, emotions),
            nn.Linear(WIDTH, 2),
        )
        for head in (self.sentiment, self.emotion, self.verdict):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        self.dropout = dropout

    def forward(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of sentiment `[B, 3]`, emotion `[B, E]` and verdict (negative, positive) `[B, 2]`."""
        return self.heads(self.encoder(states, mask))

    def heads(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The logits of unit vectors `[B, 384]`, as in `forward`."""
        stretched = functional.dropout(self.STRETCH * vectors, self.dropout, self.training)
        return self.sentiment(stretched), self.emotion(stretched), self.verdict(stretched)


def halved(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights as they are stored: float16. Raises `ValueError` when one does not fit into it."""
    found = {name: weight.to(torch.float16).contiguous() for name, weight in weights.items()}
    if not all(bool(torch.isfinite(weight).all()) for weight in found.values()):
        raise ValueError("a weight is not finite as float16")
    return found
