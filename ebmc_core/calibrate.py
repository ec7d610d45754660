"""Calibration on validation windows: temperature, class offsets, and the reach of the 90 % interval, per subset.

Temperature scaling after Guo et al. 2017, with an offset for each class, since one modality alone leans to some class;
intervals by split conformal prediction with a normalised score. Windows of one sequence overlap, so they are not
independent: the coverage is checked on held-out sequences, not promised.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ebmc_core.data.sequences import Sequences
from ebmc_core.modality import MODALITIES
from ebmc_core.model import EBMC, inputs_from_batch, valence

COVERAGE = 0.9
GRID = np.geomspace(0.25, 8, 121)
RIDGE = 0.01  # per squared offset: what a class that never occurs would be pushed away without end by
STEPS = 20  # of Newton's method; it needs six


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
            temperature, offset = fit_scaling(logits, label)
            score = valence(torch.softmax(logits / temperature + offset, dim=-1))
            errors = (label - 1 - score).abs() / torch.exp(0.5 * inner.log_variance[real])
            model.calibration.temperature[number] = temperature
            model.calibration.offset[number] = offset
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
    losses = [functional.cross_entropy(flat / temperature, truth).item() for temperature in GRID]
    return float(GRID[int(np.argmin(losses))])


def fit_scaling(logits: Tensor, labels: Tensor) -> tuple[float, Tensor]:
    """Temperature and offsets `[C]` of least negative log likelihood; logits `[..., C]`, labels `[...]`.

    Turn by turn: the temperature on its grid, the offsets by Newton's method, which the ridge keeps from running away.
    """
    flat, truth = logits.flatten(0, -2).double(), labels.flatten()
    counts = functional.one_hot(truth, flat.shape[-1]).double().mean(0)
    offset = torch.zeros(flat.shape[-1], dtype=torch.float64)
    temperature = 1.0
    for _ in range(STEPS):
        before = temperature, offset
        losses = [functional.cross_entropy(flat / each + offset, truth).item() for each in GRID]
        temperature = float(GRID[int(np.argmin(losses))])
        offset = _fit_offset(flat / temperature, counts, offset)
        if before[0] == temperature and torch.allclose(before[1], offset, atol=1e-6):
            break
    return temperature, offset.float()


def _fit_offset(logits: Tensor, counts: Tensor, offset: Tensor) -> Tensor:
    """Offsets with which the mean probabilities are the shares of the classes, but for the ridge."""
    for _ in range(STEPS):
        probabilities = torch.softmax(logits + offset, dim=-1)  # [N, C]
        slope = probabilities.mean(0) - counts + 2 * RIDGE * offset
        bend = torch.diag(probabilities.mean(0)) - probabilities.T @ probabilities / len(probabilities)
        step = torch.linalg.solve(bend + 2 * RIDGE * torch.eye(len(offset), dtype=offset.dtype), slope)
        offset = offset - step.clamp(-1, 1)
        if step.abs().max() < 1e-9:
            break
    return offset


def conformal_reach(errors: NDArray[np.floating], coverage: float = COVERAGE) -> float:
    """The smallest reach that covers this share of unseen exchangeable errors `[n]` (the finite-sample quantile)."""
    rank = math.ceil((len(errors) + 1) * coverage)
    return float(np.sort(errors)[min(rank, len(errors)) - 1])
