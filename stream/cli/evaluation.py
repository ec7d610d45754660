"""`ebmc evaluate`: held-out figures of checkpoints, by protocol, beside baselines."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli.terminal import one_line_errors, say
from stream.cli.training import Features

if TYPE_CHECKING:
    from ebmc_core.checkpoint import Checkpoint

MOST = 512


def evaluate_command(
    checkpoints: Annotated[
        list[str],
        typer.Argument(
            help="Bundled checkpoints or folders of runs; those of one variant count as seeds of one model, "
            "and the first is what the others are compared with."
        ),
    ],
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            help="seven-conditions, missing-rate, noise, calibration or ablation; may be repeated.",
            show_default="a summary for the model card",
        ),
    ] = None,
    features: Features = Path("features"),
    split: Annotated[str, typer.Option(help="validation or test.")] = "test",
    baseline: Annotated[bool, typer.Option("--baseline", help="Train and measure the baselines beside it.")] = False,
    seeds: Annotated[int, typer.Option(help="Seeds of the baselines that have one.", min=1)] = 5,
    out: Annotated[Path, typer.Option(help="Folder for the tables as JSON and Markdown, and a picture.")] = Path(
        "reports"
    ),
    sequences: Annotated[int, typer.Option(help="Most sequences of a measurement.", min=1)] = MOST,
) -> None:
    """Held-out figures of a model, by protocol, as tables here and as JSON, Markdown and a picture in a folder.

    Several seeds give mean and deviation; differences between systems are bootstrapped over videos.
    """
    with one_line_errors():
        from ebmc_core.checkpoint import load_checkpoint
        from ebmc_core.errors import DataError
        from ebmc_core.train import CHECKPOINT

        if split not in ("validation", "test"):
            raise DataError(f"--split {split}: there are validation and test")
        found = [
            load_checkpoint(Path(name) / CHECKPOINT if (Path(name) / CHECKPOINT).is_dir() else name)
            for name in checkpoints
        ]
        if protocol is None:
            _summary(found, features, split, baseline)
            return
        from ebmc_core.protocols import PROTOCOLS
        from ebmc_core.protocols.held_out import fit_baselines, splits_of
        from ebmc_core.protocols.systems import systems_from_checkpoints

        if unknown := set(protocol) - set(PROTOCOLS):
            raise DataError(f"--protocol {', '.join(sorted(unknown))}: there are {', '.join(PROTOCOLS)}")
        data, splits = splits_of(found, features)
        systems = systems_from_checkpoints(found)
        if not systems:
            raise DataError("a model per condition needs all seven only-* checkpoints of a seed")
        if baseline:
            systems |= fit_baselines(splits_of(found, features, softened=False)[1], seeds, say)
            if any(checkpoint.files.training.get("soften") for checkpoint in found):
                systems |= fit_baselines(splits, seeds, say, ", softened")
        for name in protocol:
            report = PROTOCOLS[name](systems, splits(split), data, sequences)
            typer.echo(report.text() + "\n")
            say(f"wrote    {', '.join(str(path) for path in report.write(out))}")


def _summary(found: "list[Checkpoint]", features: Path, split: str, baseline: bool) -> None:
    from ebmc_core.data.arrays import load_arrays
    from ebmc_core.evaluate import evaluate, table

    arrays = load_arrays(features)
    typer.echo(table(*(evaluate(checkpoint.model, arrays, split) for checkpoint in found)))
    if baseline:
        from ebmc_core.baselines.unimodal import logistic_regression

        typer.echo("\n| logistic regression on the same features, clean | balanced accuracy |\n|---|---|")
        for name, value in logistic_regression(arrays, split).items():
            typer.echo(f"| {name} | {100 * value:.1f} |")
