"""A panel for each disturbance: what the score does, and below it how trust moves."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ebmc_core.modality import MODALITIES
from stream.bench.plots import save
from stream.sinks.timeline import BAD, FLAT, GRID, INK, MUTED, TONES

COLUMNS = 3


@dataclass(frozen=True, slots=True)
class Panel:
    """span: the disturbance, seconds. ends, clean: of the clean run; the others are of the disturbed one, by window.

    touched: whether the disturbance reaches into the window.
    """

    title: str
    span: tuple[float, float]
    ends: Sequence[float]
    clean: Sequence[float | None]
    disturbed: Sequence[float | None]
    even: Sequence[float | None]
    oracle: Sequence[float | None]
    trust: Sequence[tuple[float, ...]]
    touched: Sequence[bool]


def plot_degradation(path: Path, panels: Sequence[Panel]) -> None:
    """Draw all panels into one picture."""
    from matplotlib.figure import Figure

    rows = max(1, -(-len(panels) // COLUMNS))
    figure = Figure(figsize=(15, 3.9 * rows + 0.6), dpi=110, layout="constrained", facecolor="white")
    parts = figure.subfigures(rows, COLUMNS, squeeze=False).ravel()
    handles: dict[str, Any] = {}
    for part, panel in zip(parts, panels, strict=False):
        score, trust = part.subplots(2, 1, sharex=True, height_ratios=[2.0, 1.0])
        _draw_scores(score, panel)
        _draw_trust(trust, panel)
        for axes in (score, trust):
            axes.axvspan(*panel.span, color=BAD, alpha=0.10, lw=0)
            axes.set_xlim(panel.ends[0] if panel.ends else 0, panel.ends[-1] if panel.ends else 1)
            axes.spines[["top", "right"]].set_visible(False)
            axes.spines[["left", "bottom"]].set_color(GRID)
            axes.tick_params(colors=MUTED, labelsize=8)
            handles |= {line.get_label(): line for line in axes.get_legend_handles_labels()[0]}
        score.set_title(panel.title, loc="left", color=INK, fontsize=11)
        trust.set_xlabel("window end, seconds", color=MUTED, fontsize=8)
    figure.legend(
        handles.values(), handles.keys(), loc="outside upper center", ncols=8, frameon=False, fontsize=9, labelcolor=INK
    )
    save(figure, path)


def _draw_scores(axes: Any, panel: Panel) -> None:
    lines = (
        (panel.clean, {"color": INK, "lw": 1.2, "ls": (0, (1, 1)), "label": "clean run"}),
        (panel.oracle, {"color": "#2f9e62", "lw": 1.2, "label": "oracle: clean, without what is hurt"}),
        (panel.even, {"color": BAD, "lw": 1.2, "label": "disturbed, even weights"}),
        (panel.disturbed, {"color": INK, "lw": 2.2, "label": "disturbed, with trust"}),
    )
    for scores, style in lines:
        count = min(len(panel.ends), len(scores))
        drawn = np.array(scores[:count], float)
        if scores is panel.oracle:  # it knows when it is wanted; elsewhere it is the clean run
            drawn[~np.array(panel.touched[:count], bool)] = np.nan
        axes.plot(panel.ends[:count], drawn, **style)
    axes.axhline(0, color=FLAT, lw=0.6)
    axes.set_ylim(-1.05, 1.05)
    axes.set_yticks([-1, 0, 1])


def _draw_trust(axes: Any, panel: Panel) -> None:
    count = min(len(panel.ends), len(panel.trust))
    if count:
        shares = np.array(panel.trust[:count], float).T
        tones = [TONES[modality] for modality in MODALITIES]
        labels = [f"trust in {modality}" for modality in MODALITIES]
        axes.stackplot(panel.ends[:count], shares, colors=tones, alpha=0.85, labels=labels, lw=0)
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 1])
    axes.set_ylabel("trust", color=MUTED, fontsize=8)
