"""A line read beside those before it: what is read, and that the training learns what only the past tells."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ebmc_core.data.dialogues import read_dialogues
from ebmc_core.data.sentences import Sentences
from ebmc_core.dialogue import DialogueReader
from ebmc_core.errors import DataError
from ebmc_core.sentence import UpperEncoder
from ebmc_core.sentence_checkpoint import save_sentence
from ebmc_core.train_dialogue import DialogueTrainConfig, new_reader, raised, start_encoder, train_dialogue

DIALOGUES, LINES = 48, 4
SPLITS = ("train", "train", "validation", "test")


def synthetic() -> Sentences:
    """Dialogues of 4 lines of 2 to 5 tokens, in two copies, out of order; a line's label is told by the line before.

    The first line's label is told by nothing.
    """
    rng = np.random.default_rng(0)
    number = np.tile(np.repeat(np.arange(LINES), 2), DIALOGUES)
    group = np.repeat(np.arange(DIALOGUES), 2 * LINES)
    told = np.repeat(rng.integers(0, 3, (DIALOGUES, LINES)), 2).astype(np.int64)
    label = np.where(number == 0, 0, np.roll(told, 2))
    order = rng.permutation(len(label))
    lengths = rng.integers(2, 6, len(label))
    starts = np.concatenate([[0], np.cumsum(lengths)])
    states = rng.standard_normal((starts[-1], 384))
    states[:, 7] += np.repeat(6.0 * (told[order] - 1.0), lengths)
    return Sentences(
        states=states.astype(np.float16),
        starts=starts,
        frozen=5,
        label=label[order].astype(np.int8),
        emotion=label[order].astype(np.int8),
        item=np.array([f"meld-{g}-{n}" for g, n in zip(group[order], number[order], strict=True)]),
        group=np.array([f"meld-{g}" for g in group[order]]),
        split=np.array([SPLITS[g % 4] for g in group[order]]),
        condition=np.array(["clean", "plain"] * (DIALOGUES * LINES))[order],
        source=np.full(len(label), "meld"),
    )


@pytest.fixture
def config(tmp_path: Path) -> DialogueTrainConfig:
    """A tiny run from one untrained block."""
    torch.manual_seed(3)
    save_sentence(UpperEncoder(1), tmp_path / "start", {}, {})
    np.savez(
        tmp_path / "sentences.npz", **{f.name: getattr(synthetic(), f.name) for f in dataclasses.fields(Sentences)}
    )
    return DialogueTrainConfig(
        features=tmp_path, runs=tmp_path / "runs", start=str(tmp_path / "start"), members=1, blocks=1,
        learned=1, near=1, earlier=3, epochs=20, batch=8, rate=1e-3,
    )  # fmt: skip


def quiet(line: str) -> None:
    """A report that nobody reads."""


def test_lines_know_those_before_them_and_no_others() -> None:
    lines = synthetic()
    before = read_dialogues(lines, 3).before
    for row in np.flatnonzero(lines.condition == "clean"):
        dialogue, _, number = str(lines.item[row]).rpartition("-")
        found = [str(lines.item[other]) for other in before[row] if other >= 0]
        assert found == [f"{dialogue}-{earlier}" for earlier in range(int(number) - 1, -1, -1)]
        assert {str(lines.condition[other]) for other in before[row] if other >= 0} <= {"clean"}


def test_a_batch_holds_the_line_the_near_ones_and_the_mean_of_the_rest() -> None:
    lines = synthetic()
    dialogues = read_dialogues(lines, 3)
    last = next(row for row in dialogues.rows("train") if dialogues.before[row, 2] >= 0)
    first = next(row for row in dialogues.rows("train") if dialogues.before[row, 0] < 0)
    states, mask, back = dialogues.batch(np.array([first, last]), 1)
    assert mask.sum(1).tolist() == dialogues.lengths(np.array([first, last]), 1).tolist()
    assert (back[0][mask[0]] == 0).all()
    sizes = lines.lengths
    own, near = int(sizes[last]), int(sizes[dialogues.before[last, 0]])
    assert back[1][mask[1]].tolist() == [0] * own + [1] * near + [2, 3]
    oldest = lines.states[lines.starts[dialogues.before[last, 2]] :][: sizes[dialogues.before[last, 2]]]
    torch.testing.assert_close(states[1, own + near + 1], torch.from_numpy(oldest.astype(np.float32)).mean(0))


def test_padding_and_company_change_no_answer() -> None:
    torch.manual_seed(0)
    net = DialogueReader(UpperEncoder(2), 3, 7, 0.0).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    dialogues = read_dialogues(synthetic(), 3)
    rows = dialogues.rows("train")[:6]
    states, mask, back = dialogues.batch(rows, 1)
    spoiled = states.clone()
    spoiled[~mask] = 1e4
    together, same = net(states, mask, back)[0], net(spoiled, mask, back)[0]
    alone = torch.cat([net(*dialogues.batch(rows[at : at + 1], 1))[0] for at in range(6)])
    assert not mask.all()
    torch.testing.assert_close(together, same)
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


def test_training_learns_what_the_past_tells_and_is_the_same_twice(config: DialogueTrainConfig) -> None:
    figures = [
        json.loads((train_dialogue(each, quiet) / "config.json").read_text())["metrics"]["test"]
        for each in (config, dataclasses.replace(config, name="blind", earlier=0, near=0))
    ]
    assert figures[0]["mean"]["weighted F1"] > figures[1]["mean"]["weighted F1"] + 0.15
    assert figures[0].keys() == {"mean", "member 0"}
    short = dataclasses.replace(config, epochs=1, members=2)
    first, again, other = (
        train_dialogue(dataclasses.replace(short, name=name, seed=seed), quiet) / "model.safetensors"
        for name, seed in (("first", 0), ("again", 0), ("other", 5))
    )
    assert first.read_bytes() == again.read_bytes() != other.read_bytes()


def test_blocks_that_do_not_learn_read_each_line_by_itself(config: DialogueTrainConfig, tmp_path: Path) -> None:
    torch.manual_seed(4)
    encoder = UpperEncoder(2).eval()
    save_sentence(encoder, tmp_path / "two", {}, {})
    config = dataclasses.replace(config, start=str(tmp_path / "two"), blocks=2)
    lines = dataclasses.replace(synthetic(), frozen=4)
    above = raised(config, lines)
    assert above.frozen == 5
    for row in np.flatnonzero(lines.condition == "clean")[:5]:
        states, mask = lines.batch(np.array([row]))
        expected = start_encoder(config).eval().blocks[0](states, mask)[0]
        found = above.batch(np.array([row]))[0][0]
        torch.testing.assert_close(found, expected, atol=2e-3, rtol=2e-3)  # kept as float16
    assert len(new_reader(config).encoder.blocks) == 1
    with pytest.raises(DataError, match="learned must be from 1 to blocks, 2, not 3"):
        raised(dataclasses.replace(config, learned=3), lines)


def test_what_does_not_fit_is_one_line(config: DialogueTrainConfig) -> None:
    with pytest.raises(DataError, match="5 blocks deep, not 4: remove it"):
        train_dialogue(dataclasses.replace(config, blocks=2), quiet)
    with pytest.raises(DataError, match="missing or damaged"):
        train_dialogue(dataclasses.replace(config, features=config.features / "nowhere"), quiet)
    lines = dataclasses.replace(synthetic(), item=np.array(["meld-a"] * len(synthetic().label)))
    with pytest.raises(DataError, match="without a number"):
        read_dialogues(lines, 3)
