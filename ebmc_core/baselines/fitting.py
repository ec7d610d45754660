"""How the neural baselines are trained: Adam over all sequences, the epoch chosen on validation."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ebmc_core.baselines.rows import Scale, together
from ebmc_core.data.sequences import LabelledBatch

Batch = tuple[Tensor, Tensor, Tensor]
"""features `[B, L, d]`, label `[B, L]`, valid `[B, L]`."""
Outputs = Callable[[Tensor], list[Tensor]]
"""Features to logits, each `[B, L, C]`; all are trained, the last is the answer."""


def batch_of(scale: Scale, batch: LabelledBatch) -> Batch:
    """All modalities side by side, standardised."""
    arrays = (together(scale(batch.features)), batch.label, batch.features.valid)
    features, label, valid = (torch.from_numpy(array) for array in arrays)
    return features, label, valid


def fit(net: nn.Module, train: Batch, validation: Batch, outputs: Outputs, epochs: int) -> None:
    """Train in place; leaves the net at its best epoch."""
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-3, weight_decay=1e-4)
    best, best_loss = copy.deepcopy(net.state_dict()), float("inf")
    for _ in range(epochs):
        net.train()
        for part in torch.randperm(len(train[0])).split(16):
            features, label, valid = (array[part] for array in train)
            loss = torch.stack([masked(logits, label, valid) for logits in outputs(features)]).sum()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
        net.eval()
        with torch.no_grad():
            judged = masked(outputs(validation[0])[-1], *validation[1:]).item()
        if judged < best_loss:
            best, best_loss = copy.deepcopy(net.state_dict()), judged
    net.load_state_dict(best)
    net.eval()


def masked(logits: Tensor, label: Tensor, valid: Tensor) -> Tensor:
    """Mean cross entropy over the windows that are no padding."""
    return F.cross_entropy(logits[valid > 0], label[valid > 0])
