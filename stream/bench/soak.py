"""Does it grow? Memory and delay over a long run, faster than real time."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stream.bench.plots import plot_soak
from stream.bench.quantiles import Spread, cell, slope, spread
from stream.bench.report import Table
from stream.bench.trial import Trial, attempt

MEMORY_LIMIT = 1.0  # MB a minute
SETTLED = 0.25  # growth of the median delay, last third over first third, that counts as none


@dataclass(frozen=True, slots=True)
class SoakReport:
    """minutes: on the wall clock, after the warm-up. memory, delays: (minute, MB) and (minute, ms).

    memory_slope: MB a minute, delay_slope: ms a minute (medians of the slopes between all pairs). first, last: delays
    in the first and the last third.
    """

    interrupted: bool
    media: tuple[str, ...]
    speed: float
    streams: int
    minutes: float
    due: int
    came: int
    dropped: dict[str, int]
    left_out: dict[str, int]
    lost: int
    memory_slope: float | None
    delay_slope: float | None
    total: Spread
    first: Spread
    last: Spread
    cores: float | None
    others: float | None
    memory: list[tuple[float, float]]
    delays: list[tuple[float, float]]

    @property
    def grows(self) -> list[str]:
        """What grew."""
        found: list[str] = []
        if self.memory_slope is None or self.memory_slope >= MEMORY_LIMIT:
            found.append("memory")
        if self.first.p50 is None or self.last.p50 is None or self.last.p50 > self.first.p50 * (1 + SETTLED) + 20:
            found.append("delay")
        return found

    @property
    def good(self) -> bool:
        """Whether nothing grew and every event came."""
        return not self.grows and self.came == self.due

    def tables(self) -> list[Table]:
        """Delays at the beginning and the end, then slopes."""
        title = f"{self.streams} stream(s), {self.speed:g} times speed, {self.minutes:.1f} min; {'; '.join(self.media)}"
        thirds = (("all of it", self.total), ("first third", self.first), ("last third", self.last))
        delays = tuple((name, str(part.count), *part.cells()) for name, part in thirds)
        rows = (
            ("memory slope, MB a minute", cell(self.memory_slope, 3)),
            ("delay slope, ms a minute", cell(self.delay_slope, 2)),
            ("memory at the end, MB", cell(self.memory[-1][1] if self.memory else None)),
            ("cores busy, for this / for other processes", f"{cell(self.cores, 2)} / {cell(self.others, 2)}"),
            ("events due / came", f"{self.due} / {self.came}"),
            (
                "dropped, at the source / in the session",
                f"{sum(self.dropped.values())} / {sum(self.left_out.values())}",
            ),
            ("lost without being counted", str(self.lost)),
        )
        verdict = f"grows: {', '.join(self.grows)}" if self.grows else "nothing grows"
        return [
            Table(title, ("window end to event, ms", "count", "p50", "p95", "p99", "worst"), delays),
            Table("", ("growth", ""), rows, verdict),
        ]

    def plot(self, path: Path) -> None:
        """Memory and delay over time."""
        plot_soak(path, _axes(self.memory), _axes(self.delays))


def soak(trial: Trial, report: Callable[[float], None]) -> SoakReport:
    """Play it all and look at the slopes."""
    outcome = attempt(trial, report)
    begin = outcome.samples[0].wall if outcome.samples else 0.0
    memory = [((sample.wall - begin) / 60, sample.memory) for sample in outcome.samples]
    minutes = [(end - trial.warmup) / trial.speed / 60 for end in outcome.ends]
    third = len(outcome.delays) // 3
    return SoakReport(
        interrupted=outcome.interrupted,
        media=tuple(clip.note for clip in trial.clips),
        speed=trial.speed,
        streams=trial.streams,
        minutes=memory[-1][0] if memory else 0.0,
        due=outcome.due,
        came=outcome.came,
        dropped=dict(outcome.dropped),
        left_out=dict(outcome.left_out),
        lost=outcome.lost,
        memory_slope=slope(*_axes(memory)),
        delay_slope=slope(minutes, outcome.delays),
        total=outcome.delay,
        first=spread(outcome.delays[:third]),
        last=spread(outcome.delays[-third:] if third else []),
        cores=outcome.cores,
        others=outcome.others,
        memory=memory,
        delays=list(zip(minutes, outcome.delays, strict=True)),
    )


def _axes(points: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]
