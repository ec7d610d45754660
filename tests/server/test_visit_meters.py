"""Who is on the page, as Prometheus reads it; and where `ebmc demo` tells it."""

import re
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry

from stream.server.hub import Hub
from stream.server.messages import VisitError
from stream.server.meters import VisitMeters
from stream.server.reception import Reception
from tests.server.serving import served


def test_visits_are_counted_and_so_are_those_that_found_the_house_full() -> None:
    registry, reception = CollectorRegistry(), Reception(Hub(), limit=2)
    registry.register(VisitMeters(reception))
    first, _ = reception.enter(), reception.enter()
    with pytest.raises(VisitError):
        reception.enter()
    reception.leave(first)
    with reception.hub.reader():
        values = {name: registry.get_sample_value(f"ebmc_{name}") for name in ("sessions", "sessions_limit", "readers")}
    assert values == {"sessions": 1, "sessions_limit": 2, "readers": 1}
    assert registry.get_sample_value("ebmc_sessions_opened_total") == 2
    assert registry.get_sample_value("ebmc_sessions_refused_total") == 1


def test_the_page_tells_its_metrics_without_its_token_where_it_is_told_to() -> None:
    token = {"EBMC_SERVER_TOKEN": "0123456789abcdef", "EBMC_ASR": "none"}
    with served("--metrics", "0", environment=token) as server:
        address = next(found[0] for line in server.said if (found := re.findall(r"http://[\d.:]+/metrics", line)))
        with urlopen(address, timeout=10) as answer:
            text = answer.read().decode()
    assert "ebmc_sessions_limit 8.0" in text
    assert "ebmc_ready 1.0" in text
