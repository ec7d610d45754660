"""The command `ebmc`. Heavy libraries are imported inside the verbs, so that `--help` is quick."""

import logging
import os
import sys
import threading
from contextlib import suppress
from importlib.metadata import version
from typing import Annotated

import typer

from stream.cli.bench import bench_app
from stream.cli.data import data_app
from stream.cli.demo import demo_command
from stream.cli.dlq import dlq_app
from stream.cli.doctor import doctor_command
from stream.cli.engine import engine_app
from stream.cli.evaluation import evaluate_command
from stream.cli.ingest import ingest_command
from stream.cli.models import models_app
from stream.cli.run import run_command
from stream.cli.settings import settings_command
from stream.cli.training import train_command
from stream.cli.worker import worker_command
from stream.heap import keep_small, keep_together

LOGGING = ("run", "demo", "worker", "ingest")  # verbs that may run for weeks; they have options for what they log
READING = ("read-", "decode-")  # names of threads that read sources

app = typer.Typer(
    name="ebmc",
    help="Real-time multimodal sentiment: speech, text and face fused by EBMC, with the trust each modality had.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("run")(run_command)
app.command("demo")(demo_command)
app.command("ingest")(ingest_command)
app.command("worker")(worker_command)
app.command("doctor")(doctor_command)
app.command("settings")(settings_command)
app.command("train")(train_command)
app.command("evaluate")(evaluate_command)
app.add_typer(bench_app, name="bench")
app.add_typer(data_app, name="data")
app.add_typer(dlq_app, name="dlq")
app.add_typer(engine_app, name="engine")
app.add_typer(models_app, name="models")


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context, show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    """Options that belong to no verb."""
    if context.invoked_subcommand in LOGGING:
        keep_small()
    else:
        logging.basicConfig(format="%(name)s: %(message)s", level=logging.WARNING)
    if show:
        typer.echo(f"ebmc-stream {version('ebmc-stream')}")
        raise typer.Exit


def main() -> None:
    """Entry point of the console command."""
    # the C++ libraries below write their own chatter over the table, and their thread pools fight for the cores
    os.environ.setdefault("GLOG_minloglevel", "3")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    keep_together()
    try:
        app()
    except SystemExit as end:
        _leave(end.code)
        raise


def _leave(code: object) -> None:
    """Threads that hang in a read are left behind. Python takes itself down under them at its end, and they crash.

    So where there are any, the process ends here, with everything closed and written.
    """
    if any(thread.daemon and thread.name.startswith(READING) for thread in threading.enumerate()):
        for out in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                out.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))
