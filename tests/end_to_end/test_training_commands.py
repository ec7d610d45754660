"""`ebmc train` and `ebmc evaluate` as a researcher uses them, on a small MOSI with a known structure."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stream.cli import app
from tests.ebmc_core.mosi_arrays import write_mosi

CONFIG = """
name = "small"
data = "mosi"
batch = 18
steps = 2
stage_one = 1
stage_two = 2
learning_rate = 5e-3
[model]
width = 16
part = 8
depth = 1
heads = 2
context = 12
"""


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """A folder with `features/mosi.npz` and `small.toml`."""
    write_mosi(tmp_path / "features")
    (tmp_path / "small.toml").write_text(CONFIG)
    return tmp_path


def ebmc(bench: Path, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--features", str(bench / "features")])


def train(bench: Path, *words: str) -> Result:
    return ebmc(bench, "train", str(bench / "small.toml"), "--runs", str(bench / "runs"), *words)


def test_seeds_and_variants_are_trained_once_and_measured_together(bench: Path) -> None:
    words = ("--seed", "1", "--seed", "2", "--variant", "full", "--variant", "no-emc")
    done = train(bench, *words)
    assert done.exit_code == 0, done.output
    runs = sorted((bench / "runs").iterdir())
    assert [run.name for run in runs] == ["small-no-emc-seed1", "small-no-emc-seed2", "small-seed1", "small-seed2"]
    again = train(bench, *words)
    assert again.exit_code == 0 and again.output.count("done already") == 4

    measured = ebmc(
        bench, "evaluate", *map(str, [*runs[2:], *runs[:2]]), "--protocol", "ablation", "--baseline", "--seeds", "2",
        "--out", str(bench / "reports"),
    )  # fmt: skip
    assert measured.exit_code == 0, measured.output
    stored = json.loads((bench / "reports" / "mosi-ablation.json").read_text())
    rows = stored["tables"][0]["rows"]
    assert [len(rows[name][0]) for name in ("EBMC", "EBMC, no-emc", "context LSTM", "logistic regression")] == [
        2,
        2,
        2,
        1,
    ]
    assert any(note.startswith("EBMC over EBMC, no-emc: all three") for note in stored["notes"])
    assert (bench / "reports" / "mosi-ablation.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--variant", "no-text"), "there is no variant 'no-text'; there are full"),
        (("--device", "tpu"), "device must be auto or cpu or cuda, not 'tpu'"),
        (("--resume",), "holds no state.pt to resume from; leave --resume out"),
    ],
)
def test_what_cannot_be_trained_is_one_line_and_exit_code_2(bench: Path, words: tuple[str, ...], message: str) -> None:
    failed = train(bench, *words)
    assert failed.exit_code == 2
    assert message in " ".join(failed.output.split())
    assert "Traceback" not in failed.output


def test_what_cannot_be_measured_is_one_line_and_exit_code_2(bench: Path) -> None:
    assert train(bench).exit_code == 0
    run = str(bench / "runs" / "small-seed1")
    for words, message in (
        (("--protocol", "luck"), "--protocol luck: there are seven-conditions, missing-rate"),
        (("--protocol", "noise", "--split", "train"), "there are validation and test"),
    ):
        failed = ebmc(bench, "evaluate", run, *words)
        assert failed.exit_code == 2
        assert message in " ".join(failed.output.split())
    (bench / "features" / "mosi.npz").unlink()
    failed = ebmc(bench, "evaluate", run, "--protocol", "noise")
    assert failed.exit_code == 2
    assert "make it with `ebmc data prepare --only mosi`" in " ".join(failed.output.split())


def test_variants_can_be_listed(bench: Path) -> None:
    listed = train(bench, "--variant", "list")
    assert listed.exit_code == 0
    assert {"full", "no-emc", "only-text+audio"} <= set(listed.output.split())
