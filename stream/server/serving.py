"""The server from the outside: load the models once, listen, let every visitor's stream into one pipeline, leave clean.

run(reception.sources(), …) ─events─▶ hub          one task
uvicorn ─▶ application ─▶ visits                   one task
the clip that the program itself plays ─▶ sinks    one task, if it was asked for
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Generator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field

import uvicorn

from stream.clock import WallClock
from stream.errors import INTERRUPTED, SettingsError
from stream.front_ends import load_front_ends
from stream.fusion import open_fusion
from stream.health import Address, pages, watched
from stream.interrupting import interruptible
from stream.pipeline import Run, run
from stream.runner import cause
from stream.server.access import Access, access_from
from stream.server.app import application
from stream.server.effects import voices
from stream.server.guest import GuestSource
from stream.server.hub import Hub
from stream.server.meters import VisitMeters
from stream.server.options import ServerSettings
from stream.server.peer import listen_on
from stream.server.reception import Reception
from stream.server.visit import House
from stream.service import notifying
from stream.settings import Settings
from stream.sinks.sink import Sink
from stream.sources.file import FileSource
from stream.sources.source import BUNDLED_CLIP, bundled_clip

GRACE = 2  # seconds that open connections have at the end


@dataclass(frozen=True, slots=True)
class Demo:
    """What `ebmc demo` does beside serving.

    sinks: where the events of the clip go that the program itself plays; None: it plays none. leave: end with it.
    opened: called with the address once it is served. metrics: where to serve metrics and health beside the page's own
    address, without a token; None for nowhere.
    """

    sinks: Sequence[Sink] | None = None
    leave: bool = False
    opened: Callable[[str], None] = field(default=lambda address: None)
    metrics: Address | None = None


def serve(settings: Settings, demo: Demo, report: Callable[[str], None]) -> int:
    """Serve until Ctrl-C, or until the clip is over if that was asked for; gives its exit code. Raises `EbmcError`."""
    options, access = settings.server, access_from(settings.server)
    metrics, health = watched()
    with ExitStack() as stack:
        listening = stack.enter_context(_bound(options))
        stack.enter_context(pages(demo.metrics, metrics, health, report))
        stack.enter_context(notifying(health))
        front = stack.enter_context(load_front_ends(settings, report))
        engine = stack.enter_context(open_fusion(settings))
        voices()  # of the babble: decoded now, not while somebody waits
        hub = Hub()
        house = House(Reception(hub, options.sessions), settings, engine)
        metrics.registry.register(VisitMeters(house.reception))
        this = Run(front, engine, [hub], WallClock(), settings, realtime=True, metrics=metrics, health=health)
        listen_on(options.host)
        health.loaded()
        address = _address(options, access, listening)
        server = _Server(_configured(options, house, access, this), lambda: demo.opened(address))
        return asyncio.run(_serve(house, this, server, listening, demo, report))


async def _serve(
    house: House,
    this: Run,
    server: "_Server",
    listening: socket.socket,
    demo: Demo,
    report: Callable[[str], None],
) -> int:
    over = asyncio.Event()
    try:
        with interruptible(this.stop, lambda _: report("stopping (Ctrl-C again to stop at once)")):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(run(house.reception.sources(), this))
                tasks.create_task(server.serve(sockets=[listening]))
                if demo.sinks is not None:
                    tasks.create_task(play_clip(house, demo.sinks, over if demo.leave else asyncio.Event()))
                await _either(this.stop, over)
                _close(house, this, server)
    except BaseExceptionGroup as group:
        if error := cause(group):
            raise error from group
        raise
    return 0 if over.is_set() else INTERRUPTED


async def play_clip(house: House, sinks: Sequence[Sink], over: asyncio.Event) -> None:
    """Play the bundled clip as the stream `clip`, once, and write its events. Sets `over` when all is written."""
    hub = house.reception.hub
    async with AsyncExitStack() as opened:
        for sink in sinks:
            await opened.enter_async_context(sink)
        with hub.reader(BUNDLED_CLIP) as events:
            await house.reception.bring(
                GuestSource(FileSource(str(bundled_clip()), house.settings.video_rate), hub),
            )
            async for published in events:
                for sink in sinks:
                    await sink.send(published.event)
    over.set()


def _close(house: House, this: Run, server: "_Server") -> None:
    """Nobody is let in any more; who is here is told, and leaves."""
    this.health.leaving()
    house.closing.set()
    house.reception.close()
    this.stop.set()
    server.should_exit = True


async def _either(*events: asyncio.Event) -> None:
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()


class _Server(uvicorn.Server):
    """uvicorn, whose signals are ours. opened: called once it listens."""

    def __init__(self, config: uvicorn.Config, opened: Callable[[], None]) -> None:
        super().__init__(config)
        self._opened = opened

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        self._opened()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Ctrl-C is heard by `interruptible`."""
        yield


def _configured(options: ServerSettings, house: House, access: Access, this: Run) -> uvicorn.Config:
    return uvicorn.Config(
        application(house, access, this.metrics, this.health),
        http="h11",
        ws="websockets-sansio",
        ws_max_size=options.message_bytes,
        ws_per_message_deflate=False,  # a small message must not become a large one
        limit_concurrency=options.connections,
        timeout_graceful_shutdown=GRACE,
        lifespan="off",
        log_level="warning",
        access_log=False,
        log_config=None,
        server_header=False,
        ssl_certfile=options.certificate,
        ssl_keyfile=options.key,
    )


@contextmanager
def _bound(options: ServerSettings) -> Generator[socket.socket]:
    """A socket that listens; raises `SettingsError` when the address is taken, or the certificate cannot be used."""
    if options.key and not options.certificate:
        raise SettingsError("EBMC_SERVER_KEY: name the certificate too, with EBMC_SERVER_CERTIFICATE")
    if options.certificate:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(options.certificate, options.key)
        except (OSError, ssl.SSLError) as error:
            why = error.strerror or error
            raise SettingsError(f"--certificate {options.certificate}: cannot be used with its key ({why})") from None
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((options.host, options.port))
        except OSError as error:
            raise SettingsError(
                f"{options.host}:{options.port}: {error.strerror or error}; take another port with --port, 0 for any"
            ) from None
        listening.setblocking(False)
        yield listening


def _address(options: ServerSettings, access: Access, listening: socket.socket) -> str:
    """What to open in a browser."""
    scheme = "https" if options.certificate else "http"
    host = f"[{options.host}]" if ":" in options.host else options.host
    if options.host in ("0.0.0.0", "::"):
        host = socket.gethostname()
    address = f"{scheme}://{host}:{listening.getsockname()[1]}/"
    return f"{address}?token={access.token}" if access.token else address
