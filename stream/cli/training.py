"""`ebmc train`, `ebmc evaluate`: from feature arrays to a checkpoint and its held-out figures."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from stream.cli.terminal import one_line_errors, say

Features = Annotated[Path, typer.Option(help="Folder of the feature arrays.")]


def train_command(
    config: Annotated[str, typer.Argument(help="A TOML file, or the name of one in the package: expression, live-en.")],
    features: Features = Path("features"),
    runs: Annotated[Path, typer.Option(help="Folder that gets a folder for this run.")] = Path("runs"),
    seed: Annotated[int | None, typer.Option(help="Random seed.", show_default="that of the config")] = None,
) -> None:
    """Train a model as its configuration says; prints one line an epoch and where the run is."""
    with one_line_errors():
        path = Path(config)
        if not path.suffix:
            path = Path(str(files("ebmc_core").joinpath("configs", f"{config}.toml")))
        overrides = {"features": features, "runs": runs} | ({} if seed is None else {"seed": seed})
        if path.stem.startswith("expression"):
            from ebmc_core.train_expression import ExpressionTrainConfig, train_expression
            from stream.prepare.faces import embed_faces

            run = train_expression(ExpressionTrainConfig.from_toml(path, **overrides), say)
            say(f"wrote    {embed_faces(features / 'faces.npz', features, run)}")
        else:
            from ebmc_core.train import read_train_config, train
            from engines.export import onnx_from_checkpoint

            run = train(read_train_config(path, **overrides), say)
            say(f"wrote    {onnx_from_checkpoint(run / 'checkpoint')}")
    typer.echo(run)


def evaluate_command(
    checkpoint: Annotated[str, typer.Argument(help="Bundled checkpoint, or the folder of one.")],
    features: Features = Path("features"),
    split: Annotated[str, typer.Option(help="validation or test.")] = "test",
    baseline: Annotated[bool, typer.Option("--baseline", help="Logistic regression beside it.")] = False,
) -> None:
    """Held-out figures of a checkpoint: per subset of modalities, per modality alone, and trust under noise."""
    with one_line_errors():
        from ebmc_core.checkpoint import load_checkpoint
        from ebmc_core.data.arrays import load_arrays
        from ebmc_core.evaluate import evaluate, table

        arrays = load_arrays(features)
        typer.echo(table(evaluate(load_checkpoint(checkpoint).model, arrays, split)))
        if baseline:
            from ebmc_core.baseline import logistic_regression

            typer.echo("\n| logistic regression on the same features, clean | balanced accuracy |\n|---|---|")
            for name, value in logistic_regression(arrays, split).items():
                typer.echo(f"| {name} | {100 * value:.1f} |")
