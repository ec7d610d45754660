"""One try: so many streams fed in open loop for so long, and what came of it."""

import asyncio
import signal
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from stream.apart.decoders import Decoders, decoders_for
from stream.bench.arrivals import Arrivals
from stream.bench.clips import Clip
from stream.bench.counted import counted
from stream.bench.machine import Usage, usage
from stream.bench.pace import PaceClock
from stream.bench.played import PlayedSource
from stream.bench.quantiles import Spread, spread
from stream.bench.reel import DecodedReel, MemoryReel, Reel, decoded_reel, remembered
from stream.bench.tally import Tally
from stream.event import SentimentEvent
from stream.front_ends import load_front_ends
from stream.fusion import open_fusion
from stream.pipeline import Run, run
from stream.settings import Settings
from stream.sinks.sink import Sink

BUSY = "face analysis is busy"  # the reason under which a session counts a picture that it did not look at
GRACE = 10.0  # seconds on the wall clock that a pipeline has to give its last events after the sources have ended
SAMPLE = 2.0  # seconds on the wall clock between two looks at the process


@dataclass(frozen=True, slots=True)
class Trial:
    """What to try. seconds: measured, after `warmup`; both of event time, which passes `speed` times as fast as time.

    clips: what is played, taken in turn by the streams. memory: from memory, instead of decoded while it plays. keep:
    keep the events.
    """

    clips: tuple[Clip, ...]
    streams: int
    seconds: float
    warmup: float
    settings: Settings
    speed: float = 1.0
    memory: bool = False
    keep: bool = False


@dataclass(slots=True)
class Outcome:
    """What came of a try.

    due, came: events of the measured time. delays: window end to event, of each, ms on the wall clock. stages: the
    pipeline's own times, ms. fed, taken: frames by kind, into and out of the buffers of the sources. dropped: there, by
    reason. left_out: what sessions did not look at, by reason. looked: pictures that were. speech: what recognition
    did. All of these count over the whole try. samples: looks at the process, from the end of the warm-up. late: how
    much later than due a source handed on a frame, seconds, at worst. overdue: it had to be stopped. interrupted: the
    person did.
    """

    due: int = 0
    came: int = 0
    delays: list[float] = field(default_factory=list[float])
    ends: list[float] = field(default_factory=list[float])
    stages: dict[str, Spread] = field(default_factory=dict[str, Spread])
    fed: Counter[str] = field(default_factory=Counter[str])
    taken: Counter[str] = field(default_factory=Counter[str])
    dropped: Counter[str] = field(default_factory=Counter[str])
    left_out: Counter[str] = field(default_factory=Counter[str])
    looked: int = 0
    speech: Counter[str] = field(default_factory=Counter[str])
    samples: list[Usage] = field(default_factory=list[Usage])
    events: list[SentimentEvent] = field(default_factory=list[SentimentEvent])
    moments: list[float] = field(default_factory=list[float])
    begun: dict[str, float] = field(default_factory=dict[str, float])
    played: float = 0.0
    late: float = 0.0
    overdue: bool = False
    interrupted: bool = False
    broken: list[str] = field(default_factory=list[str])

    @property
    def delay(self) -> Spread:
        """Window end to event, ms on the wall clock."""
        return spread(self.delays)

    @property
    def lost(self) -> int:
        """Frames that were fed, and neither used nor counted as dropped; what an overdue run leaves behind is not."""
        if self.overdue or self.interrupted:
            return 0
        waiting = sum(self.fed.values()) - sum(self.taken.values()) - sum(self.dropped.values())
        unseen = self.taken["pictures"] - self.looked - self.left_out[BUSY]
        return max(0, waiting) + max(0, unseen)

    @property
    def cores(self) -> float | None:
        """Cores that were busy in the measured time."""
        return self.samples[-1].cores_since(self.samples[0]) if len(self.samples) > 1 else None

    @property
    def others(self) -> float | None:
        """Cores that were busy for other processes meanwhile."""
        return self.samples[-1].others_since(self.samples[0]) if len(self.samples) > 1 else None

    @property
    def memory(self) -> float | None:
        """Most resident memory in the measured time, MB."""
        return max((sample.memory for sample in self.samples), default=None)


def attempt(trial: Trial, report: Callable[[float], None], sinks: Sequence[Sink] = ()) -> Outcome:
    """Load everything, play, measure. report: hears how many seconds of event time were played. sinks: have each event
    before its time is taken.
    """
    clock, outcome = PaceClock(trial.speed), Outcome()
    total = trial.warmup + trial.seconds
    sources = [
        PlayedSource(f"stream-{n + 1:02d}", reel, clock, total, wait=trial.settings.hop * n / trial.streams)
        for n, reel in enumerate(reels_of(trial))
    ]
    arrivals = Arrivals({s.name: s for s in sources}, clock, trial.keep)
    with (
        load_front_ends(trial.settings, lambda line: None) as front,
        open_fusion(trial.settings) as engine,
    ):
        tally, seeing = Tally(), counted(front)
        this = Run(seeing, engine, [*sinks, arrivals], clock, trial.settings, metrics=tally)
        with decoders_for([] if trial.memory else sources, trial.settings) as decoders:
            looks = partial(_watch, sources, decoders, tally, trial, outcome, report)
            outcome.interrupted = asyncio.run(_play(sources, this, looks, trial, outcome))
    outcome.stages, outcome.left_out = tally.stages(trial.speed), tally.left_out()
    outcome.looked, outcome.speech = seeing.looked["pictures"], tally.recognition()
    outcome.broken = [str(error) for error in this.broken]
    _fill(outcome, trial, sources, arrivals)
    return outcome


def reels_of(trial: Trial) -> list[Reel]:
    """A reel per stream, each beginning at another place of its clip."""
    opened = [decoded_reel(clip.path, trial.settings.video_rate) for clip in trial.clips]
    kept = [remembered(reel) for reel in opened] if trial.memory else []
    reels: list[Reel] = []
    for number in range(trial.streams):
        which, share = number % len(opened), number / trial.streams
        reel = opened[which]
        start = share * reel.length
        if trial.memory:
            reels.append(MemoryReel(kept[which], reel.length, start, reel.kinds))
        else:
            reels.append(DecodedReel(reel.path, reel.video_rate, start, reel.length, reel.kinds))
    return reels


async def _play(
    sources: Sequence[PlayedSource],
    this: Run,
    watch: Callable[[], Coroutine[None, None, None]],
    trial: Trial,
    outcome: Outcome,
) -> bool:
    """Run the pipeline until it has ended or is overdue; returns whether it was interrupted."""
    total = trial.warmup + trial.seconds
    async with AsyncExitStack() as opened, asyncio.TaskGroup() as tasks:
        for sink in this.sinks:
            await opened.enter_async_context(sink)
        with stopping(this):
            limit = asyncio.timeout(None)
            watches = (
                tasks.create_task(watch()),
                tasks.create_task(_guard(sources, this, total / trial.speed, limit)),
            )
            try:
                async with limit:
                    await run(sources, this)
            except TimeoutError:
                outcome.overdue = not this.stop.is_set()
            finally:
                for task in watches:
                    task.cancel()
    return this.stop.is_set()


async def _guard(sources: Sequence[PlayedSource], this: Run, seconds: float, limit: asyncio.Timeout) -> None:
    """End the run when its sources, or the person, have ended it and the last events do not come."""
    for source in sources:
        await source.started.wait()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await this.stop.wait()
    limit.reschedule(asyncio.get_running_loop().time() + GRACE)


async def _watch(
    sources: Sequence[PlayedSource],
    decoders: Decoders,
    tally: Tally,
    trial: Trial,
    outcome: Outcome,
    report: Callable[[float], None],
) -> None:
    """Look at the processes and tell how far it is, until the sources end."""
    warmup, total = trial.warmup, trial.warmup + trial.seconds
    while True:
        slowest = min(source.reached for source in sources)
        outcome.played = max(outcome.played, min(total, slowest))
        report(outcome.played)
        tally.measuring = warmup <= slowest
        if warmup <= slowest <= total:
            outcome.samples.append(usage(decoders.pids))
        await asyncio.sleep(SAMPLE if slowest > warmup else 0.2)


def _fill(outcome: Outcome, trial: Trial, sources: Sequence[PlayedSource], arrivals: Arrivals) -> None:
    """What the sink, the sources and the run know."""
    last = outcome.played if outcome.interrupted else trial.warmup + trial.seconds
    measured = arrivals.between(trial.warmup, last)
    hop, size = trial.settings.hop, trial.settings.window
    ends = (size + index * hop for index in range(int(last / hop) + 1))
    outcome.due = len(sources) * sum(trial.warmup < end <= last + 1e-6 for end in ends)
    outcome.came = len(measured)
    outcome.delays = [arrivals.delays[place] for place in measured]
    outcome.ends = [arrivals.ends[place] for place in measured]
    outcome.events, outcome.moments = arrivals.events, list(arrivals.moments)
    for source in sources:
        outcome.begun[source.name] = source.moment(0.0)
        outcome.late = max(outcome.late, source.condition.lateness)
        outcome.fed += source.condition.fed
        outcome.taken += source.taken
        outcome.dropped += source.condition.dropped


@contextmanager
def stopping(this: Run) -> Generator[None]:
    """The first Ctrl-C ends the sources, so that what was measured is still told; a second one is an error."""
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        if this.stop.is_set():
            loop.remove_signal_handler(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        this.stop.set()

    with suppress(NotImplementedError, RuntimeError):  # no signal handlers on Windows, nor outside the main thread
        loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        with suppress(NotImplementedError, RuntimeError):
            loop.remove_signal_handler(signal.SIGINT)
