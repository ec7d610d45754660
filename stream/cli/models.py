"""`ebmc models`: the weights that a stream needs, where they come from and whether they are here."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from stream.cli.terminal import one_line_errors, say

models_app = typer.Typer(help="Model weights: what there is, what is here, fetch and check.", no_args_is_help=True)


@models_app.command("list")
def list_command() -> None:
    """Every entry of the registry, and whether it is in the cache."""
    with one_line_errors():
        from stream.settings import load_settings
        from stream.weights import WEIGHTS, cache_folder, installed

        cache = load_settings().cache
        table = Table("name", "here", "size", "licence", "from")
        for entry in WEIGHTS.values():
            here = "yes" if installed(entry, cache) else "no"
            table.add_row(entry.name, here, f"{entry.size / 1e6:.1f} MB", entry.licence, str(entry.sources[0]))
        Console().print(table)
        say(f"cache: {cache_folder(cache)} (EBMC_CACHE names another folder)")


@models_app.command("pull")
def pull_command(
    names: Annotated[list[str] | None, typer.Argument(help="Entries to fetch; all of them by default.")] = None,
) -> None:
    """Fetch what is not in the cache yet, and check every file against its sha256."""
    with one_line_errors():
        from stream.settings import load_settings
        from stream.weights import WEIGHTS, fetch

        for name in names or WEIGHTS:
            say(f"{name}: {fetch(name, load_settings().cache, say)}")
