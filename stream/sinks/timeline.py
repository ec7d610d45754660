"""A picture of a whole run: score with its interval, trust as stacked bands, the words on the time axis."""

from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from ebmc_core.modality import MODALITIES, Modality
from stream.errors import SinkError
from stream.event import SentimentEvent
from stream.records import State, Word
from stream.sinks.sink import placing

INK, MUTED, GRID = "#1f2933", "#7b8794", "#e4e7eb"
TONES = {Modality.TEXT: "#2f7ed8", Modality.AUDIO: "#b0479f", Modality.VIDEO: "#e0952b"}
GOOD, BAD, FLAT = "#2f9e62", "#cf3f3f", "#9aa5b1"
SHADES = {State.OK: 1.0, State.DEGRADED: 0.45, State.STALE: 0.3, State.MISSING: 0.0}
LEVELS = 5  # rows that the words are spread over, so that they do not overlap


class TimelineSink:
    """`timeline:PATH` (png, svg or pdf): one picture of the run, drawn when it ends; a set of panels per stream."""

    def __init__(self, path: str) -> None:
        if Path(path).suffix not in {".png", ".svg", ".pdf"}:
            raise SinkError(
                "the sink timeline: needs a picture file, for instance timeline:timeline.png (or .svg, .pdf)"
            )
        self._path = Path(path)
        self._streams: dict[str, list[SentimentEvent]] = defaultdict(list)

    async def __aenter__(self) -> Self:
        with placing(str(self._path)) as place:
            place.write_bytes(b"")  # so that a place that cannot be written is known before the run, not after it
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._streams:
            self._path.unlink(missing_ok=True)
            return
        with placing(str(self._path)) as place:
            draw(self._streams, place)

    async def send(self, event: SentimentEvent) -> None:
        """Remember one window."""
        self._streams[event.window.stream].append(event)


def draw(streams: dict[str, list[SentimentEvent]], path: Path) -> None:
    """Draw the events of each stream into one picture."""
    from matplotlib.figure import Figure  # half a second to import: only when a picture is wanted

    figure = Figure(figsize=(13, 6.6 * len(streams)), dpi=110, layout="constrained", facecolor="white")
    parts = figure.subfigures(len(streams), 1, squeeze=False)[:, 0]
    for part, (name, events) in zip(parts, streams.items(), strict=True):
        score, trust, states, words = part.subplots(4, 1, sharex=True, height_ratios=[3.2, 2.2, 0.8, 1.5])
        part.suptitle(f"{name}: sentiment and the trust that made it", color=INK, fontsize=13, x=0.02, ha="left")
        _draw_score(score, events)
        _draw_trust(trust, events)
        _draw_states(states, events)
        _draw_words(words, events)
        begin = min(0.0, events[0].window.start)
        for axes in (score, trust, states, words):
            axes.set_xlim(begin, events[-1].window.end)
            axes.spines[["top", "right"]].set_visible(False)
            axes.spines[["left", "bottom"]].set_color(GRID)
            axes.tick_params(colors=MUTED, labelsize=9)
        words.set_xlabel("event time, seconds (a window is drawn at its end, when it becomes known)", color=MUTED)
    figure.savefig(path)


def _hop(events: list[SentimentEvent]) -> float:
    return min((b.window.end - a.window.end for a, b in pairwise(events)), default=0.5)


def _drawn(events: list[SentimentEvent], value: Callable[[SentimentEvent], Any]) -> tuple[np.ndarray, np.ndarray]:
    """Times and values to draw: each window at its end, and the first one from a hop before, so that it has a width."""
    times = [events[0].window.end - _hop(events), *(event.window.end for event in events)]
    return np.array(times), np.array([value(events[0]), *map(value, events)], float)


def _draw_score(axes: Any, events: list[SentimentEvent]) -> None:
    ends, score = _drawn(events, lambda event: event.sentiment.score)
    _, bounds = _drawn(events, lambda event: event.sentiment.interval or (None, None))
    axes.axhspan(0, 1.05, color=GOOD, alpha=0.05, lw=0)
    axes.axhspan(-1.05, 0, color=BAD, alpha=0.05, lw=0)
    axes.axhline(0, color=FLAT, lw=0.8)
    axes.fill_between(ends, bounds[:, 0], bounds[:, 1], color=INK, alpha=0.12, lw=0, label="90 % interval")
    axes.plot(ends, score, color=INK, lw=2.2, label="fused score", marker="o", ms=2.5)
    for modality in MODALITIES:
        _, alone = _drawn(events, lambda event, m=modality: event.modalities[m].score)
        axes.plot(ends, alone, color=TONES[modality], lw=1.0, ls=(0, (3, 2)), label=f"{modality} alone")
    axes.set_ylim(-1.05, 1.05)
    axes.set_yticks([-1, 0, 1], ["negative", "0", "positive"])
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.16), ncols=5, frameon=False, fontsize=9, labelcolor=INK)


def _draw_trust(axes: Any, events: list[SentimentEvent]) -> None:
    ends, shares = _drawn(events, lambda event: [event.trust[modality] for modality in MODALITIES])
    tones = [TONES[modality] for modality in MODALITIES]
    axes.stackplot(ends, shares.T, colors=tones, alpha=0.85, labels=[str(m) for m in MODALITIES], lw=0)
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1], ["0", "trust", "1"])


def _draw_states(axes: Any, events: list[SentimentEvent]) -> None:
    hop = _hop(events)
    for row, modality in enumerate(reversed(MODALITIES)):
        for event in events:
            shade = SHADES[event.modalities[modality].state]
            axes.barh(row, hop, left=event.window.end - hop, height=0.7, color=TONES[modality], alpha=shade, lw=0)
    axes.set_yticks(range(len(MODALITIES)), [str(m) for m in reversed(MODALITIES)])
    axes.set_ylim(-0.6, len(MODALITIES) - 0.4)
    axes.set_title("state: full ok, pale degraded or stale, blank missing", loc="right", fontsize=8, color=MUTED, pad=2)


def _draw_words(axes: Any, events: list[SentimentEvent]) -> None:
    for number, word in enumerate(latest_words(events)):
        level = number % LEVELS
        axes.plot([word.start, word.start], [0, LEVELS - level - 0.35], color=GRID, lw=0.7)
        axes.text(
            word.start, LEVELS - level - 0.3, word.text.strip(), fontsize=8.5, color=INK, va="center", clip_on=True
        )
    axes.set_ylim(0, LEVELS + 0.4)
    axes.set_yticks([])


def latest_words(events: list[SentimentEvent]) -> list[Word]:
    """Every word once, as it was known last: an utterance is heard again, and better, while it grows."""
    words: list[Word] = []
    for event in events:
        if heard := event.transcript.words:
            words = [word for word in words if word.end <= heard[0].start] + list(heard)
    return words
