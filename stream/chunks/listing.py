"""Dead letters as a person or a program reads them."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Self

from rich.table import Table
from rich.text import Text

from stream.chunks.choice import stream_of
from stream.chunks.dead_topic import Entry
from stream.chunks.letters import RUN, number, shown

NO_LETTER = "not a dead letter"
LONGEST_RUN = 200
IN_A_CELL = 160  # letters of the explanation; JSON has all of it


@dataclass(frozen=True, slots=True)
class Row:
    """What is told of a record. letter: whether it is one; if not, only what follows from the record is known.

    partition, offset: on the dead letter topic. start, end: event time, seconds. size: bytes of the value.
    moment: when it was given up, else the record's timestamp; Unix time, seconds. topic, from_partition, from_offset:
    where it was before.
    """

    letter: bool
    partition: int
    offset: int
    stream: str
    run: str
    start: float | None
    end: float | None
    cause: str | None
    words: str
    attempt: int | None
    size: int
    moment: float
    topic: str | None
    from_partition: int | None
    from_offset: int | None

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """The row of a record."""
        headers, letter = dict(entry.headers), entry.letter
        return cls(
            letter is not None,
            entry.partition,
            entry.offset,
            stream_of(entry),
            shown(headers.get(RUN), LONGEST_RUN),
            number(headers.get("ebmc_start")),
            number(headers.get("ebmc_end")),
            letter.cause if letter else None,
            letter.words if letter else NO_LETTER,
            letter.attempt if letter else None,
            entry.size,
            letter.moment if letter else entry.moment,
            letter.topic if letter else None,
            letter.partition if letter else None,
            letter.offset if letter else None,
        )

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def table_of(rows: Iterable[Row]) -> Table:
    """A table; the place is written as `--offset` takes it."""
    table = Table("place", "stream, run", "seconds", "cause", "tries", "bytes", "given up", show_lines=True)
    for row in rows:
        words = row.words if len(row.words) <= IN_A_CELL else row.words[: IN_A_CELL - 1] + "…"
        known = f"{row.topic} {row.from_partition}:{row.from_offset}" if row.letter else "-"
        table.add_row(
            f"{row.partition}:{row.offset}",
            _two_lines(row.stream or "-", row.run),
            f"{_seconds(row.start)}-{_seconds(row.end)}",
            _two_lines(row.cause or "-", words),
            "-" if row.attempt is None else str(row.attempt),
            f"{row.size:,}",
            _two_lines(_moment(row.moment), known),
        )
    return table


def _two_lines(first: str, second: str) -> Text:
    # Text, so that nothing in it is taken for markup
    return Text(first, overflow="fold").append(f"\n{second}" if second else "", "dim")


def _seconds(moment: float | None) -> str:
    return "?" if moment is None else f"{moment:.6g}"


def _moment(moment: float) -> str:
    try:
        return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):  # a number, but no time
        return f"{moment:.6g}"
