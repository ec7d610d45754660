"""The largest number of live streams that one process holds. Each try has a process, and so a memory, of its own."""

import signal
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

from stream.bench.machine import cores
from stream.bench.plots import plot_streams
from stream.bench.quantiles import Spread, cell
from stream.bench.report import Table
from stream.bench.search import largest
from stream.bench.trial import Outcome, Trial, attempt

LIMIT_MS = 1000.0  # p95 that a number of streams must stay under to be held


@dataclass(frozen=True, slots=True)
class Try:
    """One number of streams.

    delay: window end to event, ms. pictures: looked at a second, of all streams. passes: of speech recognition, a
    second. superseded, skipped: passes, and seconds of speech. dropped, left_out: by reason, at the sources and in the
    sessions. lost: frames that were fed, and neither used nor counted.
    """

    asr: str
    streams: int
    delay: Spread
    due: int
    came: int
    pictures: float
    passes: float
    superseded: int
    skipped: int
    dropped: dict[str, int]
    left_out: dict[str, int]
    lost: int
    late_ms: float
    cores: float | None
    others: float | None
    memory_mb: float | None
    overdue: bool

    @property
    def held(self) -> bool:
        """Whether every event came, in time, and nothing was lost silently."""
        in_time = self.delay.p95 is not None and self.delay.p95 < LIMIT_MS
        return in_time and self.came == self.due and self.lost == 0 and not self.overdue

    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        worst = (cell(self.delay.p50), cell(self.delay.p95), cell(self.delay.p99), f"{self.due}/{self.came}")
        losses = (str(sum(self.dropped.values())), str(sum(self.left_out.values())), str(self.lost))
        speech = (cell(self.passes, 1), str(self.superseded), str(self.skipped))
        work = (cell(self.pictures, 1), *losses, *speech, cell(self.late_ms))
        held = "yes" if self.held else "no: overdue" if self.overdue else "no"
        return (
            f"{self.streams} {self.asr}",
            *worst,
            *work,
            cell(self.cores, 2),
            cell(self.others, 2),
            cell(self.memory_mb),
            held,
        )


HEADING = (
    "streams", "p50", "p95", "p99", "due/came", "pict/s", "dropped", "left", "lost", "pass/s", "super", "skip s",
    "late ms", "cores", "others", "MB", "held",
)  # fmt: skip


@dataclass(slots=True)
class StreamsReport:
    """held: the largest number of streams, by recogniser. seconds: measured in each try."""

    media: tuple[str, ...]
    decoding: bool
    seconds: float
    warmup: float
    held: dict[str, int]
    tries: list[Try]
    interrupted: bool = False

    @property
    def good(self) -> bool:
        """Whether any number was held."""
        return all(self.held.values())

    def tables(self) -> list[Table]:
        """A row for each try, then what was held."""
        feeding = "decoded while they play" if self.decoding else "from memory"
        times = f"{self.seconds:.0f} s after {self.warmup:.0f} s of warm-up, {cores()} cores"
        title = f"{'; '.join(self.media)}; {feeding}; {times}"
        note = (
            f"held: p95 under {LIMIT_MS:.0f} ms, all events came, nothing lost without being counted.\n"
            "Over the whole try: dropped (at the sources), left (not looked at by the sessions), super (passes of\n"
            "recognition that newer ones replaced), skip s (seconds of speech not read)."
        )
        held = tuple((asr, str(number)) for asr, number in self.held.items())
        return [
            Table(title, HEADING, tuple(row.cells() for row in self.tries), note),
            Table("", ("recogniser", "streams held"), held),
        ]

    def plot(self, path: Path) -> None:
        """p50 and p95 over the number of streams."""
        rows = {
            asr: [
                (t.streams, t.delay.p50, t.delay.p95)
                for t in self.tries
                if t.asr == asr and t.delay.p50 and t.delay.p95
            ]
            for asr in self.held
        }
        plot_streams(path, rows, LIMIT_MS)


class Interrupted(Exception):
    """The person wants no more tries."""


def streams(trial: Trial, recognisers: Sequence[str], most: int, report: Callable[[float, str], None]) -> StreamsReport:
    """Search with each recogniser. report: hears how many seconds of a try have gone, and what is tried."""
    found = StreamsReport(
        tuple(clip.note for clip in trial.clips), not trial.memory, trial.seconds, trial.warmup, {}, []
    )
    with _patient() as stopped:
        for asr in recognisers:
            found.held[asr] = 0

            def holds(number: int, asr: str = asr) -> bool:
                settings = trial.settings.model_copy(update={"asr": asr})
                asked = replace(trial, streams=number, settings=settings)
                outcome = apart(asked, lambda seconds: report(seconds, f"{number} streams, {asr}"))
                if outcome is None or outcome.interrupted or stopped:
                    raise Interrupted
                tried = tried_from(asked, outcome)
                found.tries.append(tried)
                found.held[asr] = max(found.held[asr], number if tried.held else 0)
                return tried.held

            try:
                largest(holds, most)
            except Interrupted:
                found.interrupted = True
                break
    return found


def tried_from(trial: Trial, outcome: Outcome) -> Try:
    """The figures of one try."""
    total = trial.warmup + trial.seconds
    return Try(
        asr=trial.settings.asr,
        streams=trial.streams,
        delay=outcome.delay,
        due=outcome.due,
        came=outcome.came,
        pictures=outcome.looked / total,
        passes=outcome.speech["passes"] / total,
        superseded=outcome.speech["superseded"],
        skipped=outcome.speech["skipped_s"],
        dropped=dict(outcome.dropped),
        left_out=dict(outcome.left_out),
        lost=outcome.lost,
        late_ms=1000 * outcome.late / trial.speed,
        cores=outcome.cores,
        others=outcome.others,
        memory_mb=outcome.memory,
        overdue=outcome.overdue,
    )


def apart(trial: Trial, report: Callable[[float], None]) -> Outcome | None:
    """The outcome of a try in a process of its own; None when that process was killed."""
    begin = time.monotonic()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        future: Future[Outcome] = pool.submit(attempt, trial, _silent)
        while True:
            try:
                return future.result(timeout=1.0)
            except TimeoutError:
                report(min(trial.warmup + trial.seconds, trial.speed * (time.monotonic() - begin)))
            except BrokenProcessPool:
                return None


def _silent(seconds: float) -> None:
    """The process of a try reports nothing."""


@contextmanager
def _patient() -> Generator[list[int]]:
    """The first Ctrl-C lets the try that runs finish its report (its process hears it too); a second one breaks off."""
    stopped: list[int] = []

    def interrupt(number: int, frame: object) -> None:
        stopped.append(number)
        if len(stopped) > 1:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)
