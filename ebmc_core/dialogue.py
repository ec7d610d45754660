"""A line of dialogue read beside what was said before it: the sentence encoder's upper blocks over several lines.

What a line means hangs on the lines before it ("What?", "Oh, that!"). The newest of them are there token by token,
those further back as one token each, the mean of theirs; a learned vector tells how far back a token is. Only the
line's own tokens are pooled, and nothing that is said later is read.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from ebmc_core.sentence import WIDTH, SentimentReader, UpperEncoder


class DialogueReader(nn.Module):
    """Token states of a line and of those before it in, logits of its sentiment and its emotion out."""

    def __init__(self, encoder: UpperEncoder, earlier: int, emotions: int, dropout: float) -> None:
        """earlier: most lines back that are told apart."""
        super().__init__()
        self.encoder = encoder
        self.back = nn.Embedding(earlier + 1, WIDTH)
        nn.init.zeros_(self.back.weight)  # it begins as the encoder that it was
        self.sentiment, self.emotion = nn.Linear(WIDTH, 3), nn.Linear(WIDTH, emotions)
        for head in (self.sentiment, self.emotion):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        self.dropout = dropout

    def forward(self, states: Tensor, mask: Tensor, back: Tensor) -> tuple[Tensor, Tensor]:
        """states `[B, T, 384]`; mask bool `[B, T]`, where there is a token; back `[B, T]`, lines since, 0 for its
        own tokens, which come first.

        Returns logits `[B, 3]` and `[B, E]`.
        """
        states = states + self.back(back)
        own = mask & (back == 0)
        *lower, last = self.encoder.blocks
        for block in lower:
            states = block(states, mask)
        longest = int(own.sum(dim=1).max())  # a line's own tokens come first
        states = last(states, mask, longest)
        own = own[:, :longest].unsqueeze(-1).to(states.dtype)  # [B, T, 1]
        vector = functional.normalize((states * own).sum(dim=1) / own.sum(dim=1).clamp(min=1e-9), dim=-1)
        stretched = functional.dropout(SentimentReader.STRETCH * vector, self.dropout, self.training)
        return self.sentiment(stretched), self.emotion(stretched)


@torch.no_grad()
def mean_of(readers: "list[DialogueReader]") -> DialogueReader:
    """One reader with the mean of the weights; all began at one place, so it is one."""
    mean = copy.deepcopy(readers[0])
    for part, *parts in zip(mean.parameters(), *(one.parameters() for one in readers), strict=True):
        part.copy_(torch.stack(parts).mean(dim=0))
    return mean
