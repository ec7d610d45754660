"""`ebmc doctor`: what this machine has, and what it lacks."""

from itertools import groupby
from typing import Annotated

import typer

from stream.cli.terminal import complain, one_line_errors, say

MARKS = {True: "ok", False: "MISSING", None: ""}


def doctor_command(
    checkpoint: Annotated[str | None, typer.Option(help="Bundled model or a folder.", show_default="live-en")] = None,
) -> None:
    """Show engines (and why one is skipped), models, libraries, devices, and where the packages come from."""
    with one_line_errors():
        from stream.doctor import examine
        from stream.settings import load_settings

        findings = list(examine(load_settings(checkpoint=checkpoint)))
    for section, lines in groupby(findings, key=lambda finding: finding.section):
        typer.echo(section)
        for line in lines:
            typer.echo(f"  {MARKS[line.good]:<8}{line.name:<24}{line.told}")
    lacking = [finding.name for finding in findings if finding.good is False]
    if lacking:
        complain(f"a stream lacks: {', '.join(lacking)}")
        raise typer.Exit(2)
    say("a stream can run here")
