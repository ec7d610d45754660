"""The upper blocks of the sentence encoder: what they compute, how they are kept, and that training is what it says."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ebmc_core.data.sentences import NO_EMOTION, Sentences, read_sentences
from ebmc_core.errors import CheckpointError, DataError
from ebmc_core.sentence import UpperEncoder, halved
from ebmc_core.sentence_checkpoint import load_sentence, save_sentence, sentence_digest
from ebmc_core.train_sentence import (
    SentenceTrainConfig,
    averaged,
    review_folds,
    sentence_vectors,
    train_member,
    train_sentence,
    weighted_f1,
)

LINES = 72
SPLITS = ("train", "train", "validation", "test")


def synthetic() -> Sentences:
    """Lines of 2 to 6 tokens, in two copies; one direction of every token tells the label. Some are reviews."""
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(LINES) % 3, 2).astype(np.int8)
    review = np.repeat((np.arange(LINES) % 3 != 1) & (np.arange(LINES) % 5 < 3), 2)
    starts = np.concatenate([[0], np.cumsum(rng.integers(2, 7, 2 * LINES))])
    states = rng.standard_normal((starts[-1], 384))
    states[:, 7] += np.repeat(6.0 * (label - 1.0), np.diff(starts))
    groups = np.repeat(np.arange(LINES) // 3, 2)
    source = np.where(review, "mosi", "meld")
    return Sentences(
        states=states.astype(np.float16),
        starts=starts,
        frozen=5,
        label=label,
        emotion=np.where(review, NO_EMOTION, label).astype(np.int8),
        item=np.array([f"{name}-{line}" for name, line in zip(source, np.repeat(np.arange(LINES), 2), strict=True)]),
        group=np.array([f"{name}-{group}" for name, group in zip(source, groups, strict=True)]),
        split=np.array([SPLITS[group % 4] for group in groups]),
        condition=np.array(["clean", "plain"] * LINES),
        source=source,
    )


@pytest.fixture
def config(tmp_path: Path) -> SentenceTrainConfig:
    """A tiny run: one untrained block stands in for MiniLM's last."""
    torch.manual_seed(3)
    minilm = UpperEncoder(1)
    save_file(minilm.minilm_state(), tmp_path / "model.safetensors")
    np.savez(
        tmp_path / "sentences.npz", **{f.name: getattr(synthetic(), f.name) for f in dataclasses.fields(Sentences)}
    )
    return SentenceTrainConfig(
        features=tmp_path,
        runs=tmp_path / "runs",
        minilm=tmp_path,
        members=2,
        folds=3,
        blocks=1,
        epochs=2,
        batch=8,
        rate=1e-3,
    )


def quiet(line: str) -> None:
    """A report that nobody reads."""


def test_padding_and_company_change_no_vector() -> None:
    torch.manual_seed(0)
    encoder = UpperEncoder(2).eval()
    states, mask = synthetic().batch(np.arange(6))
    other = states.clone()
    other[~mask] = 1e4
    together = encoder(states, mask)
    alone = torch.cat([encoder(states[i : i + 1, : mask[i].sum()], mask[i : i + 1, : mask[i].sum()]) for i in range(6)])
    assert not mask.all() and torch.allclose(together, encoder(other, mask), atol=1e-6)
    assert torch.allclose(together, alone, atol=1e-5)
    assert torch.allclose(together.norm(dim=1), torch.ones(6), atol=1e-5)


def test_weighted_f1_is_what_the_hand_gets() -> None:
    truth, guess = np.array([0, 0, 0, 1, 2, 2]), np.array([0, 0, 1, 1, 0, 0])
    # F1: 2*2/(4+3) for 0, 2*1/(2+1) for 1, none for 2; weights 3/6, 1/6, 2/6
    assert weighted_f1(guess, truth) == pytest.approx(3 / 6 * 4 / 7 + 1 / 6 * 2 / 3)
    assert weighted_f1(truth, truth) == pytest.approx(1.0)


def test_training_learns_and_is_the_same_twice(config: SentenceTrainConfig) -> None:
    first = train_sentence(dataclasses.replace(config, epochs=8), quiet)
    metrics = json.loads((first / "config.json").read_text())["metrics"]["test"]
    assert metrics["meld/clean"] > 0.8 and metrics["mosi/clean"] > 0.8
    stored = (first / "model.safetensors").read_bytes()
    again = train_sentence(dataclasses.replace(config, epochs=8, name="again"), quiet)
    assert (again / "model.safetensors").read_bytes() == stored
    other = train_sentence(dataclasses.replace(config, epochs=8, name="other", seed=9), quiet)
    assert (other / "model.safetensors").read_bytes() != stored


def test_a_member_learns_nothing_from_the_videos_it_leaves_out(config: SentenceTrainConfig) -> None:
    sentences = synthetic()
    skipped = review_folds(sentences, 3) == 0
    flipped = dataclasses.replace(sentences, label=np.where(skipped, 2 - sentences.label, sentences.label))
    assert skipped.any() and set(sentences.split[skipped]) == {"train"} and set(sentences.source[skipped]) == {"mosi"}
    nets = [train_member(config, lines, 0, quiet)[0].state_dict() for lines in (sentences, flipped)]
    assert all(torch.equal(nets[0][name], nets[1][name]) for name in nets[0])
    learned = [train_member(config, lines, 1, quiet)[0].verdict.weight for lines in (sentences, flipped)]
    assert not torch.equal(*learned)


def test_a_training_review_has_the_vector_of_the_member_that_left_it_out(config: SentenceTrainConfig) -> None:
    sentences, folder = read_sentences(config.features / "sentences.npz"), train_sentence(config, quiet)
    members = [train_member(config, sentences, member, quiet)[0] for member in (0, 1)]
    with np.load(folder / "reviews.npz") as stored:
        items, values, learned = stored["item"].tolist(), stored["values"], stored["learned"]
    folds = review_folds(sentences, 3)
    for net, fold in ((members[0], 0), (members[1], 1), (averaged(members), 2), (averaged(members), -1)):
        rows = np.flatnonzero((folds == fold) & (sentences.source == "mosi") & (sentences.condition == "clean"))
        expected = sentence_vectors(net.encoder, sentences, rows).numpy()
        at = [items.index(sentences.item[row]) for row in rows]
        assert len(rows) and np.allclose(values[at], expected, atol=1e-6)
        assert set(learned[at].tolist()) == {fold == 2}  # a fold that every member learned from


def test_a_checkpoint_is_read_as_it_was_written_and_not_otherwise(tmp_path: Path) -> None:
    encoder = UpperEncoder(1)
    save_sentence(encoder, tmp_path, {"seed": 0}, {"test": {"meld/clean": 0.5}})
    weights = load_sentence(tmp_path)
    assert set(weights) == set(encoder.minilm_state()) and all(one.dtype == torch.float16 for one in weights.values())
    stored = bytearray((tmp_path / "model.safetensors").read_bytes())
    stored[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(stored)
    with pytest.raises(CheckpointError, match="is not the one that"):
        load_sentence(tmp_path)
    with pytest.raises(CheckpointError, match="holds no sentence checkpoint"):
        sentence_digest(tmp_path / "nowhere")


def test_weights_too_large_for_float16_are_refused() -> None:
    with pytest.raises(ValueError, match="float16"):
        halved({"weight": torch.tensor([1e6])})


def test_data_that_does_not_fit_is_one_line(config: SentenceTrainConfig, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="5 blocks deep, not 4"):
        train_sentence(dataclasses.replace(config, blocks=2), quiet)
    with pytest.raises(DataError, match="no MiniLM weights"):
        train_sentence(dataclasses.replace(config, minilm=tmp_path / "nowhere"), quiet)
    (tmp_path / "sentences.npz").write_bytes(b"")
    with pytest.raises(DataError, match="missing or damaged"):
        train_sentence(config, quiet)
