"""What a worker did and how far behind it is: counted by its lanes, read by Prometheus when it asks."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stream.metrics import Metrics

CAUSES = ("schema", "headers", "media", "codec", "size")  # told from the first moment on: an increase needs a beginning


@dataclass(slots=True)
class Counts:
    """What a worker did. letters: chunks it could not use, by cause. repeats: chunks that came again.

    shifts: how often it took its work up. lag: chunks of each partition that it has not taken yet; age: how old that
    taken last was, seconds. metrics: where delays are told.
    """

    chunks: int = 0
    windows: int = 0
    letters: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(CAUSES, 0)))
    repeats: int = 0
    taken_over: int = 0
    shifts: int = 0
    lag: dict[int, int] = field(default_factory=dict[int, int])
    age: dict[int, float] = field(default_factory=dict[int, float])
    metrics: Metrics | None = None

    def took(self, record: Any) -> None:
        """A chunk is about to be read; its timestamp is when it was cut."""
        self.chunks += 1
        self.age[record.partition] = max(0.0, time.time() - record.timestamp / 1000)

    def acknowledged(self, since: float) -> None:
        """A window that was sent at `since`, Unix seconds, is on the topic."""
        self.windows += 1
        if self.metrics:
            self.metrics.stage("kafka", time.time() - since)

    def delivered(self, seconds: float) -> None:
        """From the end of a live window, where it was ingested, to its event."""
        if self.metrics:
            self.metrics.stage("delivered", seconds)

    def gave_up(self, partition: int) -> None:
        """A partition is another worker's."""
        self.lag.pop(partition, None)
        self.age.pop(partition, None)


class WorkMeters(Collector):
    """Counts as metrics."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        """All of them, as they are now."""
        counts = self._counts
        for name, about, value in (
            ("chunks", "Chunks that a worker took", counts.chunks),
            ("windows", "Windows whose events are on the topic", counts.windows),
            ("repeats", "Chunks that came again", counts.repeats),
            ("takeovers", "Streams that another worker had begun", counts.taken_over),
            ("shifts", "Times a worker took up its work; each after the first follows a failure", counts.shifts),
        ):
            yield CounterMetricFamily(f"ebmc_worker_{name}_total", about, value)
        letters = CounterMetricFamily("ebmc_dead_letters_total", "Chunks that could not be used", labels=["cause"])
        for cause, count in dict(counts.letters).items():
            letters.add_metric([cause], count)
        yield letters
        waiting = GaugeMetricFamily("ebmc_worker_lag_chunks", "Chunks not taken yet", labels=["partition"])
        for partition, lag in dict(counts.lag).items():
            waiting.add_metric([str(partition)], lag)
        yield waiting
        ages = GaugeMetricFamily("ebmc_worker_chunk_age_seconds", "Age of the chunk taken last", labels=["partition"])
        for partition, age in dict(counts.age).items():
            ages.add_metric([str(partition)], age)
        yield ages
