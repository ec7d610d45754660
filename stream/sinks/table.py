"""A live table in the terminal: time, transcript, score as a bar, trust of the modalities."""

from collections import deque
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ebmc_core.modality import MODALITIES, Modality
from stream.event import SentimentEvent
from stream.records import State

ROWS = 14  # windows kept in sight
BAR = 7  # cells on each side of zero
TRUST = 12  # cells of the trust bar
FIXED = 63  # columns that the bars and borders take
WIDE = 110  # columns from which there is room for what is not ok
HEADINGS = ("time", "heard", "-   score   +", "trust")
TONES = {Modality.TEXT: "cyan", Modality.AUDIO: "magenta", Modality.VIDEO: "yellow"}
LABELS = {"negative": "red", "neutral": "white", "positive": "green", "unknown": "bright_black"}


class TableSink:
    """`table`: on a terminal the table moves, elsewhere each window is printed once as a line."""

    def __init__(self, _: str = "") -> None:
        self._console = Console()
        self._live: Live | None = None
        self._events: deque[SentimentEvent] = deque(maxlen=ROWS)

    async def __aenter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=8)
            self._live.start()
        else:
            self._console.print(f"{HEADINGS[0]:>7}  {HEADINGS[2]:^22}  {'text audio video':<18}  {HEADINGS[1]}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    async def send(self, event: SentimentEvent) -> None:
        """Show one more window."""
        if self._live:
            self._events.append(event)
            self._live.update(self._table())
        else:
            shares = "  ".join(f"{event.trust[modality]:.2f}" for modality in MODALITIES)
            line = Text.assemble(
                f"{event.window.end:6.1f}s  ", score_bar(event), f"  {shares}    ", event.transcript.text[-48:]
            )
            self._console.print(line, soft_wrap=True)

    def _table(self) -> Table:
        wide = self._console.width >= WIDE
        room = max(8, (self._console.width - FIXED) // (2 if wide else 1) - 3)  # the newest words are the ones to see
        table = Table(expand=True, border_style="bright_black", header_style="bold")
        table.add_column(HEADINGS[0], justify="right", no_wrap=True)
        table.add_column(HEADINGS[1], ratio=1, no_wrap=True, overflow="ellipsis")
        table.add_column(HEADINGS[2], justify="center", no_wrap=True)
        table.add_column(Text.assemble("trust  ", *((f"{m} ", TONES[m]) for m in MODALITIES)), no_wrap=True)
        if wide:
            table.add_column("not ok", no_wrap=True, ratio=1, overflow="ellipsis")
        for event in self._events:
            said = Text(event.transcript.text[-room:], style="" if event.transcript.final else "dim")
            rest = [complaints(event)] if wide else []
            table.add_row(f"{event.window.end:.1f} s", said, score_bar(event), trust_bar(event), *rest)
        return table


def score_bar(event: SentimentEvent) -> Text:
    """The score as a bar from the middle, red to the left, green to the right."""
    score, tone = event.sentiment.score, LABELS[event.sentiment.label]
    if score is None:
        return Text("·" * BAR + "│" + "·" * BAR + "    ?  ", style=tone)
    cells = round(abs(score) * BAR)
    left = ("█" * cells).rjust(BAR) if score < 0 else " " * BAR
    right = ("█" * cells).ljust(BAR) if score > 0 else " " * BAR
    return Text.assemble((left, "red"), ("│", "bright_black"), (right, "green"), (f" {score:+.2f} ", tone))


def trust_bar(event: SentimentEvent) -> Text:
    """The trust of the modalities as one bar, cut into their shares."""
    bar, used, total = Text(), 0, 0.0
    for modality in MODALITIES:
        total += event.trust[modality]
        cells = round(total * TRUST) - used
        bar.append("█" * cells, TONES[modality])
        used += cells
    shares = " ".join(f"{event.trust[m] * 100:3.0f}" for m in MODALITIES)
    return bar.append(" " * (TRUST - used)).append(f" {shares}", "bright_black")


def complaints(event: SentimentEvent) -> Text:
    """What is not ok, in words."""
    parts: list[str | tuple[str, str]] = []
    for modality, report in event.modalities.items():
        if report.state is not State.OK:
            parts += [(f"{modality} ", TONES[modality]), f"{report.reason or report.state} "]
    return Text.assemble(*parts, style="dim")
