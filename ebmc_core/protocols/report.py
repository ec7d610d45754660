"""What a protocol found: tables with a value for each seed, as text for a person, JSON for a program, and a picture."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Table:
    """rows: name to, for each column, one value per seed (a single one where nothing was trained)."""

    title: str
    columns: Sequence[str]
    rows: Mapping[str, Sequence[Sequence[float]]]
    digits: int = 1
    lines: bool = False
    """Whether the picture joins a row's values by a line: columns that are steps of one thing."""

    def text(self) -> str:
        """Markdown: the mean, and the deviation where there are several seeds."""
        lines = [f"| {self.title} | " + " | ".join(self.columns) + " |", "|---|" + "---|" * len(self.columns)]
        for name, cells in self.rows.items():
            lines.append(f"| {name} | " + " | ".join(self._cell(cell) for cell in cells) + " |")
        return "\n".join(lines)

    def plain(self) -> dict[str, Any]:
        """For JSON: every value of every seed."""
        rows = {name: [[float(value) for value in cell] for cell in cells] for name, cells in self.rows.items()}
        return {"title": self.title, "columns": list(self.columns), "rows": rows}

    def _cell(self, values: Sequence[float]) -> str:
        if not len(values) or not np.isfinite(values).all():
            return ""
        deviation = f" ± {np.std(values):.{self.digits}f}" if len(values) > 1 else ""
        return f"{np.mean(values):.{self.digits}f}{deviation}"


@dataclass(frozen=True, slots=True)
class Report:
    """All tables of a protocol, and sentences on how they came about."""

    protocol: str
    data: str
    tables: Sequence[Table]
    notes: Sequence[str] = field(default_factory=tuple)

    def text(self) -> str:
        """Everything as Markdown."""
        return "\n\n".join([*(table.text() for table in self.tables), *self.notes])

    def write(self, folder: Path) -> list[Path]:
        """Write `<protocol>.json`, `.md` and `.png` into the folder, made if need be; returns their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{self.data}-{self.protocol}.{ending}" for ending in ("json", "md", "png")]
        content = {
            "protocol": self.protocol,
            "data": self.data,
            "tables": [table.plain() for table in self.tables],
            "notes": list(self.notes),
        }
        paths[0].write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        paths[1].write_text(self.text() + "\n", encoding="utf-8")
        self._draw(paths[2])
        return paths

    def _draw(self, path: Path) -> None:
        """A panel for each table: lines with a band of one deviation, or bars with it as a whisker."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9, 3.4 * len(self.tables)), layout="constrained")
        for number, table in enumerate(self.tables, start=1):
            axes = figure.add_subplot(len(self.tables), 1, number)
            places, width = np.arange(len(table.columns)), 0.8 / max(1, len(table.rows))
            for index, (name, cells) in enumerate(table.rows.items()):
                mean = np.array([np.mean(cell) if len(cell) else np.nan for cell in cells])
                spread = np.array([np.std(cell) if len(cell) else np.nan for cell in cells])
                if table.lines:
                    axes.plot(places, mean, marker="o", markersize=3, label=name)
                    axes.fill_between(places, mean - spread, mean + spread, alpha=0.15)
                else:
                    axes.bar(places + (index + 0.5) * width - 0.4, mean, width, yerr=spread, label=name)
            axes.set_xticks(places, [column.replace("+", "+\n") for column in table.columns], fontsize=8)
            axes.set_title(table.title, fontsize=10)
            values = [v for cells in table.rows.values() for cell in cells for v in cell if np.isfinite(v)]
            if values and not table.lines and min(values) > 20:
                axes.set_ylim(min(values) - 5, max(values) + 3)
            axes.legend(fontsize=7, ncols=3)
            axes.grid(axis="y", alpha=0.3)
        figure.savefig(path, dpi=110)
