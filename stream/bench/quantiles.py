"""The statistics of a benchmark: quantiles of times, and slopes that one outlier does not bend."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MOST = 400  # points that a slope is taken from; its cost grows with their square


@dataclass(frozen=True, slots=True)
class Spread:
    """How values are spread: the values that 50, 95 and 99 % of them do not exceed, and the largest. None: no value."""

    count: int
    p50: float | None
    p95: float | None
    p99: float | None
    worst: float | None

    def cells(self) -> tuple[str, str, str, str]:
        """p50, p95, p99 and the largest, for a table."""
        return cell(self.p50), cell(self.p95), cell(self.p99), cell(self.worst)


def spread(values: Sequence[float]) -> Spread:
    """The spread of some values, interpolated between neighbours."""
    if not len(values):
        return Spread(0, None, None, None, None)
    p50, p95, p99, worst = (round(float(q), 2) for q in np.quantile(np.asarray(values, float), (0.5, 0.95, 0.99, 1.0)))
    return Spread(len(values), p50, p95, p99, worst)


def slope(times: Sequence[float], values: Sequence[float]) -> float | None:
    """The median of the slopes between all pairs of points (Theil, 1950; Sen, 1968); None for fewer than two times."""
    step = max(1, len(times) // MOST)
    x, y = np.asarray(times[::step], float), np.asarray(values[::step], float)
    first, second = np.triu_indices(len(x), 1)
    apart = x[second] - x[first]
    if not np.any(apart):
        return None
    return float(np.median((y[second] - y[first])[apart != 0] / apart[apart != 0]))


def cell(value: float | None, digits: int = 0) -> str:
    """A figure in a table; a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"
