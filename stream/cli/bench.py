"""`ebmc bench`: the pipeline measured while it runs."""

import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli.options import Asr
from stream.cli.terminal import Bars, complain, one_line_errors, say
from stream.errors import INTERRUPTED, SettingsError

if TYPE_CHECKING:
    from stream.bench.report import Report

bench_app = typer.Typer(
    help="Benchmarks of the running pipeline: latency, streams, soak, degradation, chaos.", no_args_is_help=True
)

MediaOption = Annotated[
    list[str] | None,
    typer.Option(
        "--media", help="Clip to play; repeatable. Default: [b]clip[/b], the bundled one.", show_default=False
    ),
]
JsonOption = Annotated[Path | None, typer.Option("--json", help="Write everything into this file.")]
PlotOption = Annotated[Path | None, typer.Option("--plot", help="Draw it into this file (png, svg, pdf).")]
MemoryOption = Annotated[
    bool, typer.Option("--memory/--decode", help="Play from memory, or decode while it plays (as a camera costs).")
]
EngineOption = Annotated[str | None, typer.Option(help="Inference engine.", show_default="auto")]
WarmupOption = Annotated[float, typer.Option(min=0, help="Seconds that are played before measuring begins.")]


@bench_app.command("latency")
def latency_command(
    seconds: Annotated[float, typer.Option(min=1, help="Seconds that are measured.")] = 60.0,
    warmup: WarmupOption = 8.0,
    media: MediaOption = None,
    memory: MemoryOption = False,
    asr: Asr = None,
    engine: EngineOption = None,
    output: JsonOption = None,
    plot: PlotOption = None,
) -> None:
    """From the end of a window to its event, and from the end of speech to its words: one live stream.

    The stream is fed in open loop: each frame at its time, however far behind the pipeline is.

    Examples:

      ebmc bench latency

      ebmc bench latency --seconds 30 --asr none --json latency.json --plot latency.png
    """
    with _benchmark("latency", output, plot) as (folder, bars, done):
        from stream.bench.clips import clip_from
        from stream.bench.latency import latency
        from stream.bench.trial import Trial
        from stream.settings import load_settings

        clips = tuple(clip_from(name, folder) for name in (media or ["clip"])[:1])
        trial = Trial(clips, 1, seconds, warmup, load_settings(asr=asr, engine=engine), memory=memory, keep=True)
        total = round(warmup + seconds)
        done(latency(trial, lambda reached: bars(round(reached), total, "one stream")))


@bench_app.command("streams")
def streams_command(
    seconds: Annotated[float, typer.Option(min=1, help="Seconds that are measured in each try.")] = 20.0,
    warmup: WarmupOption = 12.0,
    most: Annotated[int, typer.Option(min=1, help="Try no more streams than this.")] = 32,
    media: MediaOption = None,
    memory: MemoryOption = False,
    asr: Annotated[
        list[str] | None, typer.Option(help="Recogniser; repeatable. Default: tiny.en, then none.", show_default=False)
    ] = None,
    engine: EngineOption = None,
    output: JsonOption = None,
    plot: PlotOption = None,
) -> None:
    """The largest number of live streams with p95 under a second and nothing lost without being counted.

    Examples:

      ebmc bench streams

      ebmc bench streams --asr none --most 16 --media a.mp4 --media b.mp4 --json streams.json
    """
    with _benchmark("streams", output, plot) as (folder, bars, done):
        from stream.bench.clips import clip_from
        from stream.bench.streams import streams
        from stream.bench.trial import Trial
        from stream.settings import load_settings

        clips = tuple(clip_from(name, folder) for name in media or ["clip"])
        trial = Trial(clips, 1, seconds, warmup, load_settings(engine=engine), memory=memory)
        total = round(warmup + seconds)
        done(streams(trial, asr or ["tiny.en", "none"], most, lambda gone, what: bars(round(gone), total, what)))


@bench_app.command("soak")
def soak_command(
    minutes: Annotated[float, typer.Option(min=0.1, help="Minutes on the wall clock that are measured.")] = 30.0,
    speed: Annotated[float, typer.Option(min=0.1, help="How many times faster than real time.")] = 4.0,
    streams: Annotated[int, typer.Option(min=1, help="Streams at once.")] = 1,
    warmup: Annotated[float, typer.Option(min=0, help="Minutes before measuring begins.")] = 1.0,
    media: MediaOption = None,
    memory: MemoryOption = False,
    asr: Asr = None,
    engine: EngineOption = None,
    output: JsonOption = None,
    plot: PlotOption = None,
) -> None:
    """A long run faster than real time: does memory or delay grow? Exit code 1 if one does.

    Examples:

      ebmc bench soak

      ebmc bench soak --minutes 5 --speed 2 --plot soak.png
    """
    with _benchmark("soak", output, plot) as (folder, bars, done):
        from stream.bench.clips import clip_from
        from stream.bench.soak import soak
        from stream.bench.trial import Trial
        from stream.settings import load_settings

        clips = tuple(clip_from(name, folder) for name in media or ["clip"])
        played, before = 60 * minutes * speed, 60 * warmup * speed
        settings = load_settings(asr=asr, engine=engine)
        trial = Trial(clips, streams, played, before, settings, speed=speed, memory=memory)
        done(soak(trial, lambda reached: bars(round(reached), round(played + before), "seconds of event time")))


@bench_app.command("degradation")
def degradation_command(
    media: Annotated[
        str, typer.Option(help="Clip to spoil; [b]clip[/b] stands for the clean stretches of the bundled one.")
    ] = "clip",
    before: Annotated[float, typer.Option(min=5, help="Seconds before the disturbance.")] = 10.0,
    during: Annotated[float, typer.Option(min=5, help="Seconds that it lasts (gone: always 5).")] = 10.0,
    after: Annotated[float, typer.Option(min=5, help="Seconds after it.")] = 10.0,
    speed: Annotated[
        float,
        typer.Option(
            min=0,
            help="Live, at this many times real time; 0: as a file, which waits for all work (recognition stays on).",
        ),
    ] = 1.0,
    only: Annotated[list[str] | None, typer.Option(help="Disturbance; repeatable. Default: all.")] = None,
    babble: Annotated[
        list[Path] | None, typer.Option(help="Other speech to mix in; repeatable. Default: the clip's own, shifted.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Where the voices of a babble begin.")] = 1,
    asr: Asr = None,
    engine: EngineOption = None,
    output: JsonOption = None,
    plot: PlotOption = None,
) -> None:
    """What the score and the trust do when something goes wrong, through the whole pipeline.

    Compared with the same recording undisturbed, with even weights in place of trust, and with an oracle that knows
    what is hurt and leaves it out.

    Examples:

      ebmc bench degradation --plot degradation.png --json degradation.json

      ebmc bench degradation --only "babble 5 dB" --only black --speed 2
    """
    with _benchmark("degradation", output, plot) as (_, bars, done):
        from stream.bench.degradation import Plan, degradation
        from stream.bench.disturbances import NAMES
        from stream.settings import load_settings

        if unknown := [name for name in only or () if name not in NAMES]:
            raise SettingsError(f"--only {unknown[0]}: there is no such disturbance; take one of {', '.join(NAMES)}")
        settings = load_settings(asr=asr, engine=engine)
        plan = Plan(media, before, during, after, settings, speed, tuple(babble or ()), tuple(only or ()), seed)
        done(degradation(plan, lambda ready, total, what: bars(ready, total, "disturbances")))


@bench_app.command("chaos")
def chaos_command(
    seconds: Annotated[float, typer.Option(min=5, help="Seconds, in real time.")] = 60.0,
    streams: Annotated[int, typer.Option(min=1, help="Streams at once.")] = 2,
    seed: Annotated[int, typer.Option(help="The same seed gives the same faults.")] = 1,
    fault: Annotated[list[str] | None, typer.Option(help="Fault of the sources; repeatable. Default: all.")] = None,
    media: MediaOption = None,
    asr: Asr = None,
    engine: EngineOption = None,
    output: JsonOption = None,
    plot: PlotOption = None,
) -> None:
    """Random faults on live streams; exit code 1 if a law is broken.

    The laws: each window once and in order, each event fits the schema, nothing hangs, memory is bounded, every drop
    is counted.

    Examples:

      ebmc bench chaos

      ebmc bench chaos --seconds 300 --streams 4 --seed 7 --plot chaos.png
    """
    with _benchmark("chaos", output, plot) as (_, bars, done):
        from stream.bench.chaos import ChaosPlan, chaos
        from stream.bench.faults import FaultKind
        from stream.settings import load_settings

        if unknown := [name for name in fault or () if name not in list(FaultKind)]:
            raise SettingsError(f"--fault {unknown[0]}: there is no such fault; take one of {', '.join(FaultKind)}")
        kinds = tuple(FaultKind(name) for name in fault or FaultKind)
        settings = load_settings(asr=asr, engine=engine)
        plan = ChaosPlan(tuple(media or ["clip"]), streams, seconds, seed, settings, kinds)
        done(chaos(plan, lambda reached: bars(round(reached), round(seconds), "seconds")))


@contextmanager
def _benchmark(
    name: str, output: Path | None, plot: Path | None
) -> Generator[tuple[Path, Bars, Callable[["Report"], None]]]:
    """A folder for copies of clips, bars, and what to call with the report; it ends the command."""
    with one_line_errors():
        from stream.bench.machine import machine_line
        from stream.bench.report import reserve, write_json

        if plot and plot.suffix not in {".png", ".svg", ".pdf"}:
            raise SettingsError(f"--plot {plot}: needs a picture file, for instance {name}.png (or .svg, .pdf)")
        for place in (output, plot):
            reserve(place)
        machine, found = machine_line(), list["Report"]()
        with tempfile.TemporaryDirectory(prefix="ebmc-bench-") as folder, Bars() as bars:
            yield Path(folder), bars, found.append
        for report in found:
            typer.echo(machine)
            for table in report.tables():
                typer.echo("\n".join(["", *table.lines()] if table.title else table.lines()).lstrip("\n"))
                typer.echo()
            if output:
                write_json(report, name, machine, output)
                say(f"wrote {output}")
            if plot:
                report.plot(plot)
                say(f"wrote {plot}")
            if report.interrupted:
                complain("interrupted; this is what was measured until then")
                raise typer.Exit(INTERRUPTED)
            if not report.good:
                raise typer.Exit(1)
