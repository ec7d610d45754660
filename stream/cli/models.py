"""`ebmc models`: the weights that a stream needs, where they come from, whether they are here and whole."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from stream.cli.terminal import Bars, complain, one_line_errors, say

if TYPE_CHECKING:
    from stream.checksum import Progress
    from stream.weights import WeightEntry

models_app = typer.Typer(
    help="Model weights: what there is, what is here; fetch, check, carry to machines without a network.",
    no_args_is_help=True,
)

Names = Annotated[list[str] | None, typer.Argument(help="Entries; those that every stream needs by default.")]
All = Annotated[bool, typer.Option("--all", help="The optional entries too.")]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="FOLDER|URL",
        help="A mirror that holds NAME/FILE, asked first; EBMC_MODELS_MIRROR names one for good.",
        show_default=False,
    ),
]
COLOURS = {"here": "green", "missing": "dim", "damaged": "red", "outdated": "yellow"}


@models_app.command("list")
def list_command(
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects instead of a table.")] = False,
) -> None:
    """Every entry of the registry, and whether it is in the cache."""
    with one_line_errors():
        from stream.settings import load_settings
        from stream.weights import WEIGHTS, cache_folder, state_of

        cache = load_settings().cache
        if as_json:
            typer.echo(json.dumps([_described(entry, cache) for entry in WEIGHTS.values()], indent=1))
            return
        fixed = [Column(name, no_wrap=True) for name in ("name", "here", "wanted", "MB")]
        table = Table(*fixed, "licence", Column("from", overflow="fold"))
        for entry in WEIGHTS.values():
            state, detail = state_of(entry, cache)
            here = f"[{COLOURS[state]}]{state}[/{COLOURS[state]}]" + (f"\n[dim]{escape(detail)}[/dim]" * bool(detail))
            wanted = "optional" if entry.optional else "default"
            first = escape(str(entry.sources[0]))
            table.add_row(entry.name, here, wanted, f"{entry.size / 1e6:.1f}", entry.licence, first)
        Console().print(table)
        say(f"cache: {cache_folder(cache)} (EBMC_CACHE names another folder)")


@models_app.command("pull")
def pull_command(
    names: Names = None,
    every: All = False,
    again: Annotated[
        bool, typer.Option("--again", help="Read what is here too, fetch what is wrong in it, convert anew.")
    ] = False,
    mirror: From = None,
) -> None:
    """Fetch what is not in the cache yet, and check every file against its sha256.

    A download that was cut short goes on where it stopped.

    \b
      ebmc models pull                        # what every stream needs, 173 MB
      ebmc models pull whisper-base           # then: ebmc run talk.mp4 --asr base
      ebmc models pull --from /media/stick    # from a folder that `ebmc models export` filled
    """
    with one_line_errors(), Bars() as bars:
        from stream.errors import WeightsError
        from stream.settings import load_settings
        from stream.weights import fetch

        settings, failed = load_settings(), False
        _demand_folder(mirror)
        for entry in _chosen(names, every):
            asked, shown = mirror or settings.models_mirror, _bar(bars, entry)
            try:
                path = fetch(entry, settings.cache, say, mirror=asked, progress=shown, again=again)
                say(f"{entry.name}: {path}")
            except WeightsError as error:  # the next one may be had
                complain(str(error))
                failed = True
    if failed:
        raise typer.Exit(2)


@models_app.command("verify")
def verify_command(
    names: Annotated[list[str] | None, typer.Argument(help="Entries; all that are in the cache by default.")] = None,
) -> None:
    """Read every byte of what is in the cache against its checksums; exit code 2 when something is wrong."""
    with one_line_errors(), Bars() as bars:
        from stream.settings import load_settings
        from stream.weights import WEIGHTS, State, cache_folder, find_entry, state_of
        from stream.weights.verifying import verify

        cache, wrong = load_settings().cache, False
        chosen = [find_entry(name) for name in names or ()]
        chosen = chosen or [each for each in WEIGHTS.values() if state_of(each, cache)[0] is not State.MISSING]
        if not chosen:
            say(f"no weights are in {cache_folder(cache)}")
        for entry in chosen:
            found = verify(entry, cache, _bar(bars, entry))
            if found.state is State.HERE:
                typer.echo(f"{entry.name}: whole ({found.files} files, {found.bytes / 1e6:.1f} MB)")
                if found.unrecorded:
                    say(f"only the length is known of {', '.join(found.unrecorded)}: an older version made it")
                continue
            wrong = True
            mend = "ebmc models pull" + " --again" * (found.state is not State.MISSING)
            detail = f" ({found.detail})" if found.detail else ""
            complain(f"{entry.name} is {found.state}{detail}: {mend} {entry.name}")
    if wrong:
        raise typer.Exit(2)


@models_app.command("export")
def export_command(
    folder: Annotated[Path, typer.Argument(help="Where to; a stick, a web server's folder.")],
    names: Names = None,
    every: All = False,
) -> None:
    """Copy weights into a folder from which machines without a network can pull them.

    What is not in the cache is fetched first.

    \b
      ebmc models export /media/stick              # here
      ebmc models pull --from /media/stick         # there, or EBMC_MODELS_MIRROR=/media/stick
    """
    with one_line_errors():
        from stream.settings import load_settings
        from stream.weights import fetch
        from stream.weights.exporting import export

        settings = load_settings()
        for entry in _chosen(names, every):
            fetch(entry, settings.cache, say, mirror=settings.models_mirror)
            say(f"{entry.name}: {export(entry, folder, settings.cache)}")


def _chosen(names: list[str] | None, every: bool) -> Iterable["WeightEntry"]:
    from stream.weights import DEFAULTS, WEIGHTS, find_entry

    return [find_entry(name) for name in names or (WEIGHTS if every else DEFAULTS)]


def _bar(bars: Bars, entry: "WeightEntry") -> "Progress":
    return lambda done, total: bars(done // 1000, total // 1000, f"kB of {entry.name}")


def _demand_folder(mirror: str | None) -> None:
    """A folder that a person has just typed is there, or they are told so."""
    from stream.errors import WeightsError

    if mirror and not mirror.startswith(("http://", "https://")) and not Path(mirror).expanduser().is_dir():
        raise WeightsError(f"--from {mirror}: there is no such folder, and it is no http(s) address")


def _described(entry: "WeightEntry", cache: Path) -> dict[str, object]:
    from stream.weights import state_of
    from stream.weights.cache import entry_folder

    state, detail = state_of(entry, cache)
    return {
        "name": entry.name,
        "state": state.value,
        "detail": detail,
        "optional": entry.optional,
        "licence": entry.licence,
        "bytes": entry.size,
        "sha256": dict(entry.files),
        "from": [str(source) for source in entry.sources],
        "folder": str(entry_folder(entry, cache)),
    }
