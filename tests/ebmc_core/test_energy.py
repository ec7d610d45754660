"""EMC: energies by hand, one-sided, and a gradient that only the weak modality gets."""

import math

import pytest
import torch

from ebmc_core.energy import Energy, EnergyWeights, median


def loss_of(energy: Energy, own: torch.Tensor, **changes: torch.Tensor) -> torch.Tensor:
    modalities, batch, length, width = own.shape
    fields = {
        "logits": torch.zeros(modalities, batch, length, 3),
        "head": torch.zeros(modalities, width, 3),
        "doubt": torch.zeros(modalities, batch, length),
        "labels": torch.zeros(modalities, batch, length, dtype=torch.long),
        "present": torch.ones(modalities, batch, length),
    }
    return energy(own, **{**fields, **changes})


def still(modalities: int, weights: EnergyWeights) -> Energy:
    """Statistics that stay at mean 0 and deviation 1, so that the terms are what they are."""
    energy = Energy(modalities, weights, momentum=0.0)
    energy.steps += 1
    return energy


def test_the_gap_by_hand() -> None:
    """Mean squares 4 and 1, no task, no doubt: the first is 3 above the lower median, the second at it."""
    own = torch.tensor([[2.0, 2.0], [1.0, 1.0]]).view(2, 1, 1, 2).requires_grad_()
    loss = loss_of(still(2, EnergyWeights(task=0.0, doubt=0.0, flow=0.0)), own)
    assert loss.item() == pytest.approx((3**2 + 0) / 2)
    loss.backward()
    assert own.grad is not None
    assert own.grad[0].flatten().tolist() == pytest.approx([6.0, 6.0])  # 2 * 3 * (2 z / D) / 2 windows
    assert own.grad[1].abs().sum() == 0, "the strong modality must not be pushed up"


def test_beyond_the_knee_the_square_is_a_line() -> None:
    """A gap of 3 with the knee at 1: 2 * 3 - 1, and the gradient of the energy is 2 and no more."""
    own = torch.tensor([[2.0, 2.0], [1.0, 1.0]]).view(2, 1, 1, 2).requires_grad_()
    loss = loss_of(still(2, EnergyWeights(task=0.0, doubt=0.0, flow=0.0, knee=1.0)), own)
    assert loss.item() == pytest.approx((2 * 3 - 1) / 2)
    loss.backward()
    assert own.grad is not None
    assert own.grad[0].flatten().tolist() == pytest.approx([2.0, 2.0])  # 2 * 1 * (2 z / D) / 2 windows


def test_the_task_and_the_doubt_are_terms_of_their_own() -> None:
    own = torch.zeros(2, 1, 1, 2)
    logits = torch.tensor([[0.0, 0.0, 0.0], [math.log(8.0), 0.0, 0.0]]).view(2, 1, 1, 3)
    doubt = torch.tensor([0.5, 0.2]).view(2, 1, 1)
    weights = EnergyWeights(norm=0.0, flow=0.0)
    loss = loss_of(still(2, weights), own, logits=logits, doubt=doubt)
    gap = (math.log(3) + 0.5) - (math.log(10 / 8) + 0.2)
    assert loss.item() == pytest.approx(gap**2 / 2, rel=1e-5)


def test_the_flow_is_the_gradient_of_the_energy() -> None:
    """The closed form against autograd: dE/dz of norm and cross entropy through a linear head."""
    torch.manual_seed(0)
    own = torch.randn(2, 1, 1, 4, requires_grad=True)
    head = torch.randn(2, 4, 3)
    labels = torch.tensor([2, 0]).view(2, 1, 1)
    energy = still(2, EnergyWeights(doubt=0.0))
    logits = torch.einsum("mbld,mdc->mblc", own, head)
    terms = energy.terms(own, logits, torch.zeros(2, 1, 1), labels)
    (gradient,) = torch.autograd.grad((terms[0] + terms[1]).sum(), own, retain_graph=True)
    flow = energy.flow(own, logits, head, labels, torch.ones(3, 2))
    torch.testing.assert_close(flow, gradient.square().sum(-1))


def test_absent_modalities_and_windows_with_one_take_no_part() -> None:
    own = torch.randn(3, 2, 4, 5, generator=torch.Generator().manual_seed(1))
    present = torch.ones(3, 2, 4)
    present[1:, 1] = 0
    present[2, 0] = 0
    spoiled = own.clone()
    spoiled[2] = 1e3
    spoiled[:, 1] = 1e3
    weights = EnergyWeights()
    one = loss_of(still(3, weights), own, present=present)
    other = loss_of(still(3, weights), spoiled, present=present)
    assert one.item() > 0
    assert torch.equal(one, other)


def test_terms_are_standardised_by_their_running_statistics() -> None:
    """Modalities on scales 100 times apart have the same energies once the statistics have seen them."""
    energy = Energy(2, EnergyWeights(flow=0.0), momentum=0.5)
    generator = torch.Generator().manual_seed(2)
    for _ in range(20):
        own = torch.randn(2, 8, 8, 6, generator=generator) * torch.tensor([10.0, 0.1]).view(2, 1, 1, 1)
        loss = loss_of(energy, own)
    assert loss.item() < 3
    assert energy.mean[0, 0] / energy.mean[0, 1] == pytest.approx(1e4, rel=0.3)


def test_the_median_is_the_lower_one_over_those_present() -> None:
    energy = torch.tensor([3.0, 1.0, 2.0]).view(3, 1, 1)
    ones = torch.ones(3, 1, 1)
    assert median(energy, ones).item() == 2
    ones[2] = 0
    assert median(energy, ones).item() == 1
    assert median(energy, torch.zeros(3, 1, 1)).item() == 0


def test_a_batch_of_one_is_finite() -> None:
    energy = Energy(3)
    loss = loss_of(energy, torch.randn(3, 1, 1, 4))
    assert torch.isfinite(loss)
