"""`ebmc train`: from feature arrays to checkpoints."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer

from stream.cli.terminal import one_line_errors, say

Features = Annotated[Path, typer.Option(help="Folder of the feature arrays, made by `ebmc data prepare`.")]


def train_command(
    config: Annotated[
        str,
        typer.Argument(
            help="A TOML file, or one in the package: live-en, mosi, mosi-minilm, mosi-sentence, sentence, expression."
        ),
    ],
    features: Features = Path("features"),
    runs: Annotated[Path, typer.Option(help="Folder that gets a folder for each run.")] = Path("runs"),
    seed: Annotated[
        list[int] | None, typer.Option(help="Random seed; may be repeated.", show_default="that of the config")
    ] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(help="The model with one thing changed, such as no-emc; `list` names all."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a run was stopped, to the same weights.")
    ] = False,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or auto.", show_default="that of the config")] = None,
    precision: Annotated[
        str | None, typer.Option(help="float32, or bfloat16 for mixed precision.", show_default="that of the config")
    ] = None,
) -> None:
    """Train a model as its configuration says: a line an epoch, then where the run is.

    A run folder holds config.json, metrics.csv and checkpoint/; a run that is stopped goes on with --resume. Runs that
    are done are left alone, so a list of seeds and variants can be begun again.
    """
    with one_line_errors():
        if variant == ["list"]:
            from ebmc_core.variants import VARIANTS

            typer.echo("\n".join(VARIANTS))
            return
        path = Path(config)
        if not path.suffix:
            path = Path(str(files("ebmc_core").joinpath("configs", f"{config}.toml")))
        given: dict[str, Any] = {"device": device, "precision": precision}
        overrides = {"features": features, "runs": runs} | {k: v for k, v in given.items() if v is not None}
        if path.stem.startswith("expression"):
            _train_expression(path, features, runs, seed)
        elif path.stem.startswith("sentence"):
            from stream.prepare.sentences import train_on_sentences

            for each in seed or [None]:
                own = {"features": features, "runs": runs} | ({} if each is None else {"seed": each})
                typer.echo(train_on_sentences(path, own, say))
        else:
            _train_ebmc(path, overrides, seed, variant or ["full"], resume)


def _train_expression(path: Path, features: Path, runs: Path, seeds: list[int] | None) -> None:
    from ebmc_core.train_expression import ExpressionTrainConfig, train_expression
    from stream.prepare.faces import embed_faces

    for seed in seeds or [None]:
        overrides = {"features": features, "runs": runs} | ({} if seed is None else {"seed": seed})
        run = train_expression(ExpressionTrainConfig.from_toml(path, **overrides), say)
        say(f"wrote    {embed_faces(features / 'faces.npz', features, run)}")
        typer.echo(run)


def _train_ebmc(
    path: Path, overrides: dict[str, Any], seeds: list[int] | None, variants: list[str], resume: bool
) -> None:
    from ebmc_core.train import CHECKPOINT, STATE, train
    from ebmc_core.train_config import read_train_config
    from ebmc_core.variants import varied
    from engines.export import onnx_from_checkpoint

    plain = read_train_config(path, **overrides)
    configs = [
        varied(read_train_config(path, **overrides, seed=seed), variant)
        for variant in variants
        for seed in seeds or [plain.seed]
    ]
    for number, config in enumerate(configs, start=1):
        if len(configs) > 1 and (config.run / CHECKPOINT).is_dir():
            say(f"done already: {config.run}")
            continue
        if len(configs) > 1:
            say(f"run {number} of {len(configs)}: {config.run}")
        try:
            run = train(config, say, resume and (config.run / STATE).exists() if len(configs) > 1 else resume)
        except KeyboardInterrupt:
            say(f"stopped; the same command with --resume goes on from {config.run}")
            raise
        if config.data == "paired" and config.variant == "full":
            say(f"wrote    {onnx_from_checkpoint(run / CHECKPOINT)}")
        typer.echo(run)
