"""Early concatenation: all features of a window side by side through a small network; no context, no masks."""

from dataclasses import dataclass

import torch
from torch import nn

from ebmc_core.baselines.fitting import batch_of, fit
from ebmc_core.baselines.rows import Scale, complete, together
from ebmc_core.batch import FeatureBatch
from ebmc_core.data.sequences import Sequences
from ebmc_core.modality import SENTIMENTS
from ebmc_core.protocols.systems import Prediction

HIDDEN, DROPOUT, EPOCHS = 128, 0.5, 40


@dataclass(frozen=True, slots=True, eq=False)
class Concatenation:
    """A trained network."""

    scale: Scale
    net: nn.Module

    def predict(self, batch: FeatureBatch) -> Prediction:
        """What is absent is 0, the training mean."""
        with torch.inference_mode():
            logits = self.net(torch.from_numpy(together(self.scale(batch))))
        return Prediction(torch.softmax(logits, dim=-1).numpy())


def fit_concatenation(train: Sequences, validation: Sequences, seed: int) -> Concatenation:
    """Two layers, trained with cross entropy."""
    torch.manual_seed(seed)
    known, judged = complete(train), complete(validation)
    scale = Scale.of(known)
    width = together(scale(known.features)).shape[-1]
    net = nn.Sequential(
        nn.Dropout(DROPOUT),
        nn.Linear(width, HIDDEN),
        nn.ReLU(),
        nn.Dropout(DROPOUT),
        nn.Linear(HIDDEN, len(SENTIMENTS)),
    )

    fit(net, batch_of(scale, known), batch_of(scale, judged), lambda x: [net(x)], EPOCHS)
    return Concatenation(scale, net)
