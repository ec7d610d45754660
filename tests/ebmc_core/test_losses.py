"""Every loss against a value worked out by hand, and a gradient that reaches where it should."""

import math

import pytest
import torch

from ebmc_core import losses
from ebmc_core.energy import Energy
from ebmc_core.model import EBMC, Inputs
from ebmc_core.objectives import Example, refused


def test_classify_is_the_masked_mean_of_minus_log_probability() -> None:
    logits = torch.tensor([[[0.0, math.log(3.0), 0.0], [5.0, 0.0, 0.0]]], requires_grad=True)
    loss = losses.classify(logits, torch.tensor([[1, 2]]), torch.tensor([[1.0, 0.0]]))
    assert loss.item() == pytest.approx(-math.log(3 / 5))  # e^(0, ln 3, 0) = 1, 3, 1; the second window is masked
    loss.backward()
    assert logits.grad is not None and logits.grad[0, 0].abs().sum() > 0
    assert logits.grad[0, 1].abs().sum() == 0


def test_an_empty_mask_is_a_zero_with_a_gradient() -> None:
    logits = torch.randn(2, 3, 3, requires_grad=True)
    losses.classify(logits, torch.zeros(2, 3, dtype=torch.long), torch.zeros(2, 3)).backward()
    assert logits.grad is not None and torch.equal(logits.grad, torch.zeros_like(logits))


def test_spread_by_hand() -> None:
    logits = torch.zeros(1, 1, 3)  # score 0, truth +1: error 1
    log_variance = torch.tensor([[math.log(4.0)]], requires_grad=True)
    loss = losses.spread(logits, log_variance, torch.tensor([[2]]), torch.ones(1, 1))
    assert loss.item() == pytest.approx(0.5 * (math.log(4) + 1 / 4))
    loss.backward()
    assert log_variance.grad is not None
    assert log_variance.grad.item() == pytest.approx(0.5 * (1 - 1 / 4))


def test_invariance_by_hand() -> None:
    """Two samples, two modalities, the second of which has them orthogonal; temperature 1."""
    shared = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]], requires_grad=True)
    apart = ~torch.eye(2, dtype=torch.bool)
    loss = losses.invariance(shared, torch.ones(2, 2), apart, temperature=1.0)
    assert loss.item() == pytest.approx(math.log(math.e + 1) - 1)
    loss.backward()
    assert shared.grad is not None and shared.grad.abs().sum() > 0


def test_invariance_rewards_alignment() -> None:
    generator = torch.Generator().manual_seed(0)
    one = torch.randn(1, 32, 16, generator=generator)
    apart, here = ~torch.eye(32, dtype=torch.bool), torch.ones(3, 32)
    aligned = losses.invariance(one.expand(3, -1, -1), here, apart)
    at_random = losses.invariance(torch.randn(3, 32, 16, generator=generator), here, apart)
    collapsed = losses.invariance(torch.ones(3, 32, 16), here, apart)
    assert aligned < collapsed < at_random


def test_invariance_does_not_read_absent_parts_or_excluded_negatives() -> None:
    shared = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(1))
    here = torch.ones(3, 4)
    here[1, 2] = 0
    apart = ~torch.eye(4, dtype=torch.bool)
    spoiled = shared.clone()
    spoiled[1, 2] = 100 * torch.randn(5)
    assert torch.equal(losses.invariance(shared, here, apart), losses.invariance(spoiled, here, apart))
    assert losses.invariance(shared, torch.ones(3, 4), torch.zeros(4, 4, dtype=torch.bool)).item() == pytest.approx(0)


def test_redundancy_by_hand() -> None:
    """Specific parts of two modalities at 45 degrees, own parts orthogonal: 0 + cos^2 / 2 modalities."""
    specific = torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]]], requires_grad=True)
    shared = torch.tensor([[[0.0, 1.0]], [[1.0, -1.0]]])
    loss = losses.redundancy(shared, specific, torch.ones(2, 1))
    assert loss.item() == pytest.approx(0.5 / 2)
    loss.backward()
    assert specific.grad is not None and specific.grad.abs().sum() > 0


def test_reconstruct_by_hand_and_towards_a_still_target() -> None:
    filled = torch.zeros(1, 1, 2, 2, requires_grad=True)
    own = torch.tensor([[[[1.0, 3.0], [9.0, 9.0]]]], requires_grad=True)
    loss = losses.reconstruct(filled, own, torch.tensor([[[1.0, 0.0]]]))
    assert loss.item() == pytest.approx((1 + 9) / 2)
    loss.backward()
    assert own.grad is None
    assert filled.grad is not None and filled.grad.flatten().tolist() == [-1.0, -3.0, 0.0, 0.0]


def test_balance_by_hand() -> None:
    even = torch.full((1, 2, 1, 2), 0.5)
    one_sided = torch.tensor([[[[1.0, 0.0]], [[1.0, 0.0]]]], requires_grad=True)
    assert losses.balance(even, torch.ones(1, 2, 1)).item() == pytest.approx(0)
    loss = losses.balance(one_sided, torch.ones(1, 2, 1))
    assert loss.item() == pytest.approx(1)  # ((2 - 1)^2 + (0 - 1)^2) / 2
    loss.backward()
    assert one_sided.grad is not None and one_sided.grad.abs().sum() > 0


def test_teacher_trust_by_hand() -> None:
    """A sure and right teacher, a sure and wrong one, a third that is absent."""
    probabilities = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.3, 0.4, 0.3]]).view(3, 1, 1, 3)
    present = torch.tensor([1.0, 1.0, 0.0]).view(3, 1, 1)
    quality = torch.ones(3, 1, 1)
    trust = losses.teacher_trust(probabilities, torch.tensor([[2]]), present, quality).flatten().tolist()
    assert trust == pytest.approx([1.02 / 1.04, 0.02 / 1.04, 0.0])
    quality[0] = 0.25  # its root halves the worth of the first
    trust = losses.teacher_trust(probabilities, torch.tensor([[2]]), present, quality).flatten().tolist()
    assert trust == pytest.approx([0.51 / 0.53, 0.02 / 0.53, 0.0])
    clarity = torch.tensor([0.5, 1.0, 1.0]).view(3, 1, 1)  # noise that the quality did not notice
    trust = losses.teacher_trust(probabilities, torch.tensor([[2]]), present, quality, clarity).flatten().tolist()
    assert trust == pytest.approx([0.255 / 0.275, 0.02 / 0.275, 0.0])


def test_teacher_trust_falls_with_uncertainty() -> None:
    """Both teachers give the truth 0.4; the second spreads the rest over both ends: a larger deviation."""
    near = torch.tensor([0.0, 0.6, 0.4])
    wide = torch.tensor([0.6, 0.0, 0.4])
    ones = torch.ones(2, 1, 1)
    trust = losses.teacher_trust(torch.stack((near, wide)).view(2, 1, 1, 3), torch.tensor([[2]]), ones, ones)
    near_worth = math.exp(-math.sqrt(0.24)) / math.log(math.e + 0.24)
    wide_worth = math.exp(-math.sqrt(0.96)) / math.log(math.e + 0.96)
    assert trust.flatten().tolist() == pytest.approx(
        [near_worth / (near_worth + wide_worth), wide_worth / (near_worth + wide_worth)]
    )


def test_follow_trust_by_hand() -> None:
    target = torch.tensor([0.75, 0.25]).view(2, 1, 1)
    trust = torch.tensor([0.5, 0.5]).view(2, 1, 1).requires_grad_()
    loss = losses.follow_trust(trust, target)
    assert loss.item() == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    loss.backward()
    assert trust.grad is not None and trust.grad.flatten().tolist() == pytest.approx([-1.5, -0.5])


def test_follow_trust_ignores_a_modality_that_is_alone() -> None:
    alone = torch.tensor([1.0, 0.0]).view(2, 1, 1)
    assert losses.follow_trust(alone, alone).item() == 0


def test_distil_by_hand() -> None:
    logits = torch.zeros(1, 1, 3, requires_grad=True)
    teacher = torch.tensor([0.5, 0.5, 0.0]).view(1, 1, 1, 3)
    loss = losses.distil(logits, teacher, torch.ones(1, 1, 1))
    assert loss.item() == pytest.approx(math.log(3) - math.log(2))
    loss.backward()
    assert logits.grad is not None and logits.grad.flatten().tolist() == pytest.approx([-1 / 6, -1 / 6, 1 / 3])


def test_entropy_by_hand() -> None:
    even = torch.tensor([0.5, 0.5, 0.0])
    assert losses.entropy(even).item() == pytest.approx(math.log(2))
    assert losses.entropy(torch.tensor([1.0, 0.0, 0.0])).item() == 0


def example(model: EBMC, seed: int = 0, present: torch.Tensor | None = None) -> Example:
    generator = torch.Generator().manual_seed(seed)
    values = [torch.randn(2, 6, width, generator=generator) for width in model.config.widths.values()]
    ones = torch.ones(2, 6, 3)
    present = ones if present is None else present
    inputs = Inputs(values, present, 0.8 * ones, 0.1 * ones, torch.ones(2, 6))
    here = present.permute(2, 0, 1)
    label, own = torch.ones(2, 6, dtype=torch.long), torch.ones(3, 2, 6, dtype=torch.long)
    return Example(inputs, label, own, here, here.amax(0), torch.ones_like(here))


def test_what_is_imputed_must_be_useful_to_the_fused_prediction(model: EBMC) -> None:
    """CCE's second term: with a modality hidden the logits change, and its gradient reaches that one's generator."""
    given = example(model)
    inner = model.represent(*given.inputs)
    torch.manual_seed(0)
    logits = refused(model, inner, given)
    assert logits.shape == inner.logits.shape
    assert not torch.allclose(logits, inner.logits, atol=1e-3)
    loss = losses.classify(logits, given.label, given.something)
    (gradient,) = torch.autograd.grad(loss, model.complement.generator[0].weight)
    assert (gradient.abs().sum((1, 2)) > 0).all(), "each modality is hidden somewhere"


def test_a_modality_that_is_alone_is_not_hidden(model: EBMC) -> None:
    """Hiding it would leave nothing: the prediction stays what it was."""
    present = torch.zeros(2, 6, 3)
    present[..., 1] = 1
    given = example(model, present=present)
    inner = model.represent(*given.inputs)
    torch.testing.assert_close(refused(model, inner, given), inner.logits, atol=1e-5, rtol=1e-4)


def test_energy_reaches_the_experts_through_the_weak_modality(model: EBMC) -> None:
    given = example(model)
    inner = model.represent(*given.inputs)
    energy = Energy(3)
    doubt = torch.tensor([0.1, 0.2, 1.0]).view(3, 1, 1).expand(3, 2, 6)
    head = model.unimodal.weight.detach()
    loss = energy(inner.own, inner.unimodal, head, doubt, given.own, given.here)
    (gradient,) = torch.autograd.grad(loss, model.experts.blocks[0].mlp[0].weight)
    assert gradient.abs().sum() > 0


def test_losses_reach_the_parts_of_the_model_they_teach(model: EBMC) -> None:
    generator = torch.Generator().manual_seed(0)
    values = [torch.randn(2, 6, width, generator=generator) for width in model.config.widths.values()]
    ones = torch.ones(2, 6, 3)
    inner = model.represent(values, ones, 0.8 * ones, 0.1 * ones, torch.ones(2, 6))
    here = torch.ones(3, 2, 6)
    filled = model.complement.fill(inner.shared, inner.specific, here)
    target = torch.softmax(torch.randn(3, 2, 6, generator=generator), dim=0)
    taught = {
        "complement.generator.0.weight": losses.reconstruct(filled, inner.own, here),
        "disentangle.shared.0.0.weight": losses.redundancy(inner.shared, inner.specific, here),
        "trust.slope": losses.follow_trust(inner.trust, target),
        "spread.weight": losses.spread(inner.logits, inner.log_variance, torch.ones(2, 6), torch.ones(2, 6)),
        "experts.router.0.weight": losses.balance(inner.router, here),
        "unimodal.weight": losses.classify(inner.unimodal, torch.ones(3, 2, 6, dtype=torch.long), here),
    }
    parameters = dict(model.named_parameters())
    for name, loss in taught.items():
        (gradient,) = torch.autograd.grad(loss, parameters[name], retain_graph=True)
        assert gradient.abs().sum() > 0, name
