"""`ebmc worker`: chunks of media on a Kafka topic into sentiment events on another."""

import os
import time
from typing import Annotated

import typer

from stream.cli.options import Asr, Checkpoint, Engine, Faces, Log, LogLevel, MetricsAddress, Without
from stream.cli.terminal import one_line_errors, say
from stream.errors import INTERRUPTED
from stream.logs import LogStyle, logging_to


def worker_command(
    brokers: Annotated[str, typer.Option(metavar="HOST:PORT", help="Any of the cluster's; several with commas.")],
    chunks: Annotated[str, typer.Option("--in", metavar="TOPIC", help="Topic that [b]ebmc ingest[/b] writes to.")],
    events: Annotated[str, typer.Option("--out", metavar="TOPIC", help="Topic for the events.")],
    group: Annotated[str, typer.Option(help="Workers of one group share the work.")] = "ebmc-workers",
    transactions: Annotated[
        bool,
        typer.Option(
            "--transactions",
            help="Write events and offsets in transactions: who reads only what is committed gets each event once.",
        ),
    ] = False,
    silence: Annotated[
        float, typer.Option(min=1.0, help="A stream that sent nothing for so long is over, seconds.")
    ] = 30.0,
    engine: Engine = None,
    asr: Asr = None,
    faces: Faces = None,
    checkpoint: Checkpoint = None,
    without: Without = None,
    stats: Annotated[bool, typer.Option("--stats", help="Say at the end what was done.")] = False,
    metrics: MetricsAddress = None,
    log: Log = LogStyle.TEXT,
    log_level: LogLevel = "warning",
) -> None:
    """Turn chunks of media into sentiment events, together with the other workers of the group.

    Start as many as there are partitions, and start or stop them when you like: another one goes on where one stopped.
    Every event comes at least once; drop repeats by its id. What cannot be read goes to TOPIC.dlq (see `ebmc dlq`).

    Examples:

      ebmc worker --brokers localhost:9092 --in media --out sentiment

      ebmc worker --brokers localhost:9092 --in media --out sentiment --transactions --metrics 127.0.0.1:9464
    """
    begin = time.monotonic()
    with one_line_errors(), logging_to(log, log_level):
        from stream.health import address_from
        from stream.kafka.address import brokers_from, topic_from
        from stream.kafka.library import require
        from stream.runner import Options
        from stream.settings import load_settings

        require()
        from stream.chunks.shift import Duty
        from stream.chunks.worker import run_worker

        address = address_from(metrics) if metrics is not None else None
        settings = load_settings(engine=engine, asr=asr, faces=faces, checkpoint=checkpoint)
        duty = Duty(brokers_from(brokers), topic_from(chunks), topic_from(events), group, transactions, silence)
        options = Options(without=frozenset(without or ()), metrics=address, begin=begin)
        counts = run_worker(duty, settings, options, say)
    if stats:
        say(
            f"worker {os.getpid()}: {counts.chunks} chunks, {counts.windows} windows, "
            f"{counts.letters.total()} dead letters, {counts.repeats} repeats, {counts.taken_over} streams taken over"
        )
    raise typer.Exit(INTERRUPTED)
