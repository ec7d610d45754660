"""What is minimised: Stage I teaches the experts, Stage II the whole, with a frozen Stage I as teacher."""

import copy
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from ebmc_core import losses
from ebmc_core.calibrate import calibrate_unimodal
from ebmc_core.data.sequences import LabelledBatch, Sequences
from ebmc_core.energy import Energy
from ebmc_core.modality import MODALITIES
from ebmc_core.model import EBMC, Inputs, Representation, inputs_from_batch, observed
from ebmc_core.train_config import LossWeights, TrainConfig

HIDDEN = 0.3
"""Chance that CCE hides a modality that is there, to learn from what it really was."""


class Example(NamedTuple):
    """A batch on the device of the model. label `[B, L]`; own, here, clarity `[M, B, L]`; something `[B, L]`."""

    inputs: Inputs
    label: Tensor
    own: Tensor
    here: Tensor
    something: Tensor
    clarity: Tensor

    @property
    def quality(self) -> Tensor:
        """`[M, B, L]`."""
        return self.inputs.quality.permute(2, 0, 1)


def example_from_batch(batch: LabelledBatch, device: torch.device | str = "cpu") -> Example:
    """Numpy to tensors, and the masks that every loss needs."""
    values, *rest = inputs_from_batch(batch.features)
    inputs = Inputs([x.to(device) for x in values], *(x.to(device) for x in rest))
    here = observed(inputs.present, inputs.valid)
    label, own = (torch.from_numpy(array).to(device) for array in (batch.label, batch.own))
    clarity = torch.ones_like(here) if batch.clarity is None else torch.from_numpy(batch.clarity).permute(2, 0, 1)
    return Example(inputs, label, own.permute(2, 0, 1), here, here.amax(0), clarity.to(device))


class Teacher:
    """The frozen Stage I network. Held outside the student's modules, so that no switch of mode or save reaches it."""

    def __init__(self, model: EBMC, windows: Sequences) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        calibrate_unimodal(self.model, windows, own_experts=True)

    @torch.no_grad()
    def __call__(self, inputs: Inputs) -> Tensor:
        """Calibrated probabilities of each modality alone, `[M, B, L, C]`."""
        inner = self.model.represent(*inputs, own_experts=True)
        return torch.softmax(inner.unimodal / self.model.calibration.unimodal.view(-1, 1, 1, 1), dim=-1)


def stage_one(model: EBMC, example: Example, config: TrainConfig) -> Tensor:
    """Each modality through its own expert: unimodal task, MSD, CCE."""
    inner = model.represent(*example.inputs, own_experts=True)
    return shared_terms(model, inner, example, replace(config.weights, unimodal=1.0), config.smoothing)


def stage_two(model: EBMC, teacher: Teacher, energy: Energy, example: Example, config: TrainConfig) -> Tensor:
    """All experts: the fused task, CCE's second term, EMC and IMTD beside what Stage I had."""
    weights, label, here = config.weights, example.label, example.here
    inner = model.represent(*example.inputs)
    taught = teacher(example.inputs)
    target = losses.teacher_trust(taught, label, here, example.quality, example.clarity)
    total = (
        losses.classify(inner.logits, label, example.something, config.smoothing)
        + weights.spread * losses.spread(inner.logits, inner.log_variance, label, example.something)
        + weights.balance * losses.balance(inner.router, here)
        + shared_terms(model, inner, example, weights, config.smoothing)
    )
    if weights.trust and model.config.fusion == "trust":
        total = total + weights.trust * losses.follow_trust(inner.trust, target)
    if weights.distil:
        total = total + weights.distil * losses.distil(inner.logits, taught, target)
    if weights.emc:
        doubt = losses.entropy(taught)
        heads = model.unimodal.weight.detach()
        total = total + weights.emc * energy(inner.own, inner.unimodal, heads, doubt, example.own, here)
    if weights.useful and model.config.complement:
        replaced = refused(model, inner, example)
        total = total + weights.useful * losses.classify(replaced, label, example.something, config.smoothing)
    return total


def shared_terms(model: EBMC, inner: Representation, example: Example, weights: LossWeights, smooth: float) -> Tensor:
    """What both stages have: unimodal heads, MSD, and CCE with simulated absence."""
    here, own = example.here, example.own
    total = weights.unimodal * losses.classify(inner.unimodal, own, here, smooth)
    if weights.msd:
        newest = example.label[:, -1]  # one window a sequence, so that no window repels its own neighbours
        shared, apart = inner.shared[:, :, -1], newest[:, None] != newest
        total = total + weights.msd * losses.invariance(shared, here[:, :, -1], apart)
    if weights.redundancy:
        total = total + weights.redundancy * losses.redundancy(inner.shared, inner.specific, here)
    if weights.specific:
        alone = model.specific(inner.specific)
        total = total + weights.specific * losses.classify(alone, own, here, smooth)
    if weights.cce:
        hidden = here * (torch.rand_like(here) < HIDDEN)  # [M, B, L]
        filled = model.complement.fill(inner.shared, inner.specific, here - hidden)
        total = total + weights.cce * losses.reconstruct(filled, inner.own, hidden)
    return total


def refused(model: EBMC, inner: Representation, example: Example) -> Tensor:
    """Fused logits `[B, L, C]` with one modality hidden and imputed in each window that has several (Eq. 7)."""
    here = example.here
    turn = torch.rand_like(here).masked_fill(here == 0, -1).argmax(0)  # [B, L], one of those there
    hidden = torch.nn.functional.one_hot(turn, len(MODALITIES)).permute(2, 0, 1) * (here.sum(0) > 1)
    left = here - hidden
    _, completed = model.complement(inner.own, inner.shared, inner.specific, left)
    trust = inner.trust * left
    trust = trust / trust.sum(0, keepdim=True).clamp(min=losses.TINY)
    return model.head(model.fusion(completed, trust, example.quality * left, left))


@torch.no_grad()
def validate(model: EBMC, example: Example, own_experts: bool) -> dict[str, float]:
    """Cross entropies on the validation windows; `validation` is what the epoch is chosen by."""
    model.eval()
    inner = model.represent(*example.inputs, own_experts=own_experts)
    alone = {
        str(m): losses.classify(inner.unimodal[i], example.own[i], example.here[i]).item()
        for i, m in enumerate(MODALITIES)
    }
    unimodal = sum(alone.values()) / len(alone)
    if own_experts:
        return {"validation": unimodal, **alone}
    fused = losses.classify(inner.logits, example.label, example.something).item()
    right = (inner.logits.argmax(-1) == example.label).float()
    accuracy = losses.masked_mean(right, example.something).item()
    return {"validation": fused + 0.25 * unimodal, "fused": fused, "accuracy": accuracy, **alone}
