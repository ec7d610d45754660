"""Whether a process lives and is ready, and its metrics, over HTTP.

/metrics        Prometheus' text format
/health/live    200 while the event loop beats, else 503: restart the process
/health/ready   200 once models are loaded and every source is open, else 503: send nothing here yet
"""

import asyncio
import json
import socket
import socketserver
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stream.errors import SettingsError
from stream.metrics import OPEN, Condition, Metrics

HOST, PORT = "127.0.0.1", 9464
PATHS = ("/metrics", "/health/live", "/health/ready")
BEAT = 1.0  # seconds between two heartbeats
PATIENCE = 10.0  # seconds for a client to say what it wants

Environment = Mapping[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]
Application = Callable[[Environment, StartResponse], Iterable[bytes]]


@dataclass(slots=True)
class Health:
    """What the health pages tell. Written by the event loop, read by any thread.

    bound: age of the last heartbeat from which the loop counts as stuck, seconds. now: monotonic seconds.
    ends: whether it has been told to stop, or is over. label: under which name a stream of this process is told.
    """

    bound: float = 5.0
    now: Callable[[], float] = time.monotonic
    label: Callable[[str], str] = str
    _beat: float | None = None
    _loaded: bool = False
    _sources: dict[str, Condition] = field(default_factory=dict[str, Condition])
    _expected: set[str] = field(default_factory=set[str])
    ends: bool = False

    def beat(self) -> None:
        """The event loop is alive; call it at least every second."""
        self._beat = self.now()

    def loaded(self) -> None:
        """The models are loaded."""
        self._loaded = True

    def expect(self, stream: str) -> None:
        """A stream that is about to be opened."""
        self._expected.add(stream)

    def source(self, stream: str, condition: Condition) -> None:
        """A stream that should be open; its condition is looked at when somebody asks."""
        self._sources[stream] = condition
        self._expected.discard(stream)

    def forget(self, stream: str) -> None:
        """A stream has ended, and is not waited for any more."""
        self._sources.pop(stream, None)
        self._expected.discard(stream)

    def leaving(self) -> None:
        """The end has begun."""
        self.ends = True

    def stuck(self) -> float | None:
        """Seconds since the last heartbeat, when they are too many. Before the first there is no loop to be stuck."""
        return self.silent() if self.silent() > self.bound else None

    def silent(self) -> float:
        """Seconds since the last heartbeat; 0 before the first."""
        return self.now() - self._beat if self._beat is not None else 0.0

    def live(self) -> tuple[bool, dict[str, object]]:
        """Whether the process lives, and what the page about it says."""
        silent = self.stuck()
        return silent is None, {"live": True} if silent is None else {"live": False, "silent_seconds": round(silent, 1)}

    def ready(self) -> tuple[bool, dict[str, object]]:
        """Whether it can work, and what the page about it says."""
        waiting = self.unready()
        return not waiting, {"ready": not waiting, "waiting": waiting}

    def unready(self) -> dict[str, str]:
        """What is not ready, and how it is; empty when all is."""
        models = {} if self._loaded else {"models": "loading"}
        opening = {f"source {self.label(stream)}": "opening" for stream in sorted(self._expected)}
        states = [(self.label(stream), condition.state) for stream, condition in list(self._sources.items())]
        return models | opening | {f"source {stream}": state for stream, state in states if state != OPEN}


async def beat(health: Health) -> None:
    """Show that the event loop is alive, until it is cancelled."""
    while True:
        health.beat()
        await asyncio.sleep(BEAT)


@asynccontextmanager
async def beating(health: Health) -> AsyncGenerator[None]:
    """Beat while the block runs."""
    task = asyncio.ensure_future(beat(health))
    try:
        yield
    finally:
        task.cancel()


class _HealthMeters(Collector):
    """What the health pages tell, as metrics."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("ebmc_ready", "1 once it can work: /health/ready", not self._health.unready())
        yield GaugeMetricFamily(
            "ebmc_loop_silent_seconds", "Time since the event loop gave a sign of life", self._health.silent()
        )


def watched(label: Callable[[str], str] = str) -> tuple[Metrics, Health]:
    """The meters and the health of one process, and the health among the meters. label: as for both."""
    metrics, health = Metrics(label), Health(label=label)
    metrics.registry.register(_HealthMeters(health))
    return metrics, health


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0 takes a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address_from(text: str) -> Address:
    """`HOST:PORT`, `[IPv6]:PORT`, `PORT` or `HOST`; without a host, this machine alone. Raises `SettingsError`."""
    host, colon, port = text.rpartition(":")
    if text.endswith("]") or (not colon and not port.isdigit()):
        host, port = text, str(PORT)
    bare = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if not (port.isascii() and port.isdigit() and int(port) < 65536) or (":" in bare and bare == host):
        raise SettingsError(f"--metrics {text}: say HOST:PORT, for example {HOST}:{PORT}, with a port from 0 to 65535")
    return Address(bare or HOST, int(port))


@contextmanager
def pages(at: Address | None, metrics: Metrics, health: Health, report: Callable[[str], None]) -> Generator[None]:
    """Serve metrics and health while the block runs, and say where; nothing without an address."""
    if at is None:
        yield
        return
    with serving(at, metrics, health) as address:
        report(f"metrics and health: http://{address}/metrics, /health/live, /health/ready")
        yield


@contextmanager
def serving(address: Address, metrics: Metrics, health: Health) -> Generator[Address]:
    """Answer in threads of its own while the block runs; gives the address that was bound. Raises `SettingsError`."""
    kind = _Server6 if ":" in address.host else _Server
    try:
        server = make_server(address.host, address.port, _application(metrics, health), kind, _Handler)
    except OSError as error:  # the port is taken or not allowed, or this machine has no such address
        raise SettingsError(
            f"--metrics {address}: {error.strerror or error}; take another port, or 0 for any that is free"
        ) from error
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="metrics", daemon=True)
        thread.start()
        try:
            yield Address(address.host, server.server_port)
        finally:
            server.shutdown()
            thread.join()


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    """A thread for each request, none of which keeps the process alive."""

    daemon_threads = True

    def server_bind(self) -> None:
        """Bind without asking the network for this machine's name, which may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = PATIENCE  # a client that connects and says nothing must not hold a thread for ever

    def log_message(self, format: str, *args: object) -> None:
        """A scrape every few seconds is no news."""


def _application(metrics: Metrics, health: Health) -> Application:
    exposition: Application = make_wsgi_app(metrics.registry)

    def answer(environ: Environment, start: StartResponse) -> Iterable[bytes]:
        path = str(environ.get("PATH_INFO", ""))
        if path == "/metrics":
            return exposition(environ, start)
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _json(start, "405 Method Not Allowed", {"error": "only GET is answered here"})
        if path == "/health/live":
            return _told(start, *health.live())
        if path == "/health/ready":
            return _told(start, *health.ready())
        return _json(start, "404 Not Found", {"error": f"nothing at {path}", "try": list(PATHS)})

    return answer


def _told(start: StartResponse, good: bool, body: Mapping[str, object]) -> Iterable[bytes]:
    return _json(start, "200 OK" if good else "503 Service Unavailable", body)


def _json(start: StartResponse, status: str, body: Mapping[str, object]) -> Iterable[bytes]:
    content = json.dumps(body).encode() + b"\n"
    start(status, [("Content-Type", "application/json"), ("Content-Length", str(len(content)))])
    return [content]
