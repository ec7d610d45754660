"""How the command speaks: output on standard output, everything else in single lines beside it."""

from collections.abc import Generator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ebmc_core.errors import EbmcError
from stream.errors import INTERRUPTED
from stream.printable import printable

beside = Console(stderr=True, soft_wrap=True)


def say(line: str) -> None:
    """One line for the person, beside the output."""
    beside.print(f"[dim]{escape(printable(line))}[/dim]", highlight=False)


def complain(line: str) -> None:
    """One line that says what is wrong and how to mend it."""
    beside.print(f"[red]ebmc:[/red] {escape(printable(line))}", highlight=False)


@contextmanager
def one_line_errors() -> Generator[None]:
    """An error of ours becomes one line and its exit code."""
    try:
        yield
    except EbmcError as error:
        complain(str(error))
        raise typer.Exit(error.exit_code) from error
    except KeyboardInterrupt:
        complain("interrupted")
        raise typer.Exit(INTERRUPTED) from None


class Bars:
    """Progress of long work: a bar for each part, called as `bars(done, total, what)`."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=beside)
        self._tasks: dict[str, int] = {}

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, done: int, total: int, what: str) -> None:
        if what not in self._tasks:
            self._tasks[what] = int(self._progress.add_task(what, total=total))
        self._progress.update(self._progress.task_ids[self._tasks[what]], completed=done, total=total)
