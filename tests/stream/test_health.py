"""Health and metrics over real HTTP."""

import http.client
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from stream.errors import SettingsError
from stream.health import Address, Health, address_from, serving, watched
from stream.metrics import Metrics
from tests.stream.test_metrics import Opened


@dataclass
class Page:
    """A server on a free port whose clock stands where the test puts it."""

    time: float = 100.0
    metrics: Metrics = field(default_factory=Metrics)
    health: Health = field(init=False)
    address: Address = field(default_factory=lambda: Address("127.0.0.1", 0))

    def __post_init__(self) -> None:
        self.health = Health(bound=2.0, now=lambda: self.time)

    def ask(self, path: str, method: str = "GET") -> tuple[int, str]:
        link = http.client.HTTPConnection(self.address.host, self.address.port, timeout=10)
        try:
            link.request(method, path)
            answer = link.getresponse()
            return answer.status, answer.read().decode()
        finally:
            link.close()

    def read(self, path: str) -> tuple[int, Any]:
        code, body = self.ask(path)
        return code, json.loads(body)


@pytest.fixture
def page() -> Iterator[Page]:
    page = Page()
    with serving(page.address, page.metrics, page.health) as address:
        page.address = address
        yield page


def test_it_lives_while_the_loop_beats(page: Page) -> None:
    assert page.read("/health/live") == (200, {"live": True})  # it loads; there is no loop yet
    page.health.beat()
    page.time += 1.9
    assert page.read("/health/live") == (200, {"live": True})
    page.time += 1.1
    assert page.read("/health/live") == (503, {"live": False, "silent_seconds": 3.0})
    page.health.beat()
    assert page.read("/health/live") == (200, {"live": True})


def test_it_is_ready_when_models_are_loaded_and_sources_open(page: Page) -> None:
    assert page.read("/health/ready") == (503, {"ready": False, "waiting": {"models": "loading"}})
    door, cam = Opened(), Opened(state="waiting")
    page.health.source("door", door)
    page.health.source("cam", cam)
    page.health.loaded()
    assert page.read("/health/ready") == (503, {"ready": False, "waiting": {"source cam": "waiting"}})
    cam.state = "open"
    assert page.read("/health/ready") == (200, {"ready": True, "waiting": {}})
    door.state = "waiting"
    assert page.read("/health/ready")[0] == 503
    page.health.forget("door")
    assert page.read("/health/ready")[0] == 200


def test_what_is_not_ready_is_called_as_its_user_calls_it() -> None:
    """A worker's runs of a stream have names of their own, as `cam-1@3`."""
    _, health = watched(lambda name: name.rpartition("@")[0] or name)
    health.loaded()
    health.expect("cam-1@3")
    assert health.unready() == {"source cam-1": "opening"}
    health.source("cam-1@3", Opened(state="waiting"))
    health.source("cam-1@4", Opened())
    assert health.unready() == {"source cam-1": "waiting"}
    health.forget("cam-1@3")
    assert health.unready() == {}


def test_metrics_are_served(page: Page) -> None:
    page.metrics.lag("cam", 0.25)
    code, body = page.ask("/metrics")
    assert code == 200 and 'ebmc_lag_seconds{stream="cam"} 0.25' in body


def test_other_paths_and_methods_have_a_hint(page: Page) -> None:
    code, found = page.read("/heath")
    assert code == 404 and found == {
        "error": "nothing at /heath",
        "try": ["/metrics", "/health/live", "/health/ready"],
    }
    assert page.ask("/health/live", "POST")[0] == 405
    assert page.ask("/health/live", "HEAD") == (200, "")


def test_a_silent_client_does_not_hold_the_others(page: Page) -> None:
    with socket.create_connection((page.address.host, page.address.port), timeout=10):
        assert page.ask("/health/live")[0] == 200


def test_a_port_in_use_says_how_to_mend_it(page: Page) -> None:
    with pytest.raises(SettingsError, match=r"--metrics 127\.0\.0\.1:\d+: .*in use; take another port, or 0") as caught:
        with serving(page.address, page.metrics, page.health):
            raise AssertionError("it was bound twice")
    assert caught.value.exit_code == 2


def test_the_port_is_free_again_afterwards() -> None:
    with serving(Address("127.0.0.1", 0), Metrics(), Health()) as first:
        pass
    with serving(first, Metrics(), Health()) as second:
        assert second == first


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("0.0.0.0:9000", "0.0.0.0", 9000),
        ("localhost:0", "localhost", 0),
        ("9000", "127.0.0.1", 9000),
        (":9000", "127.0.0.1", 9000),
        ("localhost", "localhost", 9464),
        ("[::1]:9000", "::1", 9000),
        ("[::1]", "::1", 9464),
    ],
)
def test_addresses(text: str, host: str, port: int) -> None:
    assert address_from(text) == Address(host, port)


@pytest.mark.parametrize("text", ["host:", "host:x", "host:70000", "::1", "::1:9000", ":-1"])
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(SettingsError, match="say HOST:PORT, for example"):
        address_from(text)


def test_a_host_that_is_not_here() -> None:
    with pytest.raises(SettingsError, match=r"--metrics 192\.0\.2\.1:0: "):
        with serving(Address("192.0.2.1", 0), Metrics(), Health()):
            raise AssertionError("it was bound")


def test_readiness_is_among_the_metrics() -> None:
    metrics, health = watched()
    assert "ebmc_ready 0.0" in metrics.text().decode()  # models are loading
    health.loaded()
    health.source("cam", Opened())
    assert "ebmc_ready 1.0" in metrics.text().decode()
    health.source("cam", Opened(state="waiting"))
    assert "ebmc_ready 0.0" in metrics.text().decode()


def test_a_loop_that_is_stuck_is_among_the_metrics() -> None:
    metrics, health = watched()
    assert "ebmc_loop_silent_seconds 0.0" in metrics.text().decode()
    moment = 100.0
    health.now = lambda: moment
    health.beat()
    moment = 107.5
    assert "ebmc_loop_silent_seconds 7.5" in metrics.text().decode()
