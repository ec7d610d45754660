"""Plots of delays and memory over time, and of what many streams cost."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stream.sinks.sink import placing
from stream.sinks.timeline import BAD, GRID, INK, MUTED, TONES

LINES = (*TONES.values(), INK, BAD)


def figure_of(rows: int, columns: int = 1, width: float = 10.0, height: float = 3.6) -> tuple[Any, Any]:
    """A white figure and its panels `[rows, columns]`."""
    from matplotlib.figure import Figure  # half a second to import: only when a picture is wanted

    figure = Figure(figsize=(width, height * rows), dpi=110, layout="constrained", facecolor="white")
    return figure, figure.subplots(rows, columns, squeeze=False)


def tidy(axes: Any, title: str, x: str, y: str) -> None:
    """Title and axes in the project's manner."""
    axes.set_title(title, loc="left", color=INK, fontsize=10)
    axes.set_xlabel(x, color=MUTED, fontsize=9)
    axes.set_ylabel(y, color=MUTED, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID)
    axes.tick_params(colors=MUTED, labelsize=8)


def logarithmic(axes: Any) -> None:
    """A logarithmic scale with plain numbers on it."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def save(figure: Any, path: Path) -> None:
    """Write it; a place that cannot be written is a `SinkError`."""
    with placing(str(path)) as place:
        figure.savefig(place)


def plot_delays(path: Path, title: str, runs: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> None:
    """Delay of every event in ms over event time in seconds, on a scale that shows outliers too."""
    figure, panels = figure_of(1)
    axes = panels[0, 0]
    for tone, (name, (ends, delays)) in zip(LINES, runs.items(), strict=False):
        axes.plot(ends, delays, ".-", ms=4, lw=0.6, color=tone, label=name)
    logarithmic(axes)
    tidy(axes, title, "event time, seconds", "ms")
    axes.legend(frameon=False, fontsize=8, labelcolor=INK)
    save(figure, path)


def plot_soak(
    path: Path, memory: tuple[Sequence[float], Sequence[float]], delays: tuple[Sequence[float], Sequence[float]]
) -> None:
    """Memory in MB and delay of events in ms, both over minutes of the wall clock."""
    figure, panels = figure_of(2)
    panels[0, 0].plot(*memory, color=INK, lw=1.4)
    tidy(panels[0, 0], "resident memory", "minutes on the wall clock", "MB")
    panels[1, 0].plot(*delays, ".", ms=2, color=INK)
    logarithmic(panels[1, 0])
    tidy(panels[1, 0], "window end to event", "minutes on the wall clock", "ms")
    save(figure, path)


def plot_streams(path: Path, tries: Mapping[str, Sequence[tuple[int, float, float]]], limit_ms: float) -> None:
    """p50 and p95 in ms over the number of streams, a colour for each recogniser."""
    figure, panels = figure_of(1)
    axes = panels[0, 0]
    for tone, (name, rows) in zip(LINES, tries.items(), strict=False):
        streams, middle, high = zip(*sorted(rows), strict=True) if rows else ((), (), ())
        axes.plot(streams, high, "o-", ms=5, lw=1.4, color=tone, label=f"{name}, p95")
        axes.plot(streams, middle, "o--", ms=3, lw=0.8, color=tone, label=f"{name}, p50")
    axes.axhline(limit_ms, color=BAD, lw=0.8)
    logarithmic(axes)
    tidy(axes, "window end to event; the line is the limit", "streams at once", "ms")
    axes.legend(frameon=False, fontsize=8, labelcolor=INK)
    save(figure, path)
