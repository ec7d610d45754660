"""`ebmc doctor`: what this machine has, and what it lacks."""

import json
from itertools import groupby
from typing import Annotated

import typer

from stream.cli.terminal import complain, one_line_errors, say

MARKS = {True: "ok", False: "MISSING", None: ""}
FORMAT = "ebmc.doctor/1"


def doctor_command(
    checkpoint: Annotated[str | None, typer.Option(help="Bundled model or a folder.", show_default="live-en")] = None,
    brokers: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Try to reach these brokers too, with EBMC_KAFKA_…; several with commas."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, to be pasted into an issue.")] = False,
) -> None:
    """Show what a stream finds on this machine: engines, models, libraries, devices, limits, settings.

    Engines are tried for real. It shows versions, hardware, devices, free room and the settings that are not the
    default; no name of this machine, of its user or of a host, no serial number and no secret. The exit code is 2
    when something is missing without which no stream can run.

    Examples:

      ebmc doctor

      ebmc doctor --json > doctor.json

      ebmc doctor --brokers localhost:9092
    """
    with one_line_errors():
        from stream.doctor import examine
        from stream.kafka.address import brokers_from
        from stream.settings import load_settings

        addresses = brokers_from(brokers) if brokers is not None else ()
        findings = list(examine(load_settings(checkpoint=checkpoint), addresses))
    lacking = [finding.name for finding in findings if finding.good is False]
    if as_json:
        lines = [{"section": one.section, "name": one.name, "told": one.told, "good": one.good} for one in findings]
        typer.echo(json.dumps({"format": FORMAT, "lacking": lacking, "findings": lines}, indent=1, ensure_ascii=False))
    else:
        for section, found in groupby(findings, key=lambda finding: finding.section):
            typer.echo(section)
            for line in found:
                typer.echo(f"  {MARKS[line.good]:<8}{line.name:<24}{line.told}")
    if lacking:
        complain(f"a stream lacks: {', '.join(lacking)}")
        raise typer.Exit(2)
    say("a stream can run here")
