"""What `ebmc ingest` has sent, as Prometheus reads it."""

from collections.abc import Iterator
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class Sent(Protocol):
    """What is read of an ingest. media, lag: seconds. size: bytes. late: frames that came too late for their chunk."""

    stream: str
    chunks: int
    media: float
    size: int
    late: int
    lag: float | None


class IngestMeters(Collector):
    """One source on its way to the topic. What waits for the brokers, and the source itself, are told as anywhere."""

    def __init__(self, sent: Sent) -> None:
        self._sent = sent

    def collect(self) -> Iterator[Metric]:
        """All of them, as they are now."""
        sent = self._sent
        for name, about, value in (
            ("chunks", "Chunks that were cut", sent.chunks),
            ("media_seconds", "Seconds of media in them", sent.media),
            ("bytes", "Bytes of media in them", sent.size),
            ("late_frames", "Frames that came too late for their chunk", sent.late),
        ):
            family = CounterMetricFamily(f"ebmc_ingest_{name}_total", about, labels=["stream"])
            family.add_metric([sent.stream], value)
            yield family
        lag = GaugeMetricFamily(
            "ebmc_ingest_lag_seconds",
            "From the end of a live source's newest chunk until it was cut",
            labels=["stream"],
        )
        if sent.lag is not None:
            lag.add_metric([sent.stream], sent.lag)
        yield lag
