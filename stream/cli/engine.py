"""`ebmc engine`: the engines, the exported graph, and whether they agree."""

from typing import Annotated

import typer

from stream.cli.terminal import complain, one_line_errors, say

engine_app = typer.Typer(help="Inference engines: list, export, verify.", no_args_is_help=True)

Checkpoint = Annotated[str, typer.Argument(help="Bundled checkpoint, or the folder of one.")]


@engine_app.command("list")
def list_command(checkpoint: Checkpoint = "live-en") -> None:
    """Every engine, and whether this machine runs it with this checkpoint."""
    with one_line_errors():
        from ebmc_core.checkpoint import read_checkpoint
        from ebmc_core.errors import EbmcError
        from engines.engine import ENGINES
        from engines.selection import make_engine

        folder = read_checkpoint(checkpoint).folder
        for name in ENGINES:
            try:
                with make_engine(name, folder) as engine:
                    typer.echo(f"{name:<8} runs as {engine.backend}")
            except EbmcError as error:
                typer.echo(f"{name:<8} does not run: {error}")


@engine_app.command("export")
def export_command(checkpoint: Checkpoint = "live-en") -> None:
    """Write the checkpoint as `model.onnx` beside its weights (dynamic batch, fixed context)."""
    with one_line_errors():
        from engines.export import onnx_from_checkpoint

        typer.echo(onnx_from_checkpoint(checkpoint))


@engine_app.command("verify")
def verify_command(
    checkpoint: Checkpoint = "live-en",
    tolerance: Annotated[float, typer.Option(help="Largest difference that is let pass.")] = 1e-4,
) -> None:
    """Run every engine and torch over the same windows, all subsets of modalities, and compare."""
    with one_line_errors():
        from ebmc_core.checkpoint import read_checkpoint
        from engines.engine import ENGINES
        from engines.selection import make_engine
        from engines.verify import compare, golden_batch

        files = read_checkpoint(checkpoint)
        batch = golden_batch(files.config)
        agree = True
        with make_engine("torch", files.folder) as reference:
            for name in (name for name in ENGINES if name != "torch"):
                with make_engine(name, files.folder) as engine:
                    agreement = compare(engine, reference, batch)
                agree &= agreement.worst <= tolerance
                parts = ", ".join(f"{output} {gap:.1e}" for output, gap in agreement.differences.items())
                typer.echo(f"{name} against torch: {parts}")
    if not agree:
        complain(f"the engines differ by more than {tolerance:.0e}; export the checkpoint again")
        raise typer.Exit(2)
    say(f"they agree within {tolerance:.0e}")
