"""What a running stream tells Prometheus. Each metric, its meaning and unit: `docs/operations.md`."""

import math
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import version
from threading import Lock
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import generate_latest

from ebmc_core.modality import MODALITIES
from stream.event import SentimentEvent
from stream.meters import ProcessMeters, StreamMeters
from stream.records import State
from stream.stats import Reservoir, Summary

MOST_NAMES = 64  # different values of a label that the code chooses; whatever comes after them is counted as "other"
RECENT = 256  # streams that have ended, of which a late event is not told any more
OPEN = "open"


class Condition(Protocol):
    """How a source is: what `source` reads of it. The counts are totals since it was made, skew is in seconds."""

    @property
    def state(self) -> str: ...
    @property
    def reconnects(self) -> int: ...
    @property
    def gaps(self) -> int: ...
    @property
    def dropped(self) -> Mapping[str, int]: ...
    @property
    def skew(self) -> float: ...


class SpeechCounts(Protocol):
    """What speech recognition did for a stream: totals since it began.

    superseded: passes that newer speech made needless. skips: times it skipped to the newest speech, to keep up, and
    skipped: seconds of speech that were not read so. phantoms: words that were not believed, by guard.
    """

    @property
    def passes(self) -> int: ...
    @property
    def superseded(self) -> int: ...
    @property
    def skips(self) -> int: ...
    @property
    def skipped(self) -> float: ...
    @property
    def phantoms(self) -> Mapping[Any, int]: ...  # a mapping's keys have one type only: strings, or an enum of them


class Metrics:
    """The meters of one process, for calls from any thread. An event costs 0.1 ms, anything else some microseconds.

    A label value that is not a stream comes from the code, so that the number of series is bounded by that of the
    streams that run: call `forget` last, when one has ended.
    """

    def __init__(self, label: Callable[[str], str] = str) -> None:
        """label: under which name a stream of this process is told; several may share one."""
        disable_created_metrics()  # the library would add a series with a date to every counter
        self.registry = CollectorRegistry()
        self._label = label
        self._lock = Lock()
        self._reservoirs: dict[str, Reservoir] = {}
        self._dropped: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._reconnects: defaultdict[str, int] = defaultdict(int)
        self._seen: dict[tuple[str, ...], float] = {}  # totals of others, as they were last told: (what, stream, ...)
        self._answering: tuple[str, str] | None = None
        self._names: dict[str, set[str]] = {}
        self._labels: dict[str, set[str]] = {}  # the streams of this process that are told under a label
        self._gone: deque[str] = deque(maxlen=RECENT)
        ProcessCollector(registry=self.registry)
        self._streams, self._process = StreamMeters(self.registry), ProcessMeters(self.registry)
        self._process.version.labels(version("ebmc-stream")).set(1)

    def stage(self, name: str, seconds: float) -> None:
        """A stage took this long."""
        name = self._bounded("stage", name)
        self._process.stage.labels(name).observe(max(0.0, seconds))
        with self._lock:
            self._reservoirs.setdefault(name, Reservoir()).add(max(0.0, seconds))

    def event(self, event: SentimentEvent) -> None:
        """An event was published. The last ones of a stream may come when it is forgotten, and are not told."""
        if event.window.stream in self._gone:
            return
        stream = self._known(event.window.stream)
        self._streams.events.labels(stream, event.sentiment.label).inc()
        for modality in MODALITIES:
            report = event.modalities[modality]
            self._streams.trust.labels(stream, modality.value).set(event.trust[modality])
            self._streams.quality.labels(stream, modality.value).set(report.quality)
            self._streams.age.labels(stream, modality.value).set(report.age)
            self._streams.windows.labels(stream, modality.value, report.state.value).inc()
            for state in State:
                self._streams.state.labels(stream, modality.value, state.value).set(state is report.state)
        score = event.sentiment.score
        self._streams.score.labels(stream).set(math.nan if score is None else score)
        self._streams.faces.labels(stream).set(event.faces)
        self._answered(event.engine.backend, event.engine.model)

    def dropped(self, stream: str, queue: str, reason: str, count: float = 1) -> None:
        """So many items of a queue were dropped, for this reason."""
        queue, reason = self._bounded("queue", queue), self._bounded("reason", reason)
        self._streams.drops.labels(self._known(stream), queue, reason).inc(count)
        with self._lock:
            self._dropped[queue, reason] += count

    def lag(self, stream: str, seconds: float) -> None:
        """Now minus the event time of the newest closed window."""
        self._streams.lag.labels(self._known(stream)).set(seconds)

    def factor(self, stream: str, ratio: float) -> None:
        """Event time done per second of wall clock; 1 is real time."""
        self._streams.factor.labels(self._known(stream)).set(ratio)

    def depth(self, queue: str, items: int, stream: str = "") -> None:
        """Items that wait in a queue. stream: whose it is; none for a queue that all streams share."""
        self._streams.depth.labels(self._known(stream), self._bounded("queue", queue)).set(items)

    def source(self, stream: str, condition: Condition) -> None:
        """How a source is now. The first that is told of a stream."""
        with self._lock, suppress(ValueError):
            self._gone.remove(stream)
        label = self._known(stream)
        self._streams.up.labels(label).set(condition.state == OPEN)
        self._streams.skew.labels(label).set(condition.skew)
        reconnects = self._fresh(condition.reconnects, "reconnects", stream)
        self._streams.reconnects.labels(label).inc(reconnects)
        self._streams.gaps.labels(label).inc(self._fresh(condition.gaps, "gaps", stream))
        if reconnects:
            with self._lock:
                self._reconnects[stream] += round(reconnects)
        for reason, total in list(condition.dropped.items()):
            if count := self._fresh(total, "dropped", stream, reason):
                self.dropped(stream, "source", reason, count)

    def speech(self, stream: str, counts: SpeechCounts) -> None:
        """What recognition did for a stream so far."""
        label = self._known(stream)
        self._streams.passes.labels(label).inc(self._fresh(counts.passes, "passes", stream))
        self._streams.superseded.labels(label).inc(self._fresh(counts.superseded, "superseded", stream))
        self._streams.skips.labels(label).inc(self._fresh(counts.skips, "skips", stream))
        self._streams.skipped.labels(label).inc(self._fresh(counts.skipped, "skipped", stream))
        for guard, total in [(str(guard), total) for guard, total in counts.phantoms.items()]:
            count = self._fresh(total, "phantoms", stream, guard)
            self._streams.phantoms.labels(label, self._bounded("guard", guard)).inc(count)

    def kept(self, topic: str, away: bool, spilled: float) -> None:
        """Whether the brokers of a topic are away, and how many bytes wait on disk for them."""
        self._process.away.labels(topic).set(away)
        self._process.spilled.labels(topic).set(spilled)

    def forget(self, stream: str) -> None:
        """A stream has ended: it leaves no series behind. What it did stays in the summary."""
        label = self._label(stream)
        with self._lock:
            others = self._labels.pop(label, set()) - {stream}
            if others:
                self._labels[label] = others
            self._gone.append(stream)
        if not others:
            for meter in self._streams:
                meter.remove_by_labels({"stream": label})
        with self._lock:
            self._seen = {key: total for key, total in self._seen.items() if key[1] != stream}

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)

    def summary(self) -> Summary:
        """What was counted since the process began."""
        with self._lock:
            stages = {name: reservoir.percentiles() for name, reservoir in self._reservoirs.items()}
            return Summary(stages, dict(self._dropped), dict(self._reconnects))

    def _answered(self, backend: str, model: str) -> None:
        """The engine of the newest event; it changes when another had to take over."""
        if (backend, model) != self._answering:
            if self._answering:
                self._process.takeovers.inc()
            self._process.engine.clear()
            self._process.engine.labels(backend, model).set(1)
            self._answering = (backend, model)

    def _known(self, stream: str) -> str:
        """The label of a stream that runs."""
        label = self._label(stream)
        with self._lock:
            self._labels.setdefault(label, set()).add(stream)
        return label

    def _fresh(self, total: float, *key: str) -> float:
        """By how much a total has grown since it was last told; one that shrank has begun anew."""
        with self._lock:
            before = self._seen.get(key, 0.0)
            self._seen[key] = total
        return total - before if total >= before else total

    def _bounded(self, label: str, value: str) -> str:
        """The value, or `other` when the label has too many different ones already."""
        with self._lock:
            known = self._names.setdefault(label, set())
            if value not in known and len(known) >= MOST_NAMES:
                return "other"
            known.add(value)
        return value
