"""Disturb one thing at a time, through the whole pipeline, and compare with the same recording undisturbed."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ebmc_core.modality import MODALITIES, Modality
from engines.engine import Engine
from stream.bench.deaf import DeafRecogniser
from stream.bench.disturbances import Disturbance, Span, babble_from, disturbances
from stream.bench.gathered import Gathered
from stream.bench.listed import ListedSource
from stream.bench.pace import PaceClock
from stream.bench.played import PlayedSource
from stream.bench.plot_degradation import Panel, plot_degradation
from stream.bench.quantiles import cell
from stream.bench.reel import MemoryReel, decoded_reel, due, remembered
from stream.bench.report import Table
from stream.bench.response import Deviation, TrustResponse, deviation, even_score, respond, trust_row
from stream.bench.take import clean_take, sound_of
from stream.bench.trial import stopping
from stream.clock import WallClock
from stream.event import SentimentEvent
from stream.front_ends import FrontEnds, load_front_ends
from stream.fusion import open_fusion
from stream.pipeline import Run, run
from stream.records import Frame
from stream.settings import Settings

KINDS = frozenset({Modality.AUDIO, Modality.VIDEO})


@dataclass(frozen=True, slots=True)
class Plan:
    """media: the clip, or `clip`. before, during, after: seconds around the onset and the end of a disturbance.

    speed: of a live feed; 0 plays as fast as it can, as a file. babble: recordings of other speech. only: names of
    disturbances, all if there are none.
    """

    media: str
    before: float
    during: float
    after: float
    settings: Settings
    speed: float = 1.0
    babble: tuple[Path, ...] = ()
    only: tuple[str, ...] = ()
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Line:
    """One line of scores and what is behind it, by the end of the window, seconds.

    trust, states, reasons: of each modality, as `MODALITIES` go.
    """

    ends: list[float]
    score: list[float | None]
    even: list[float | None]
    trust: list[tuple[float, ...]]
    states: list[tuple[str, ...]]
    reasons: list[tuple[str | None, ...]]


@dataclass(frozen=True, slots=True)
class Degraded:
    """What one disturbance did. onset, end: event time, seconds. oracle: scores without what is hurt."""

    name: str
    onset: float
    end: float
    gone: bool
    deviation: Deviation
    trust: list[TrustResponse]
    disturbed: Line
    oracle: Line

    def cells(self) -> list[tuple[str, ...]]:
        """A row for each modality that is hurt."""
        apart = self.deviation
        scores = tuple(cell(value, 3) for value in (apart.fused, apart.even, apart.oracle))
        rows: list[tuple[str, ...]] = []
        if not self.trust:
            return [(self.name, *scores, *"-------")]
        for part in self.trust:
            trust = tuple(cell(value, 2) for value in (part.before, part.clean, part.during, part.after))
            first = (self.name, *scores) if not rows else ("", "", "", "")
            rows.append((*first, str(part.modality), *trust, cell(part.react, 1), cell(part.recover, 1)))
        return rows


HEADING = (
    "disturbance", "fused", "even", "oracle", "hurt", "before", "clean", "during", "after", "react s", "recover s",
)  # fmt: skip


@dataclass(slots=True)
class DegradationReport:
    """clean: the undisturbed run. speed: 0 means as a file, as fast as it can. window: its length, seconds."""

    media: str
    speed: float
    seed: int
    window: float
    clean: Line
    found: list[Degraded]
    interrupted: bool = False

    @property
    def good(self) -> bool:
        """There is no limit to break."""
        return True

    def tables(self) -> list[Table]:
        """One row per disturbance and modality that it hurts."""
        feeding = f"live at {self.speed:g} times speed" if self.speed else "as a file"
        rows = tuple(row for degraded in self.found for row in degraded.cells())
        note = (
            "fused, even, oracle: mean distance of the score from the clean run's while disturbed; with trust, with "
            "even weights, and without what is hurt.\nbefore to after: trust; clean: the clean run's in the windows of "
            "`during`. Times are event time, to the end of a window; - is never."
        )
        return [Table(f"{self.media}, from memory, {feeding}", HEADING, rows, note)]

    def plot(self, path: Path) -> None:
        """A panel for each disturbance."""
        plot_degradation(path, [self._panel(degraded) for degraded in self.found])

    def _panel(self, what: Degraded) -> Panel:
        lines = (self.clean.score, what.disturbed.score, what.disturbed.even, what.oracle.score)
        touched = [end > what.onset and end - self.window < what.end for end in self.clean.ends]
        return Panel(what.name, (what.onset, what.end), self.clean.ends, *lines, what.disturbed.trust, touched)


class Bench:
    """The models, loaded once, and runs of whole pipelines over them. stopped: the person wants no more."""

    def __init__(self, plan: Plan, front: FrontEnds, engine: Engine) -> None:
        self.plan, self._front, self._engine = plan, front, engine
        self.stopped = False
        self._without: dict[frozenset[Modality], list[SentimentEvent]] = {}

    def events(
        self, frames: Sequence[Frame], without: frozenset[Modality] = frozenset(), deaf: Span | None = None
    ) -> list[SentimentEvent]:
        """The events of a run over these frames. deaf: while recognition is off."""
        plan, sink, front = self.plan, Gathered(), self._front
        seconds = max(map(due, frames))
        clock, source = WallClock(), ListedSource("take", frames, KINDS)
        if plan.speed:
            clock = PaceClock(plan.speed)
            source = PlayedSource("take", MemoryReel(frames, seconds + 1.0, 0.0, KINDS), clock, seconds)
            if deaf:
                front = replace(front, recogniser=DeafRecogniser(front.recogniser, source, deaf))
        this = Run(front, self._engine, [sink], clock, plan.settings, without=without)

        async def play() -> None:
            with stopping(this):
                await run([source], this)

        asyncio.run(play())
        self.stopped |= this.stop.is_set()
        return sink.events

    def oracle(self, frames: Sequence[Frame], hurt: frozenset[Modality]) -> list[SentimentEvent]:
        """The events of the clean run with some modalities left out; run once."""
        if hurt not in self._without:
            self._without[hurt] = self.events(frames, without=hurt)
        return self._without[hurt]

    def degraded(self, frames: Sequence[Frame], clean: Sequence[SentimentEvent], what: Disturbance) -> Degraded:
        """One disturbance against the clean run."""
        span = Span(self.plan.before, self.plan.before + (what.seconds or self.plan.during))
        disturbed = self.events(what.apply(frames, span), deaf=span if what.deaf else None)
        oracle = self.oracle(frames, what.hurts) if what.hurts else clean
        responses = [respond(clean, disturbed, m, what.gone, span) for m in MODALITIES if m in what.hurts]
        apart = deviation(clean, disturbed, oracle, span)
        return Degraded(
            what.name, span.start, span.end, what.gone, apart, responses, line_of(disturbed), line_of(oracle)
        )


def degradation(plan: Plan, report: Callable[[int, int, str], None]) -> DegradationReport:
    """All disturbances, one after the other. report: hears what is done, of how many, and what comes."""
    frames = clean_take(plan.media, plan.before + plan.during + plan.after, plan.settings.video_rate)
    other = [sound_of(remembered(decoded_reel(path, plan.settings.video_rate))) for path in plan.babble]
    known = disturbances(babble_from(other or [sound_of(frames)], plan.seed))
    wanted = [what for what in known if not plan.only or what.name in plan.only]
    tried = [what for what in wanted if plan.speed or not what.deaf]  # a file has no moment at which something is off
    with (
        load_front_ends(plan.settings, lambda line: None) as front,
        open_fusion(plan.settings) as engine,
    ):
        bench = Bench(plan, front, engine)
        report(0, len(tried) + 1, "the clean run")
        clean = bench.events(frames)
        found = DegradationReport(plan.media, plan.speed, plan.seed, plan.settings.window, line_of(clean), [])
        for number, what in enumerate(tried, start=1):
            report(number, len(tried) + 1, what.name)
            degraded = bench.degraded(frames, clean, what) if not bench.stopped else None
            if degraded is None or bench.stopped:
                found.interrupted = True
                break
            found.found.append(degraded)
        return found


def line_of(events: Sequence[SentimentEvent]) -> Line:
    """Scores and trust over time."""
    return Line(
        [event.window.end for event in events],
        [event.sentiment.score for event in events],
        [even_score(event) for event in events],
        [trust_row(event) for event in events],
        [tuple(str(event.modalities[modality].state) for modality in MODALITIES) for event in events],
        [tuple(event.modalities[modality].reason for modality in MODALITIES) for event in events],
    )
