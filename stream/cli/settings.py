"""`ebmc settings`: what is set, by what, and what could be."""

from typing import Annotated

import typer

from stream.cli.terminal import complain, one_line_errors

HEAD = """# Settings

Made by `ebmc settings --markdown` from the code; do not edit it here. `ebmc settings` shows what is in force where you
are, and by what.

In rising order: the default, `ebmc.toml` in the current folder, an environment variable, a flag of the command
(`--window`, `--hop`, `--engine`, `--checkpoint`, `--asr`, `--faces`; of `ebmc demo` also `--host`, `--port`,
`--certificate`, `--key`). A value that cannot be, and a name that is unknown below `KAFKA` and `SERVER` or in
`ebmc.toml`, is one line and exit code 2. Another variable whose name is misspelt is passed over; `ebmc settings` finds
it, and says what may be meant.

A **secret** is shown nowhere; each has a setting that names a file in its place, which is better. `~/.cache` and
`~/.local/state` are as on Linux (`XDG_CACHE_HOME`, `XDG_STATE_HOME`); other systems have folders of their own for it.
"""
SECTIONS = {
    "": ("The stream", ""),
    "kafka": ("Kafka", "Keys are below `[kafka]` in `ebmc.toml`. More: [Kafka](kafka.md), [workers](workers.md)."),
    "server": ("The page", "Keys are below `[server]` in `ebmc.toml`. More: [the page](page.md)."),
}


def settings_command(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the reference page, docs/settings.md.")] = False,
    changed: Annotated[bool, typer.Option("--changed", help="Leave out what is as it is by default.")] = False,
) -> None:
    """Show every setting, its value here, and where that is from: a default, ebmc.toml, or a variable.

    Secrets are not shown. A variable that begins with EBMC_ and is no setting is reported (exit code 2).

    Examples:

      ebmc settings --changed

      EBMC_KAFKA_TLS=true ebmc settings | grep kafka
    """
    if markdown:
        typer.echo(page(), nl=False)
        return
    with one_line_errors():
        from stream.settings import load_settings
        from stream.settings_reference import in_force, unknown

        strange = list(unknown())
        for line in strange:
            complain(line)
        if strange:
            raise typer.Exit(2)
        force = list(in_force(load_settings()))
    rows = [each for each in force if not (changed and each.origin == "default")]
    wide = max((len(each.entry.key) for each in rows), default=0)
    for each in rows:
        typer.echo(f"{each.entry.key:<{wide}}  {each.value or '-':<30}  {each.origin}")


def page() -> str:
    """The reference of all settings, in Markdown."""
    from stream.settings_reference import entries

    parts = [HEAD]
    for group, (title, note) in SECTIONS.items():
        rows = ["| variable | key | takes | default | |", "|---|---|---|---|---|"]
        for each in (each for each in entries() if each.group == group):
            default = f"`{each.default}`" if each.default else ""
            cells = f"`{each.variable}`", f"`{each.name}`", each.takes, default, each.about
            rows.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
        parts.append("\n".join(filter(None, (f"## {title}", note and f"{note}\n", *rows))) + "\n")
    return "\n".join(parts)
