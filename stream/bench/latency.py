"""How long from the end of a window to its event, and from the end of speech to its words, for one live stream."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

from ebmc_core.modality import Modality
from stream.bench.pace import PaceClock
from stream.bench.plots import plot_delays
from stream.bench.quantiles import Spread, cell, spread
from stream.bench.reel import decoded_reel, due
from stream.bench.report import Table
from stream.bench.trial import Outcome, Trial, attempt
from stream.bench.words import first_final, settled, spoken
from stream.clock import WallClock
from stream.front_ends import load_front_ends
from stream.fusion import open_fusion
from stream.pipeline import Run, run
from stream.records import Frame
from stream.sources.source import source_from


@dataclass(frozen=True, slots=True)
class LatencyReport:
    """Window end to event in ms on the wall clock; its stages as the pipeline times them; speech end to final words.

    media: what was played. decoding: whether it was decoded while it played. pauses: stretches of speech that ended in
    the measured time; of these `unread` were never shown as final words, or never recognised. late_ms: how late a
    source handed on a frame, at worst. dropped, left_out: by reason, at the source and in
    the session. fast: seconds of media a second, without pacing, in the same run.
    """

    interrupted: bool
    media: tuple[str, ...]
    decoding: bool
    seconds: float
    due: int
    came: int
    total: Spread
    stages: dict[str, Spread]
    words: Spread
    pauses: int
    unread: int
    dropped: dict[str, int]
    left_out: dict[str, int]
    lost: int
    speech: dict[str, int]
    late_ms: float
    cores: float | None
    others: float | None
    memory_mb: float | None
    fast: float
    ends: list[float]
    delays: list[float]

    @property
    def good(self) -> bool:
        """Whether every event came."""
        return self.came == self.due

    def tables(self) -> list[Table]:
        """Delays, then the run."""
        named = [("window end to event", self.total), *((f"  {name}", part) for name, part in self.stages.items())]
        named.append(("speech end to its final words", self.words))
        rows = tuple((name, str(part.count), *part.cells()) for name, part in named)
        feeding = "decoded while it plays" if self.decoding else "from memory"
        first = Table(
            f"one stream, {self.seconds:.0f} s; {'; '.join(self.media)}; {feeding}",
            ("milliseconds", "count", "p50", "p95", "p99", "worst"),
            rows,
            f"{self.unread} of {self.pauses} stretches of speech were never shown as final words"
            if self.unread
            else "",
        )
        cells = (
            ("events due / came", f"{self.due} / {self.came}"),
            (
                "dropped, at the source / in the session",
                f"{sum(self.dropped.values())} / {sum(self.left_out.values())}",
            ),
            ("lost without being counted", str(self.lost)),
            ("source late at worst, ms", cell(self.late_ms)),
            ("cores busy, for this / for other processes", f"{cell(self.cores, 2)} / {cell(self.others, 2)}"),
            ("memory, MB", cell(self.memory_mb)),
            ("without pacing, times real time", cell(self.fast, 1)),
        )
        return [first, Table("", ("the run", ""), cells)]

    def plot(self, path: Path) -> None:
        """Delay of each event over event time."""
        plot_delays(path, "window end to event", {"one stream": (self.ends, self.delays)})


def latency(trial: Trial, report: Callable[[float], None]) -> LatencyReport:
    """Play one stream, then the same clip as fast as it can."""
    outcome = attempt(trial, report)
    words, pauses, unread = word_delays(trial, outcome)
    return LatencyReport(
        interrupted=outcome.interrupted,
        media=tuple(clip.note for clip in trial.clips),
        decoding=not trial.memory,
        seconds=trial.seconds,
        due=outcome.due,
        came=outcome.came,
        total=outcome.delay,
        stages=outcome.stages,
        words=spread(words),
        pauses=pauses,
        unread=unread,
        dropped=dict(outcome.dropped),
        left_out=dict(outcome.left_out),
        lost=outcome.lost,
        speech=dict(outcome.speech),
        late_ms=1000 * outcome.late / trial.speed,
        cores=outcome.cores,
        others=outcome.others,
        memory_mb=outcome.memory,
        fast=0.0 if outcome.interrupted else unpaced(trial),
        ends=outcome.ends,
        delays=outcome.delays,
    )


def word_delays(trial: Trial, outcome: Outcome) -> tuple[list[float], int, int]:
    """Of each stretch of speech that ended in the measured time: ms on the wall clock until its words came as final.

    Also how many stretches there were, and how many never were.
    """
    begun = next(iter(outcome.begun.values()))
    last = outcome.played if outcome.interrupted else trial.warmup + trial.seconds
    heard, events = sound_of(trial, last), outcome.events
    words, clock = settled(events), PaceClock(trial.speed)
    # what ended in the last seconds had no time to become final
    asked = [s for s in spoken(heard) if trial.warmup < s.end < last - trial.settings.window]
    found = [(stretch, first_final(stretch, words, events)) for stretch in asked]
    delays = [clock.wall_ms(outcome.moments[at] - begun - stretch.end) for stretch, at in found if at is not None]
    return delays, len(asked), len(asked) - len(delays)


def sound_of(trial: Trial, until: float) -> list[Frame]:
    """The sound that the stream was fed."""
    reel = decoded_reel(trial.clips[0].path, trial.settings.video_rate)
    return list(takewhile(lambda frame: due(frame) <= until, replace(reel, kinds=frozenset({Modality.AUDIO})).frames()))


def unpaced(trial: Trial) -> float:
    """How many times real time the same clip runs as a file, without pacing; windows wait for speech recognition."""
    source = source_from(str(trial.clips[0].path), trial.settings)
    with (
        load_front_ends(trial.settings, lambda line: None) as front,
        open_fusion(trial.settings) as engine,
    ):
        this = Run(front, engine, [], WallClock(), trial.settings)
        begin = time.monotonic()
        asyncio.run(run([source], this))
        return this.media / (time.monotonic() - begin)
