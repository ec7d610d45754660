"""When events came, stream by stream, and which fault there was at the time."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from stream.bench.plots import figure_of, save, tidy
from stream.sinks.timeline import BAD, INK


def plot_chaos(
    path: Path, faults: Mapping[str, Sequence[tuple[float, float, str]]], came: Sequence[tuple[float, str, int]]
) -> None:
    """faults: start, end and name, by stream. came: seconds, stream and number of each window."""
    figure, panels = figure_of(len(faults), width=14, height=2.8)
    for axes, (stream, spans) in zip(panels[:, 0], faults.items(), strict=True):
        times = [moment for moment, name, _ in came if name == stream]
        axes.plot(times, [index for _, name, index in came if name == stream], ".-", ms=4, lw=0.6, color=INK)
        top = axes.get_ylim()[1]
        for start, end, name in spans:
            axes.axvspan(start, end, color=BAD, alpha=0.12, lw=0)
            axes.text(start, top, name, rotation=90, fontsize=6, color=BAD, va="top", clip_on=True)
        tidy(axes, stream, "seconds since it began", "window")
    save(figure, path)
