"""Calibration on validation windows: temperatures, and the reach of the 90 % interval, per subset of modalities.

Temperature scaling after Guo et al. 2017; intervals by split conformal prediction with a normalised score. Windows of
one sequence overlap, so they are not independent: the coverage is checked on held-out sequences, not promised.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ebmc_core.data.sequences import Sequences
from ebmc_core.modality import MODALITIES
from ebmc_core.model import EBMC, inputs_from_batch, valence

COVERAGE = 0.9
GRID = np.geomspace(0.25, 8, 121)


def calibrate(model: EBMC, windows: Sequences, count: int = 192) -> None:
    """Fit the buffers of `model.calibration` on `count` sequences for each of the subsets, the empty one included."""
    model.eval()
    with torch.no_grad():
        for number in range(2 ** len(MODALITIES)):
            subset = np.array([number >> m & 1 for m in range(len(MODALITIES))])
            held = windows.held(count, subset)
            inner = model.represent(*inputs_from_batch(held.features))
            real = torch.from_numpy(held.features.valid) > 0
            logits, label = inner.logits[real], torch.from_numpy(held.label)[real]
            temperature = fit_temperature(logits, label)
            score = valence(torch.softmax(logits / temperature, dim=-1))
            errors = (label - 1 - score).abs() / torch.exp(0.5 * inner.log_variance[real])
            model.calibration.temperature[number] = temperature
            model.calibration.interval[number] = conformal_reach(errors.numpy())
        calibrate_unimodal(model, windows, count)


def calibrate_unimodal(model: EBMC, windows: Sequences, count: int = 192, own_experts: bool = False) -> None:
    """Fit the temperatures of the unimodal heads to the items' own labels."""
    with torch.no_grad():
        held = windows.held(count, np.ones(len(MODALITIES), np.int64))
        device = next(model.parameters()).device
        values, *rest = inputs_from_batch(held.features)
        inner = model.represent([x.to(device) for x in values], *(x.to(device) for x in rest), own_experts=own_experts)
        own, real = torch.from_numpy(held.own), torch.from_numpy(held.features.valid) > 0
        for m in range(len(MODALITIES)):
            model.calibration.unimodal[m] = fit_temperature(inner.unimodal[m].cpu()[real], own[..., m][real])


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature of least negative log likelihood; logits `[..., C]`, labels `[...]`. A grid: nothing can fail."""
    flat, truth = logits.flatten(0, -2).double(), labels.flatten()
    losses = [torch.nn.functional.cross_entropy(flat / temperature, truth).item() for temperature in GRID]
    return float(GRID[int(np.argmin(losses))])


def conformal_reach(errors: NDArray[np.floating], coverage: float = COVERAGE) -> float:
    """The smallest reach that covers this share of unseen exchangeable errors `[n]` (the finite-sample quantile)."""
    rank = math.ceil((len(errors) + 1) * coverage)
    return float(np.sort(errors)[min(rank, len(errors)) - 1])
