"""The visits of the page, as Prometheus reads them."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stream.server.reception import Reception


class VisitMeters(Collector):
    """Who is here, and who was turned away."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception

    def collect(self) -> Iterator[Metric]:
        """All of them, as they are now."""
        reception = self._reception
        yield GaugeMetricFamily("ebmc_sessions", "Sessions that are open", len(reception.here))
        yield GaugeMetricFamily("ebmc_sessions_limit", "Sessions that may be open at once", reception.limit)
        yield GaugeMetricFamily("ebmc_readers", "Readers of events", reception.hub.reading)
        yield CounterMetricFamily("ebmc_sessions_opened_total", "Sessions that were let in", reception.came)
        yield CounterMetricFamily(
            "ebmc_sessions_refused_total", "Sessions that found the house full", reception.refused
        )
