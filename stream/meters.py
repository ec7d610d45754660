"""The meters of a process: their names, labels and what they are about. `stream/metrics.py` moves them."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.08, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0)  # seconds


class StreamMeters:
    """What is told of each stream: every meter has the label `stream`, and its series go when the stream does."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, about: str, *labels: str) -> Counter:
            return Counter(f"ebmc_{name}_total", about, ["stream", *labels], registry=registry)

        def gauge(name: str, about: str, *labels: str) -> Gauge:
            return Gauge(f"ebmc_{name}", about, ["stream", *labels], registry=registry)

        self.events = counter("events", "Events, by the label they gave", "label")
        self.windows = counter("modality_windows", "Windows, by the state a modality had", "modality", "state")
        self.drops = counter("dropped", "What was dropped before it was used", "queue", "reason")
        self.reconnects = counter("source_reconnects", "Times a source was opened again")
        self.gaps = counter("source_gaps", "Holes in a source's time")
        self.passes = counter("speech_passes", "Recognition passes that were run")
        self.superseded = counter("speech_superseded", "Passes that newer speech made needless")
        self.skips = counter("speech_skips", "Times recognition skipped to the newest speech")
        self.skipped = counter("speech_skipped_seconds", "Speech that recognition skipped to keep up")
        self.phantoms = counter("speech_phantoms", "Words that a guard did not believe", "guard")
        self.trust = gauge("trust_ratio", "Trust in a modality, newest event", "modality")
        self.quality = gauge("quality_ratio", "Measured quality of a modality, newest event", "modality")
        self.age = gauge("age_seconds", "Age of a modality's last sample, newest event", "modality")
        self.state = gauge("state", "1 for the state a modality has, newest event", "modality", "state")
        self.score = gauge("score", "Sentiment -1..1, newest event; NaN when unknown")
        self.faces = gauge("faces", "Faces in view, newest event")
        self.lag = gauge("lag_seconds", "Now minus the event time of the newest closed window")
        self.factor = gauge("realtime_ratio", "Event time done per second")
        self.depth = gauge("queue_items", "Items waiting in a queue", "queue")
        self.up = gauge("source_up", "Whether a source is open")
        self.skew = gauge("audio_video_skew_seconds", "How far the sound is ahead of the pictures")

    def __iter__(self) -> Iterator[Counter | Gauge]:
        return iter(vars(self).values())


class ProcessMeters:
    """What is told of the process as a whole, and of its topics and engine."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, about: str, *labels: str) -> Gauge:
            return Gauge(f"ebmc_{name}", about, labels, registry=registry)

        self.stage = Histogram(
            "ebmc_stage_seconds", "How long a stage took", ["stage"], buckets=BUCKETS, registry=registry
        )
        self.engine = gauge("engine_info", "1 for the engine of the newest event", "backend", "model")
        self.takeovers = Counter(
            "ebmc_engine_takeovers_total", "Times another engine had to answer from then on", registry=registry
        )
        self.version = gauge("build_info", "1 for the version that runs", "version")
        self.away = gauge("brokers_away", "1 while the brokers of a topic do not answer", "topic")
        self.spilled = gauge("spill_bytes", "What waits on disk for the brokers of a topic", "topic")
