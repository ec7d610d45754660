"""What every benchmark hands back: tables for the terminal, everything as JSON, and a plot."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any, Protocol

from stream.sinks.sink import placing


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under a heading. note: what must be known to read it."""

    title: str
    heading: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def lines(self) -> list[str]:
        """The table as text: the first column to the left, figures to the right."""
        cells = [self.heading, *self.rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        drawn = [
            "  ".join(
                [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
            ).rstrip()
            for row in cells
        ]
        return [self.title, drawn[0], "-" * max(map(len, drawn)), *drawn[1:], *([self.note] if self.note else [])]


class Report(Protocol):
    """The outcome of a benchmark. good: whether what it must hold does hold. interrupted: it was cut short."""

    @property
    def good(self) -> bool: ...
    @property
    def interrupted(self) -> bool: ...

    def tables(self) -> Sequence[Table]:
        """For the terminal."""
        ...

    def plot(self, path: Path) -> None:
        """Draw it into a file (png, svg or pdf)."""
        ...


def reserve(path: Path | None) -> None:
    """Make the file now, so that a place that cannot be written is known before the run. Raises `SinkError`."""
    if path:
        with placing(str(path)) as place:
            place.touch()


def write_json(report: Report, name: str, machine: str, path: Path) -> None:
    """Everything that the report holds."""
    content = {"benchmark": name, "machine": machine, **plain(report)}
    with placing(str(path)) as place:
        place.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def plain(report: object) -> dict[str, Any]:
    """A record as JSON knows it."""
    if not is_dataclass(report) or isinstance(report, type):
        raise TypeError(f"{report!r} is not a record")
    return _plain(asdict(report))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return round(value, 4)
    return str(value) if isinstance(value, Path) else value
