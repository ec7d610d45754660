"""A context LSTM in the manner of bc-LSTM (Poria et al., ACL 2017).

A bidirectional LSTM over each modality's utterances, then one over all; it sees the whole video, the future too.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ebmc_core.baselines.fitting import batch_of, fit
from ebmc_core.baselines.rows import Scale, complete, together
from ebmc_core.batch import FeatureBatch
from ebmc_core.data.sequences import Sequences
from ebmc_core.modality import MODALITIES, SENTIMENTS
from ebmc_core.protocols.systems import Prediction

HIDDEN, DROPOUT, EPOCHS = 64, 0.5, 30


class ContextNet(nn.Module):
    """Logits of each modality and, last, of all together, each `[B, L, C]`."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        self.widths = widths
        self.dropout = nn.Dropout(DROPOUT)
        self.alone = nn.ModuleList(nn.LSTM(d, HIDDEN, batch_first=True, bidirectional=True) for d in widths)
        self.heads = nn.ModuleList(nn.Linear(2 * HIDDEN, len(SENTIMENTS)) for _ in widths)
        self.fused = nn.LSTM(2 * HIDDEN * len(widths), HIDDEN, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * HIDDEN, len(SENTIMENTS))

    def forward(self, features: Tensor) -> list[Tensor]:
        """features `[B, L, sum of d_m]`."""
        parts = features.split(self.widths, dim=-1)
        hidden = [self.dropout(lstm(self.dropout(x))[0]) for lstm, x in zip(self.alone, parts, strict=True)]
        fused, _ = self.fused(torch.cat(hidden, dim=-1))
        return [*(head(h) for head, h in zip(self.heads, hidden, strict=True)), self.head(self.dropout(fused))]


@dataclass(frozen=True, slots=True, eq=False)
class ContextLstm:
    """A trained network."""

    scale: Scale
    net: ContextNet

    def predict(self, batch: FeatureBatch) -> Prediction:
        """What is absent is 0, the training mean."""
        with torch.inference_mode():
            logits = self.net(torch.from_numpy(together(self.scale(batch))))[-1]
        return Prediction(torch.softmax(logits, dim=-1).numpy())


def fit_context_lstm(train: Sequences, validation: Sequences, seed: int) -> ContextLstm:
    """Trained with the cross entropies of the modalities and of all together."""
    torch.manual_seed(seed)
    known, judged = complete(train), complete(validation)
    scale = Scale.of(known)
    net = ContextNet([known.features.values[modality].shape[-1] for modality in MODALITIES])

    fit(net, batch_of(scale, known), batch_of(scale, judged), net, EPOCHS)
    return ContextLstm(scale, net)
