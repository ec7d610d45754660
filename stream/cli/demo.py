"""`ebmc demo`: the page."""

import os
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from stream.cli.options import Asr, Checkpoint, Engine, Faces, Log, LogLevel
from stream.cli.terminal import one_line_errors, say
from stream.errors import SettingsError
from stream.logs import LogStyle, logging_to


def demo_command(
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 0 takes a free one.", show_default="8000")
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(
            help="Address to listen on. Others than this machine need the token that is printed then.",
            show_default="127.0.0.1",
        ),
    ] = None,
    clip: Annotated[
        bool, typer.Option("--clip", help="Open the page with the bundled clip, and play it once here too, for --sink.")
    ] = False,
    sink: Annotated[
        list[str] | None,
        typer.Option(help="With --clip: where its events go, as for `ebmc run`; repeatable."),
    ] = None,
    leave: Annotated[
        bool | None,
        typer.Option(
            "--leave/--stay",
            help="End when the clip does. Default: where CI is set, or nobody is at a terminal.",
            show_default=False,
        ),
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser, where there is one.")] = True,
    certificate: Annotated[Path | None, typer.Option(help="Certificate chain (PEM): serve HTTPS.")] = None,
    key: Annotated[Path | None, typer.Option(help="Key of the certificate, if it is in another file.")] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Serve /metrics and /health here too, without the token: for Prometheus, on a network you trust.",
        ),
    ] = None,
    engine: Engine = None,
    asr: Asr = None,
    faces: Faces = None,
    checkpoint: Checkpoint = None,
    log: Log = LogStyle.TEXT,
    log_level: LogLevel = "warning",
) -> None:
    """Serve the page: your camera and microphone, or the bundled clip, and what the model makes of them.

    Nothing is stored, and nothing leaves this machine. Programs can use it too: `GET /v1/events`, `WS /v1/stream`;
    /openapi.json and /asyncapi.json describe them.

    Examples:

      ebmc demo

      ebmc demo --clip --sink jsonl:events.jsonl

      ebmc demo --host 0.0.0.0 --certificate cert.pem --key key.pem
    """
    with one_line_errors(), logging_to(log, log_level):
        if sink and not clip:
            raise SettingsError("--sink takes the events of the clip: add --clip, or read /v1/events")
        try:
            from stream.server.serving import Demo, serve
        except ModuleNotFoundError as error:
            raise SettingsError(f"the page needs {error.name}; run: pip install 'ebmc-stream[web]'") from None
        from stream.health import address_from
        from stream.settings import load_settings
        from stream.sinks.sink import sink_from

        settings = load_settings(engine=engine, asr=asr, faces=faces, checkpoint=checkpoint)
        flags = {"port": port, "host": host, "certificate": certificate, "key": key}
        given = {name: value for name, value in flags.items() if value is not None}
        server = type(settings.server).model_validate(settings.server.model_dump() | given)
        settings = settings.model_copy(update={"server": server})
        alone = bool(os.environ.get("CI")) or not sys.stdout.isatty()

        def opened(address: str) -> None:
            shown = address + ("&" if "?" in address else "?") + "source=clip" if clip else address
            say(f"the page is at {shown}" + ("" if alone and clip else " (Ctrl-C ends)"))
            if browser and not alone and _has_screen():
                webbrowser.open(shown)

        ends = clip and (alone if leave is None else leave)
        sinks = [sink_from(uri) for uri in sink or ()] if clip and (sink or ends) else None
        code = serve(settings, Demo(sinks, ends, opened, address_from(metrics) if metrics is not None else None), say)
    for kind, _, path in (uri.partition(":") for uri in sink or ()):
        if kind in ("jsonl", "timeline") and Path(path).is_file():
            say(f"wrote    {path}")
    raise typer.Exit(code)


def _has_screen() -> bool:
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
