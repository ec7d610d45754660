"""Random faults on live streams, all at once, and the laws that must hold all the same."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stream.bench.counted import counted as counted_front
from stream.bench.failing import Moments, SlowSink, failing_front, moments
from stream.bench.faults import Fault, FaultKind, FaultyReel, schedule
from stream.bench.laws import Law, bounded, counted, in_its_place, law, never_silent, once_and_in_order, trust_shared
from stream.bench.laws import valid as fits
from stream.bench.machine import usage
from stream.bench.pace import PaceClock
from stream.bench.plot_chaos import plot_chaos
from stream.bench.pushed import PushedSource
from stream.bench.reel import DecodedReel, decoded_reel
from stream.bench.report import Table
from stream.bench.tally import Tally
from stream.bench.trial import BUSY, stopping
from stream.front_ends import load_front_ends
from stream.fusion import open_fusion
from stream.pipeline import Run, run
from stream.settings import Settings
from stream.sources.source import BUNDLED_CLIP, bundled_clip

GRACE = 15.0  # seconds on the wall clock to give the last events after the sources have ended
SLACK = 3.0  # seconds that a stream may be silent, whatever its source does
SAMPLE = 0.5  # seconds between two looks at the memory
FAILS, SLOW = "front ends fail", "slow sink"


@dataclass(frozen=True, slots=True)
class ChaosPlan:
    """seconds in real time on so many streams. kinds: faults of the sources."""

    media: tuple[str, ...]
    streams: int
    seconds: float
    seed: int
    settings: Settings
    kinds: tuple[FaultKind, ...] = tuple(FaultKind)


@dataclass(slots=True)
class ChaosReport:
    """injected: faults by kind; touched: frames, calls or events that they hit. came: (seconds, stream, index).

    dropped, left_out: by reason, at the sources and in the sessions. looked: pictures that were looked at.
    """

    seed: int
    streams: int
    seconds: float
    injected: dict[str, int] = field(default_factory=dict[str, int])
    touched: dict[str, int] = field(default_factory=dict[str, int])
    dropped: dict[str, int] = field(default_factory=dict[str, int])
    left_out: dict[str, int] = field(default_factory=dict[str, int])
    looked: int = 0
    laws: list[Law] = field(default_factory=list[Law])
    faults: dict[str, list[Fault]] = field(default_factory=dict[str, list[Fault]])
    came: list[tuple[float, str, int]] = field(default_factory=list[tuple[float, str, int]])
    memory: list[float] = field(default_factory=list[float])
    interrupted: bool = False

    @property
    def good(self) -> bool:
        """Whether every law held."""
        return all(one.held for one in self.laws)

    def tables(self) -> list[Table]:
        """Faults, then laws."""
        title = f"{self.streams} streams, {self.seconds:.0f} s, seed {self.seed}"
        faults = tuple((kind, str(count), str(self.touched.get(kind, 0))) for kind, count in self.injected.items())
        counts = Counter(self.dropped) + Counter(self.left_out)
        note = f"dropped and counted: {', '.join(f'{n} {why}' for why, n in counts.items()) or 'nothing'}"
        laws = tuple((one.name, "held" if one.held else "BROKEN", one.detail) for one in self.laws)
        return [Table(title, ("fault", "times", "hit"), faults, note), Table("", ("law", "", ""), laws)]

    def plot(self, path: Path) -> None:
        """When events came, and what was wrong then."""
        faults = {stream: [(f.start, f.end, str(f.kind)) for f in found] for stream, found in self.faults.items()}
        plot_chaos(path, faults, self.came)


@dataclass(slots=True)
class Ending:
    """How the run ended."""

    crashed: list[str] = field(default_factory=list[str])
    overdue: bool = False
    interrupted: bool = False


def chaos(plan: ChaosPlan, report: Callable[[float], None]) -> ChaosReport:
    """Run it and check the laws. report: hears how many seconds were played."""
    clock, rng = PaceClock(), np.random.default_rng(plan.seed)
    found = ChaosReport(plan.seed, plan.streams, plan.seconds)
    reels = [faulty_reel(plan, number, rng) for number in range(plan.streams)]
    sources = [PushedSource(f"stream-{n + 1:02d}", reel, clock, plan.seconds) for n, reel in enumerate(reels)]
    with (
        load_front_ends(plan.settings, lambda line: None) as front,
        open_fusion(plan.settings) as engine,
    ):
        fails, slow = (moments(clock, clock.now(), plan.seconds, rng) for _ in range(2))
        sink, tally, seeing = SlowSink(clock, slow), Tally(), counted_front(failing_front(front, fails))
        this = Run(seeing, engine, [sink], clock, plan.settings, metrics=tally)
        ending = asyncio.run(_play(sources, this, plan, found, report))
    _fill(found, sources, reels, {FAILS: fails, SLOW: slow})
    found.looked, found.left_out = seeing.looked["pictures"], dict(tally.left_out())
    found.came, found.interrupted = _came(sources, sink), ending.interrupted
    found.laws = laws(plan, found, sources, sink, ending, [str(error) for error in this.broken])
    return found


def faulty_reel(plan: ChaosPlan, number: int, rng: np.random.Generator) -> FaultyReel:
    """The reel of stream `number`, with faults of its own."""
    media = plan.media[number % len(plan.media)]
    reel = decoded_reel(bundled_clip() if media == BUNDLED_CLIP else Path(media), plan.settings.video_rate)
    reel = DecodedReel(reel.path, reel.video_rate, number / plan.streams * reel.length, reel.length, reel.kinds)
    return FaultyReel(reel, schedule(plan.seconds, plan.kinds, rng), int(rng.integers(1 << 31)))


def laws(
    plan: ChaosPlan,
    found: ChaosReport,
    sources: Sequence[PushedSource],
    sink: SlowSink,
    ending: Ending,
    broken: Sequence[str],
) -> list[Law]:
    """Every law, on what came out."""
    fed, spans = Counter[str](), dict[str, tuple[float, float]]()
    ends = Counter[str](pictures=found.looked + found.left_out.get(BUSY, 0))
    for source in sources:
        spans[source.name] = source.moment(plan.settings.window), source.moment(min(plan.seconds, source.reached))
        fed["pictures"] += source.fed["pictures"]
        ends["pictures"] += sum(source.condition.dropped.values())  # more than pictures, so this errs on one side
    hung = ["it had to be stopped"] if ending.overdue else []
    return [
        law("it does not crash", ending.crashed, "no error"),
        law("no source is given up", broken, f"{len(sources)} sources"),
        law("it ends when its sources do", hung, f"within {GRACE:.0f} s"),
        once_and_in_order(sink.events, [source.name for source in sources]),
        in_its_place(sink.events, plan.settings.hop, plan.settings.window),
        fits(sink.events),
        trust_shared(sink.events),
        never_silent(sink.events, sink.moments, spans, SLACK),
        bounded(found.memory),
        counted(fed, ends),
    ]


async def _play(
    sources: Sequence[PushedSource], this: Run, plan: ChaosPlan, found: ChaosReport, report: Callable[[float], None]
) -> Ending:
    ending = Ending()
    async with asyncio.TaskGroup() as tasks:
        limit = asyncio.timeout(None)
        watch = tasks.create_task(_watch(sources, this, plan, limit, found, report))
        try:
            with stopping(this):
                async with limit:
                    await run(sources, this)
        except TimeoutError:
            ending.overdue = True
        except Exception as error:  # whatever it is, it is what was looked for
            ending.crashed += [repr(inner) for inner in leaves(error)]
        finally:
            watch.cancel()
    ending.interrupted = this.stop.is_set()
    return ending


async def _watch(
    sources: Sequence[PushedSource],
    this: Run,
    plan: ChaosPlan,
    limit: asyncio.Timeout,
    found: ChaosReport,
    report: Callable[[float], None],
) -> None:
    """Sample the memory and tell how far it is; once the sources have ended, only the grace is left."""
    loop, ended = asyncio.get_running_loop(), False
    while True:
        slowest = min(source.reached for source in sources)
        report(min(plan.seconds, slowest))
        found.memory.append(usage().memory)
        if not ended and (slowest >= plan.seconds or this.stop.is_set()):
            ended = True
            limit.reschedule(loop.time() + GRACE)
        await asyncio.sleep(SAMPLE)


def _fill(
    found: ChaosReport, sources: Sequence[PushedSource], reels: Sequence[FaultyReel], others: dict[str, Moments]
) -> None:
    injected, touched, dropped = Counter[str](), Counter[str](), Counter[str]()
    for source, reel in zip(sources, reels, strict=True):
        found.faults[source.name] = list(reel.faults)
        injected.update(str(fault.kind) for fault in reel.faults)
        touched.update({str(kind): count for kind, count in reel.touched.items()})
        dropped += source.condition.dropped
    for name, wrong in others.items():
        injected[name], touched[name] = len(wrong.spans), wrong.struck
    found.injected, found.touched, found.dropped = dict(injected), dict(touched), dict(dropped)


def _came(sources: Sequence[PushedSource], sink: SlowSink) -> list[tuple[float, str, int]]:
    begun = {source.name: source.moment(0.0) for source in sources}
    return [
        (moment - begun[event.window.stream], event.window.stream, event.window.index)
        for event, moment in zip(sink.events, sink.moments, strict=True)
    ]


def leaves(error: BaseException) -> list[BaseException]:
    """The errors inside a group of errors."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves(inner)]
    return [error]
