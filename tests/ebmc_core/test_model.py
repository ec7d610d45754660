"""Laws of the model: what it must not read, what it must not see yet, and what trust must obey."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ebmc_core.batch import FeatureBatch, pad_context
from ebmc_core.modality import MODALITIES
from ebmc_core.model import EBMC, Fused, NewestWindow, inputs_from_batch
from ebmc_core.trust import TrustHead

LOAD = settings(max_examples=30, deadline=None)


def windows(model: EBMC, streams: int, length: int, seed: int = 0) -> FeatureBatch:
    generator = np.random.default_rng(seed)
    lead = (streams, length)
    values = {m: generator.standard_normal((*lead, model.config.widths[m]), np.float32) for m in MODALITIES}
    present = (generator.random((*lead, 3)) < 0.7).astype(np.float32)
    quality = generator.random((*lead, 3), np.float32) * present
    age = generator.uniform(0, 8, (*lead, 3)).astype(np.float32)
    return FeatureBatch(values, present, quality, age, np.ones(lead, np.float32))


def run(model: EBMC, batch: FeatureBatch) -> Fused:
    with torch.inference_mode():
        return model(*inputs_from_batch(batch))


def changed(batch: FeatureBatch, **arrays: object) -> FeatureBatch:
    names = ("values", "present", "quality", "age", "valid")
    return FeatureBatch(**{name: arrays.get(name, getattr(batch, name)) for name in names})  # type: ignore[arg-type]


any_float = st.floats(width=32, allow_nan=True, allow_infinity=True)


@LOAD
@given(seed=st.integers(0, 1000), junk=hnp.arrays(np.float32, (2, 6, 12), elements=any_float))
def test_what_masked_slots_hold_changes_no_bit(model: EBMC, seed: int, junk: np.ndarray) -> None:
    batch = windows(model, 2, 6, seed)
    spoiled = {
        m: np.where(batch.present[..., i : i + 1] > 0, batch.values[m], junk[..., : model.config.widths[m]])
        for i, m in enumerate(MODALITIES)
    }
    for one, other in zip(run(model, batch), run(model, changed(batch, values=spoiled)), strict=True):
        assert torch.equal(one, other)


def test_values_that_are_present_do_change_the_output(model: EBMC) -> None:
    batch = windows(model, 2, 6)
    moved = {m: values + 0.5 for m, values in batch.values.items()}
    assert not torch.equal(run(model, batch).score, run(model, changed(batch, values=moved)).score)


@LOAD
@given(seed=st.integers(0, 1000), length=st.integers(1, 5))
def test_padding_in_front_changes_nothing(model: EBMC, seed: int, length: int) -> None:
    batch = windows(model, 2, length, seed)
    for short, padded in zip(run(model, batch), run(model, pad_context(batch, 6)), strict=True):
        torch.testing.assert_close(padded[:, -length:], short, atol=1e-6, rtol=1e-5)


def test_permuting_the_batch_permutes_the_outputs(model: EBMC) -> None:
    batch, order = windows(model, 5, 6), np.array([3, 0, 4, 1, 2])
    values = {m: v[order] for m, v in batch.values.items()}
    shuffled = FeatureBatch(values, *(a[order] for a in (batch.present, batch.quality, batch.age, batch.valid)))
    for one, other in zip(run(model, batch), run(model, shuffled), strict=True):
        torch.testing.assert_close(one[order], other, atol=1e-6, rtol=1e-5)


@LOAD
@given(seed=st.integers(0, 1000), now=st.integers(0, 4))
def test_the_future_does_not_change_the_past(model: EBMC, seed: int, now: int) -> None:
    batch, other = windows(model, 2, 6, seed), windows(model, 2, 6, seed + 1)
    names = ("present", "quality", "age")
    mixed = {name: getattr(batch, name).copy() for name in names}
    values = {m: v.copy() for m, v in batch.values.items()}
    for name in names:
        mixed[name][:, now + 1 :] = getattr(other, name)[:, now + 1 :]
    for m in MODALITIES:
        values[m][:, now + 1 :] = other.values[m][:, now + 1 :]
    for one, two in zip(run(model, batch), run(model, changed(batch, values=values, **mixed)), strict=True):
        assert torch.equal(one[:, : now + 1], two[:, : now + 1])


@LOAD
@given(seed=st.integers(0, 1000), length=st.integers(1, 6), padding=st.integers(0, 5))
def test_the_newest_window_alone_is_the_last_of_all(model: EBMC, seed: int, length: int, padding: int) -> None:
    batch = windows(model, 3, length, seed)
    valid = (np.arange(length) >= padding).astype(np.float32) * np.ones_like(batch.valid)
    batch = changed(batch, valid=valid)  # down to no real window at all
    with torch.inference_mode():
        newest = NewestWindow(model)(*inputs_from_batch(batch))
    for one, whole in zip(newest, run(model, batch), strict=True):
        torch.testing.assert_close(one, whole[:, -1:], atol=1e-6, rtol=1e-5)


def test_the_newest_window_alone_reads_its_past(model: EBMC) -> None:
    batch = changed(windows(model, 2, 6), present=np.ones((2, 6, 3), np.float32))
    moved = {m: np.concatenate((v[:, :1] + 1, v[:, 1:]), axis=1) for m, v in batch.values.items()}
    with torch.inference_mode():
        one, two = (
            NewestWindow(model)(*inputs_from_batch(changed(batch, values=v))).score for v in (batch.values, moved)
        )
    assert not torch.equal(one, two)


def test_the_past_does_change_the_present(model: EBMC) -> None:
    batch = windows(model, 2, 6)
    values = {m: v.copy() for m, v in batch.values.items()}
    for m in MODALITIES:
        values[m][:, 0] += 1
    present = np.ones_like(batch.present)
    before = run(model, changed(batch, present=present)).score[:, -1]
    after = run(model, changed(batch, present=present, values=values)).score[:, -1]
    assert not torch.equal(before, after)


@LOAD
@given(seed=st.integers(0, 1000))
def test_trust_is_a_distribution_over_those_present(model: EBMC, seed: int) -> None:
    batch = windows(model, 3, 6, seed)
    trust = run(model, batch).trust.numpy()
    assert (trust[batch.present == 0] == 0).all()
    assert (trust[batch.present == 1] > 0).all()
    np.testing.assert_allclose(trust.sum(-1), batch.present.any(-1), atol=1e-6)


@LOAD
@given(seed=st.integers(0, 1000), m=st.integers(0, 2), better=st.floats(0.02, 1), factor=st.floats(0, 0.95))
def test_a_lower_quality_lowers_trust(model: EBMC, seed: int, m: int, better: float, factor: float) -> None:
    batch = windows(model, 2, 6, seed)
    present = np.ones_like(batch.present)
    high, low = batch.quality.copy(), batch.quality.copy()
    high[..., m], low[..., m] = better, better * factor
    before = run(model, changed(batch, present=present, quality=high)).trust[..., m]
    after = run(model, changed(batch, present=present, quality=low)).trust[..., m]
    assert (after < before).all()


@LOAD
@given(seed=st.integers(0, 1000), m=st.integers(0, 2), novelty=st.sampled_from(["linear", "log", "apart"]))
def test_a_feature_unlike_all_in_training_lowers_trust(seed: int, m: int, novelty: str) -> None:
    """By how far it is beyond what is usual alone, whatever the learned part says."""
    generator = torch.Generator().manual_seed(seed)
    width = 16
    head = TrustHead(3, width, novelty).eval()
    completed, ones = torch.randn(3, 2, 6, width, generator=generator), torch.ones(3, 2, 6)
    numbers, excess = torch.randn(3, 2, 6, 2, generator=generator), torch.zeros(3, 2, 6)
    beyond = excess.clone()
    beyond[m] = 1.0
    with torch.inference_mode():
        usual, strange = (head(completed, numbers, each, 0 * ones, ones, ones) for each in (excess, beyond))
    rest = [other for other in range(3) if other != m]
    assert (strange[m] < usual[m]).all()
    assert (strange[rest] > usual[rest]).all()


def test_all_absent_and_all_padding_stay_finite(model: EBMC) -> None:
    batch = windows(model, 2, 6)
    nothing = {m: np.full_like(v, np.nan) for m, v in batch.values.items()}
    for mask in ("present", "valid"):
        fused = run(model, changed(batch, values=nothing, **{mask: np.zeros_like(getattr(batch, mask))}))
        assert all(torch.isfinite(output).all() for output in fused)
        assert (fused.trust == 0).all()


def test_one_stream_with_one_window(model: EBMC) -> None:
    fused = run(model, windows(model, 1, 1))
    assert [tuple(output.shape) for output in fused] == [(1, 1, 3), (1, 1), (1, 1, 2), (1, 1, 3), (1, 1, 3, 3)]
    assert all(torch.isfinite(output).all() for output in fused)


def test_outputs_are_probabilities_and_an_interval_around_the_score(model: EBMC) -> None:
    fused = run(model, windows(model, 4, 6))
    torch.testing.assert_close(fused.probabilities.sum(-1), torch.ones(4, 6))
    torch.testing.assert_close(fused.unimodal.sum(-1), torch.ones(4, 6, 3))
    low, high = fused.interval.unbind(-1)
    assert ((low >= -1) & (low <= fused.score) & (fused.score <= high) & (high <= 1)).all()


def test_a_modality_alone_is_judged_by_its_own_evidence(model: EBMC) -> None:
    """`unimodal[m]` must not move when the two others change: it is what the event shows as the modality's score."""
    batch, other = windows(model, 2, 6), windows(model, 2, 6, seed=9)
    present = np.ones_like(batch.present)
    for index, modality in enumerate(MODALITIES):
        values = {**other.values, modality: batch.values[modality]}
        one = run(model, changed(batch, present=present)).unimodal[..., index, :]
        two = run(model, changed(batch, present=present, values=values)).unimodal[..., index, :]
        assert torch.equal(one, two)


def test_stage_one_uses_the_own_expert_only(model: EBMC) -> None:
    batch = inputs_from_batch(windows(model, 2, 6))
    before = model.represent(*batch, own_experts=True).own.detach().clone()
    block = model.experts.blocks[0].mlp[0]
    with torch.no_grad():
        kept = block.weight[2].clone()
        block.weight[2] += 1  # the video expert
        after = model.represent(*batch, own_experts=True).own
        mixed = model.represent(*batch).own
        block.weight[2] = kept
        normal = model.represent(*batch).own
    assert torch.equal(before[:2], after[:2])
    assert not torch.equal(before[2], after[2])
    assert not torch.equal(mixed[0], normal[0])
