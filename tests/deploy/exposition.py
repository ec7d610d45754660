"""Every metric that the program has, with its labels, from registries that were really moved."""

from collections import Counter, defaultdict
from types import SimpleNamespace

from prometheus_client import CollectorRegistry

from stream.chunks.counts import Counts, WorkMeters
from stream.chunks.ingest_meters import IngestMeters
from stream.health import watched
from stream.server.hub import Hub
from stream.server.meters import VisitMeters
from stream.server.reception import Reception
from tests.stream.events import event

# of others: Prometheus itself, and NVIDIA's exporter
FOREIGN = {
    "up": {"job", "instance"},
    "ALERTS": {"alertname", "alertstate", "severity", "job", "instance", "stream"},
} | {
    f"DCGM_FI_DEV_{name}": {"gpu", "job", "instance"}
    for name in ("GPU_UTIL", "FB_USED", "FB_FREE", "POWER_USAGE", "GPU_TEMP", "XID_ERRORS")
}
TARGET = {"job", "instance"}  # that Prometheus adds


def metrics() -> dict[str, set[str]]:
    """The names of all series and the labels that they have when Prometheus has read them."""
    found: dict[str, set[str]] = defaultdict(set)
    for family in _registry().collect():
        for sample in family.samples:
            found[sample.name] |= set(sample.labels) | TARGET
    return {**found, **FOREIGN}


def _registry() -> CollectorRegistry:
    """What `run`, `worker`, `ingest` and `demo` register, each series of it with a value."""
    metrics, _ = watched()
    counts = Counts(metrics=metrics)
    counts.lag[0] = 0
    counts.took(SimpleNamespace(partition=0, timestamp=0))
    sent = SimpleNamespace(stream="s", chunks=1, media=1.0, size=1, late=0, lag=1.0)
    for collector in (WorkMeters(counts), IngestMeters(sent), VisitMeters(Reception(Hub(), 8))):
        metrics.registry.register(collector)
    condition = SimpleNamespace(state="open", reconnects=1, gaps=1, dropped=Counter(late=1), skew=0.0)
    speech = SimpleNamespace(passes=1, superseded=1, skips=1, skipped=1.0, phantoms=Counter(loop=1))
    metrics.source("s", condition)
    metrics.speech("s", speech)
    metrics.event(event(stream="s"))
    metrics.stage("total", 0.1)
    metrics.lag("s", 0.1)
    metrics.factor("s", 1.0)
    metrics.depth("windows", 1, "s")
    metrics.kept("media", False, 0.0)
    return metrics.registry
