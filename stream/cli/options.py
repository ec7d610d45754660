"""Options that several verbs have."""

from typing import Annotated

import typer

from ebmc_core.modality import Modality
from stream.logs import LogStyle

Engine = Annotated[str | None, typer.Option(help="auto, or one that `ebmc engine list` shows.", show_default="auto")]
Asr = Annotated[
    str | None,
    typer.Option(help="Speech recogniser: tiny.en, none, or a larger one: base, small.en, …", show_default="tiny.en"),
]
Faces = Annotated[
    str | None,
    typer.Option(
        help="Who finds faces: near (before a webcam); far (small or many, in a room); yunet (as far, fetched).",
        show_default="near",
    ),
]
Checkpoint = Annotated[str | None, typer.Option(help="Bundled model or a folder.", show_default="live-en")]
Without = Annotated[list[Modality] | None, typer.Option(help="Switch a modality off; may be repeated.")]
MetricsAddress = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="Serve /metrics (Prometheus), /health/live and /health/ready.")
]
Log = Annotated[LogStyle, typer.Option(help="Log lines for people or machines.")]
LogLevel = Annotated[str, typer.Option(help="debug, info, warning or error.")]
