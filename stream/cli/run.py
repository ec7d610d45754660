"""`ebmc run`: media into sentiment events."""

import sys
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from stream.cli.options import Asr, Checkpoint, Engine, Faces, Log, LogLevel, MetricsAddress, Without
from stream.cli.terminal import beside, complain, one_line_errors, say
from stream.errors import SettingsError
from stream.logs import LogStyle, logging_to

BEGIN = time.monotonic()  # this module is imported first, so that the time to load includes every import after it
FILES = ("jsonl", "timeline")  # sinks that leave a file to look at


def run_command(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Media files, [b]clip[/b] (the bundled one), [b]webcam:0[/b], [b]mic:default[/b], "
            "[b]webcam:0+mic:default[/b] (one stream), [b]rtsp://…[/b], [b]https://…[/b], [b]udp://…[/b], "
            "[b]-[/b] (standard input), [b]replay:FOLDER[/b].",
            show_default=False,
        ),
    ],
    sink: Annotated[
        list[str] | None,
        typer.Option(
            help="Where events go; repeatable: [b]table[/b], [b]jsonl:PATH[/b] ([b]jsonl:-[/b] is standard output), "
            "[b]timeline:PATH.png[/b], [b]kafka://HOST:PORT/TOPIC[/b]. Default: a table on a terminal, JSON lines when "
            "piped.",
        ),
    ] = None,
    realtime: Annotated[
        bool, typer.Option("--realtime/--fast", help="Pace by the timestamps, or run as fast as it can.")
    ] = False,
    engine: Engine = None,
    asr: Asr = None,
    faces: Faces = None,
    window: Annotated[float | None, typer.Option(help="Window length, seconds.", show_default="4")] = None,
    hop: Annotated[float | None, typer.Option(help="Time between windows, seconds.", show_default="0.5")] = None,
    checkpoint: Checkpoint = None,
    without: Without = None,
    stats: Annotated[
        bool, typer.Option("--stats", help="Print what the run cost: time, memory, workers, delay per stage, drops.")
    ] = False,
    record: Annotated[
        Path | None,
        typer.Option(
            help="Keep what a live source sends, in an empty folder; replay it with [b]replay:FOLDER/NAME[/b]."
        ),
    ] = None,
    metrics: MetricsAddress = None,
    log: Log = LogStyle.TEXT,
    log_level: LogLevel = "warning",
) -> None:
    """Turn media into sentiment events, one per window.

    A live source that is lost is opened again; until it is back, events say that it is missing.

    Examples:

      ebmc run talk.mp4

      ebmc run talk.mp4 --sink jsonl:events.jsonl --sink timeline:talk.png --stats

      ebmc run clip --realtime

      ebmc run webcam:0+mic:default

      ebmc run rtsp://camera.local/stream --sink jsonl:events.jsonl --metrics 127.0.0.1:9464
    """
    with one_line_errors(), logging_to(log, log_level):
        from stream.health import address_from
        from stream.settings import load_settings
        from stream.sinks.progress import ProgressSink
        from stream.sinks.sink import Sink, sink_from
        from stream.sources.source import source_from

        address = address_from(metrics) if metrics is not None else None
        settings = load_settings(window=window, hop=hop, engine=engine, asr=asr, faces=faces, checkpoint=checkpoint)
        opened = [source_from(uri, settings) for uri in sources]
        for name, count in Counter(source.name for source in opened).items():
            same = [source for source in opened if source.name == name] if count > 1 else []
            for number, source in enumerate(same, start=1):  # a stream id must be one stream's alone
                source.name = f"{name}-{number}"
        uris = sink or ["table" if sys.stdout.isatty() else "jsonl:-"]
        sinks: list[Sink] = [sink_from(uri) for uri in uris]
        if beside.is_terminal and "table" not in uris:
            sinks.append(ProgressSink(beside))

        from stream.runner import Options, run_sources

        if record and not (realtime or any(source.live for source in opened)):
            raise SettingsError("--record keeps what a live source sends; a file is its own recording")
        options = Options(realtime, frozenset(without or ()), record, address, BEGIN)
        outcome = run_sources(opened, sinks, settings, options, say)
    for kind, _, path in (uri.partition(":") for uri in sink or ()):
        if Path(path).is_file() and kind in FILES:
            say(f"wrote    {path}")
    for line in outcome.broken:
        complain(line)
    if stats:
        for line in outcome.stats.lines():
            say(line)
    raise typer.Exit(outcome.exit_code)
