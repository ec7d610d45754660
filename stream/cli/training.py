"""`ebmc data`, `ebmc train`, `ebmc evaluate`: from public data to a checkpoint and its held-out figures."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from stream.cli.terminal import Bars, one_line_errors, say

data_app = typer.Typer(help="Training data: turn data sets into feature arrays.", no_args_is_help=True)

Features = Annotated[Path, typer.Option(help="Folder of the feature arrays.")]


@data_app.command("prepare")
def prepare_command(
    data: Annotated[Path | None, typer.Option(help="Folder of the data sets.", show_default="../shared/data")] = None,
    out: Features = Path("features"),
    only: Annotated[list[str] | None, typer.Option(help="faces, speech or text; may be repeated.")] = None,
) -> None:
    """Run every data set through the front ends of the stream itself; takes about half an hour on two cores."""
    with one_line_errors(), Bars() as bars:
        from ebmc_core.checkpoint import checkpoint_folder
        from ebmc_core.errors import DataError
        from stream.features.audio import AudioFrontEnd
        from stream.features.text import TextFrontEnd
        from stream.prepare.faces import embed_faces, prepare_faces
        from stream.prepare.ravdess import prepare_ravdess
        from stream.prepare.text import prepare_text
        from stream.settings import load_settings
        from stream.speech.asr import Recogniser
        from stream.weights import fetch

        settings = load_settings()
        root, cache = data or settings.data / "data", settings.cache
        parts = only or ["faces", "speech", "text"]
        if unknown := set(parts) - {"faces", "speech", "text"}:
            raise DataError(f"--only {', '.join(sorted(unknown))}: there are faces, speech and text")
        if "faces" in parts:
            faces = prepare_faces(root / "facial-expressions", out, fetch("face-landmarker", cache, say), bars)
            say(f"wrote    {embed_faces(faces, out, checkpoint_folder('expression'))}")
        if "speech" in parts:
            ears = AudioFrontEnd(Recogniser(fetch("whisper-tiny.en", cache, say)))
            say(f"wrote    {prepare_ravdess(root, out, ears, bars)}")
        if "text" in parts:
            say(f"wrote    {prepare_text(root, out, TextFrontEnd(fetch('minilm-l6-v2', cache, say)), bars)}")


def train_command(
    config: Annotated[str, typer.Argument(help="A TOML file, or one in the package: expression, sentence, live-en.")],
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
        elif path.stem.startswith("sentence"):
            from stream.prepare.sentences import train_on_sentences

            run = train_on_sentences(path, overrides, say)
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
