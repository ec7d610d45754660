"""`ebmc engine`: the engines, their graphs and plans, whether they agree, and how fast they are."""

from pathlib import Path
from typing import Annotated

import typer

from stream.cli.terminal import complain, one_line_errors, say

engine_app = typer.Typer(help="Inference engines: list, export, build, verify, bench.", no_args_is_help=True)

Checkpoint = Annotated[str, typer.Argument(help="Bundled checkpoint, or the folder of one.")]
Precision = Annotated[str, typer.Option(help="float32, float16, or int8 once it was exported.")]


@engine_app.command("list")
def list_command(checkpoint: Checkpoint = "live-en") -> None:
    """Every engine, tried for real with this checkpoint, and why it does not run."""
    with one_line_errors():
        from engines.selection import PREFERENCE, engine_states

        for state in engine_states(checkpoint):
            told = f"runs as {state.backend}" if state.backend else f"does not run: {state.reason}"
            typer.echo(f"{state.name:<17}{told}")
        say(f"auto takes the first that runs of: {', '.join(PREFERENCE)}")


@engine_app.command("export")
def export_command(
    checkpoint: Checkpoint = "live-en",
    precision: Precision = "float32",
    output: Annotated[Path | None, typer.Option(help="Folder; beside the weights by default.")] = None,
    triton: Annotated[Path | None, typer.Option(help="Write a model repository for Triton into this folder.")] = None,
    features: Annotated[
        Path | None, typer.Option(help="For int8: feature arrays of `ebmc data prepare` to calibrate on.")
    ] = None,
) -> None:
    """Write the live graph as ONNX (dynamic batch, fixed context), or a model repository with it."""
    with one_line_errors():
        if triton:
            from engines.triton import triton_repository

            typer.echo(triton_repository(checkpoint, triton))
            return
        from engines.export import INT8, onnx_from_checkpoint

        if precision == INT8 and features:
            from engines.quantise import int8_from_checkpoint

            typer.echo(int8_from_checkpoint(checkpoint, features, output))
            return
        typer.echo(onnx_from_checkpoint(checkpoint, precision, output))


@engine_app.command("build")
def build_command(
    checkpoint: Checkpoint = "live-en",
    backend: Annotated[str, typer.Option(help="tensorrt or tensorrt-rtx.")] = "tensorrt-rtx",
    target: Annotated[
        list[str] | None,
        typer.Option(help="GPU to build for ahead of time, e.g. sm86; repeatable. Default: the GPU of this machine."),
    ] = None,
    precision: Precision = "float32",
    output: Annotated[Path | None, typer.Option(help="Folder; by default the cache, where the engine looks.")] = None,
) -> None:
    """Compile the live graph into a TensorRT plan. With --target no GPU is needed."""
    with one_line_errors():
        from engines.build import PlanOptions
        from engines.tensorrt_engine import PLANS, build_ahead, build_here

        folder, flavour = output or PLANS, backend.replace("-", "_")
        if target:
            options = PlanOptions(targets=tuple(sorted({name.lower() for name in target})))
            typer.echo(build_ahead(checkpoint, precision, options, folder, flavour))
        else:
            typer.echo(build_here(checkpoint, precision, folder, flavour))


@engine_app.command("verify")
def verify_command(
    checkpoint: Checkpoint = "live-en",
    engine: Annotated[list[str] | None, typer.Option(help="Engine; repeatable. Default: every one that runs.")] = None,
    windows: Annotated[Path | None, typer.Option(help="Recorded windows (.npz) to compare on as well.")] = None,
    tolerance: Annotated[
        float | None, typer.Option(help="Largest difference let pass.", show_default="1e-4, float16 1e-2")
    ] = None,
) -> None:
    """Compare engines with torch: random masks, and recorded real windows in all seven subsets of modalities."""
    with one_line_errors():
        from ebmc_core.checkpoint import read_checkpoint
        from engines.selection import make_engine, runnable
        from engines.verify import TOLERANCES, checks, compare, recorded_batch

        files = read_checkpoint(checkpoint)
        batches = list(checks(files.config))
        if windows:
            batches.append((windows.name, recorded_batch(files.config, windows)))
        names = engine or [name for name in runnable(files.folder) if name != "torch"]
        agree = True
        with make_engine("torch", files.folder) as reference:
            for name in names:
                limit = tolerance or TOLERANCES[name.partition(":")[2] or "float32"]
                with make_engine(name, files.folder) as opened:
                    for title, batch in batches:
                        worst = compare(opened, reference, batch).worst
                        agree &= worst <= limit
                        typer.echo(f"{opened.backend:<18}{title:<40}{len(batch.valid):>3} rows  {worst:.1e}")
    if not agree:
        complain("the engines differ by more than their tolerance; export the checkpoint again")
        raise typer.Exit(2)
    say(f"{', '.join(names)} agree with torch")


@engine_app.command("bench")
def bench_command(
    checkpoint: Checkpoint = "live-en",
    engine: Annotated[list[str] | None, typer.Option(help="Engine; repeatable. Default: every one that runs.")] = None,
    batch: Annotated[list[int] | None, typer.Option(help="Batch size; repeatable.", show_default="1 8 64")] = None,
    calls: Annotated[int, typer.Option(min=20, help="Calls at batch 1.")] = 300,
    output: Annotated[Path | None, typer.Option("--json", help="Write the report into this file.")] = None,
) -> None:
    """Time engines beside torch eager in the same run, each in a process of its own, on one thread."""
    with one_line_errors():
        from engines.bench import benchmark
        from engines.engine import ENGINES

        report = benchmark(engine or list(ENGINES), checkpoint, batch or (1, 8, 64), calls, say)
        say(f"{report.checkpoint} on {report.machine}, 1 thread; every engine in a process of its own")
        rows = report.rows()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            typer.echo("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
        for name, reason in report.skipped.items():
            say(f"{name} was not timed: {reason}")
        if output:
            output.write_text(report.as_json() + "\n", encoding="utf-8")
            say(f"wrote {output}")
