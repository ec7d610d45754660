"""What a running stream tells Prometheus. Each metric, its meaning and unit: `docs/operations.md`."""

import math
from collections import defaultdict
from collections.abc import Mapping
from importlib.metadata import version
from threading import Lock
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import generate_latest

from ebmc_core.modality import MODALITIES
from stream.event import SentimentEvent
from stream.records import State
from stream.stats import Reservoir, Summary

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.08, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0)  # seconds
MOST_NAMES = 64  # different values of a label that the code chooses; whatever comes after them is counted as "other"
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

    superseded: passes that newer speech made needless. skipped: seconds of speech that were never read.
    phantoms: passes whose words were refused, by the guard that refused them.
    """

    @property
    def passes(self) -> int: ...
    @property
    def superseded(self) -> int: ...
    @property
    def skipped(self) -> float: ...
    @property
    def phantoms(self) -> Mapping[str, int]: ...


class Metrics:
    """The meters of one process, for calls from any thread. An event costs 0.1 ms, anything else some microseconds.

    A label value that is not a stream comes from the code, so that the number of series is bounded by that of the
    streams that run: call `forget` last, when one has ended.
    """

    def __init__(self) -> None:
        disable_created_metrics()  # the library would add a series with a date to every counter
        self.registry = CollectorRegistry()
        self._lock = Lock()
        self._reservoirs: dict[str, Reservoir] = {}
        self._dropped: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._reconnects: defaultdict[str, int] = defaultdict(int)
        self._seen: dict[tuple[str, ...], float] = {}  # totals of others, as they were last told: (what, stream, ...)
        self._answering: tuple[str, str] | None = None
        self._names: dict[str, set[str]] = {}
        ProcessCollector(registry=self.registry)
        self._stage = Histogram(
            "ebmc_stage_seconds", "How long a stage took", ["stage"], registry=self.registry, buckets=BUCKETS
        )
        self._make_counters()
        self._make_gauges()
        self._version.labels(version("ebmc-stream")).set(1)

    def _make_counters(self) -> None:
        def counter(name: str, about: str, *labels: str) -> Counter:
            return Counter(f"ebmc_{name}_total", about, ["stream", *labels], registry=self.registry)

        self._events = counter("events", "Events, by the label they gave", "label")
        self._windows = counter("modality_windows", "Windows, by the state a modality had", "modality", "state")
        self._drops = counter("dropped", "What was dropped before it was used", "queue", "reason")
        self._source_reconnects = counter("source_reconnects", "Times a source was opened again")
        self._source_gaps = counter("source_gaps", "Holes in a source's time")
        self._passes = counter("speech_passes", "Recognition passes that were run")
        self._superseded = counter("speech_superseded", "Passes that newer speech made needless")
        self._skipped = counter("speech_skipped_seconds", "Speech that recognition skipped to keep up")
        self._phantoms = counter("speech_phantoms", "Passes whose words a guard refused", "guard")
        self._counters = (
            self._events, self._windows, self._drops, self._source_reconnects, self._source_gaps, self._passes,
            self._superseded, self._skipped, self._phantoms,
        )  # fmt: skip

    def _make_gauges(self) -> None:
        def gauge(name: str, about: str, *labels: str) -> Gauge:
            return Gauge(f"ebmc_{name}", about, ["stream", *labels], registry=self.registry)

        self._trust = gauge("trust_ratio", "Trust in a modality, newest event", "modality")
        self._quality = gauge("quality_ratio", "Measured quality of a modality, newest event", "modality")
        self._age = gauge("age_seconds", "Age of a modality's last sample, newest event", "modality")
        self._state = gauge("state", "1 for the state a modality has, newest event", "modality", "state")
        self._score = gauge("score", "Sentiment -1..1, newest event; NaN when unknown")
        self._faces = gauge("faces", "Faces in view, newest event")
        self._lag = gauge("lag_seconds", "Now minus the event time of the newest closed window")
        self._factor = gauge("realtime_ratio", "Event time done per second")
        self._depth = gauge("queue_items", "Items waiting in a queue", "queue")
        self._up = gauge("source_up", "Whether a source is open")
        self._skew = gauge("audio_video_skew_seconds", "How far the sound is ahead of the pictures")
        self._gauges = (
            self._trust, self._quality, self._age, self._state, self._score, self._faces, self._lag, self._factor,
            self._depth, self._up, self._skew,
        )  # fmt: skip
        self._engine = Gauge(
            "ebmc_engine_info", "1 for the engine of the newest event", ["backend", "model"], registry=self.registry
        )
        self._version = Gauge("ebmc_build_info", "1 for the version that runs", ["version"], registry=self.registry)

    def stage(self, name: str, seconds: float) -> None:
        """A stage took this long."""
        name = self._bounded("stage", name)
        self._stage.labels(name).observe(max(0.0, seconds))
        with self._lock:
            self._reservoirs.setdefault(name, Reservoir()).add(max(0.0, seconds))

    def event(self, event: SentimentEvent) -> None:
        """An event was published."""
        stream = event.window.stream
        self._events.labels(stream, event.sentiment.label).inc()
        for modality in MODALITIES:
            report = event.modalities[modality]
            self._trust.labels(stream, modality.value).set(event.trust[modality])
            self._quality.labels(stream, modality.value).set(report.quality)
            self._age.labels(stream, modality.value).set(report.age)
            self._windows.labels(stream, modality.value, report.state.value).inc()
            for state in State:
                self._state.labels(stream, modality.value, state.value).set(state is report.state)
        score = event.sentiment.score
        self._score.labels(stream).set(math.nan if score is None else score)
        self._faces.labels(stream).set(event.faces)
        self._answered(event.engine.backend, event.engine.model)

    def dropped(self, stream: str, queue: str, reason: str, count: float = 1) -> None:
        """So many items of a queue were dropped, for this reason."""
        queue, reason = self._bounded("queue", queue), self._bounded("reason", reason)
        self._drops.labels(stream, queue, reason).inc(count)
        with self._lock:
            self._dropped[queue, reason] += count

    def lag(self, stream: str, seconds: float) -> None:
        """Now minus the event time of the newest closed window."""
        self._lag.labels(stream).set(seconds)

    def factor(self, stream: str, ratio: float) -> None:
        """Event time done per second of wall clock; 1 is real time."""
        self._factor.labels(stream).set(ratio)

    def depth(self, queue: str, items: int, stream: str = "") -> None:
        """Items that wait in a queue. stream: whose it is; none for a queue that all streams share."""
        self._depth.labels(stream, self._bounded("queue", queue)).set(items)

    def source(self, stream: str, condition: Condition) -> None:
        """How a source is now."""
        self._up.labels(stream).set(condition.state == OPEN)
        self._skew.labels(stream).set(condition.skew)
        reconnects = self._fresh(condition.reconnects, "reconnects", stream)
        self._source_reconnects.labels(stream).inc(reconnects)
        self._source_gaps.labels(stream).inc(self._fresh(condition.gaps, "gaps", stream))
        if reconnects:
            with self._lock:
                self._reconnects[stream] += round(reconnects)
        for reason, total in list(condition.dropped.items()):
            if count := self._fresh(total, "dropped", stream, reason):
                self.dropped(stream, "source", reason, count)

    def speech(self, stream: str, counts: SpeechCounts) -> None:
        """What recognition did for a stream so far."""
        self._passes.labels(stream).inc(self._fresh(counts.passes, "passes", stream))
        self._superseded.labels(stream).inc(self._fresh(counts.superseded, "superseded", stream))
        self._skipped.labels(stream).inc(self._fresh(counts.skipped, "skipped", stream))
        for guard, total in list(counts.phantoms.items()):
            count = self._fresh(total, "phantoms", stream, guard)
            self._phantoms.labels(stream, self._bounded("guard", guard)).inc(count)

    def forget(self, stream: str) -> None:
        """A stream has ended: it leaves no series behind. What it did stays in the summary."""
        for meter in (*self._counters, *self._gauges):
            meter.remove_by_labels({"stream": stream})
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
            self._engine.clear()
            self._engine.labels(backend, model).set(1)
            self._answering = (backend, model)

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
