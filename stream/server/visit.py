"""One session, from its first message to its last: what a client says, what it sends, what it is told.

read ── configure ─▶ source ─▶ pipeline        write ◀── created, configured, events, status, changes, closed
     ── media ─────▶ feed
     ── change ────▶ effects
"""

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from engines.engine import Engine
from stream.channel import Channel, Closed
from stream.server.allowance import Allowance
from stream.server.entry import Entry, entry
from stream.server.guest import GuestSource
from stream.server.hub import Reader
from stream.server.messages import (
    CLOSE_CODES,
    DONE,
    PROTOCOL,
    REFUSED,
    RESTART,
    Change,
    Close,
    Code,
    Configure,
    Reason,
    VisitError,
    asked_from,
    changed_message,
    closed_message,
    error_message,
    switched,
)
from stream.server.reception import Reception
from stream.settings import Settings

log = logging.getLogger(__name__)

STATUS = 1.0  # seconds between two messages about how it goes
GONE = (WebSocketDisconnect, RuntimeError, TimeoutError, OSError)  # what sending to a client that left may raise
LINGER = 4.0  # seconds after the end of a session in which its last windows may still become events
OUT = 32  # messages beside the events that wait to be sent


@dataclass(frozen=True, slots=True, eq=False)
class House:
    """What all visits share. closing: set when the server ends."""

    reception: Reception
    settings: Settings
    engine: Engine
    closing: asyncio.Event = field(default_factory=asyncio.Event)


class Left(Exception):
    """The session is over. reason: why."""

    def __init__(self, reason: Reason, code: int = DONE) -> None:
        super().__init__(reason)
        self.reason, self.code = reason, code


class Visit:
    """A session on an accepted WebSocket. Whatever ends it, nothing of it is left after `run`."""

    def __init__(self, socket: WebSocket, house: House) -> None:
        self._socket, self._house, self._options = socket, house, house.settings.server
        self._messages = Allowance(self._options.messages_per_second)
        self._bytes = Allowance(self._options.bytes_per_second)
        self._out: Channel[Mapping[str, Any]] = Channel(OUT)

    async def run(self) -> None:
        """The whole session."""
        name = None
        try:
            name = self._house.reception.enter()
            await self._visit(name)
        except Left as left:
            await self._goodbye(left.reason, left.code)
        except VisitError as error:
            await self._complain(error.code, str(error))
        except (WebSocketDisconnect, TimeoutError, OSError) as error:
            log.info("session %s: the client went away, or does not take what it is sent (%r)", name, error)
        except Exception:
            log.exception("session %s failed", name)
            await self._complain(Code.INTERNAL, "the server made a mistake; its log says more")
        finally:
            if name:
                self._house.reception.leave(name)
                asyncio.get_running_loop().call_later(LINGER, self._house.reception.hub.forget, name)

    async def _visit(self, name: str) -> None:
        await self._send(self._created(name))
        try:
            async with asyncio.timeout(self._options.patience):
                configure = await self._configure()
        except TimeoutError:
            raise VisitError(Code.NOT_CONFIGURED, "nothing was asked for in time: send `configure` first") from None
        reception, client = self._house.reception, self._socket.client.host if self._socket.client else ""
        async with entry(name, configure, client, reception.hub, self._house.settings) as way:
            await self._send({"type": "session.configured", "source": configure.source, **way.told})
            with reception.hub.reader(name, early=True) as reader:
                await reception.bring(way.source)
                try:
                    await self._together(reader, way)
                finally:
                    way.source.leave()

    async def _together(self, reader: Reader, way: Entry) -> None:
        """Read, write, report and listen until one of them ends the session."""
        try:  # what ends it is an exception, so that it ends the others too
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(way))
                tasks.create_task(self._publish(reader, way.source))
                tasks.create_task(self._write())
                tasks.create_task(self._report(way))
                tasks.create_task(self._until_closing())
                tasks.create_task(way.listen())
        except ExceptionGroup as group:
            raise _first(group) from None

    async def _configure(self) -> Configure:
        message = await self._receive()
        if isinstance(message, bytes):
            raise VisitError(Code.NOT_CONFIGURED, "media before `configure`: say first what will be sent")
        match asked_from(message):
            case Configure() as configure:
                return configure
            case Close():
                raise Left(Reason.ASKED)
            case _:
                raise VisitError(Code.NOT_CONFIGURED, "send `configure` first")

    async def _read(self, way: Entry) -> None:
        """What the client says and sends."""
        source = way.source
        while True:
            message = await self._receive()
            if isinstance(message, bytes):
                if not way.pushed:
                    raise VisitError(Code.BAD_MESSAGE, "binary messages are for sessions whose source is `socket`")
                await asyncio.to_thread(way.pushed.take, message)
                continue
            match asked_from(message):
                case Change() as change:
                    source.switch(switched(source.effects.switches, change))
                    await self._out.send(changed_message(source.effects.switches))
                case Close():
                    raise Left(Reason.ASKED)
                case _:
                    raise VisitError(Code.BAD_MESSAGE, "a session is configured once: open another one")

    async def _receive(self) -> str | bytes:
        """The next message, if the client may send so much."""
        received = await self._socket.receive()
        if received["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(received.get("code", DONE))
        message = received.get("bytes") or received.get("text") or ""
        if not (self._messages.take(1) and self._bytes.take(len(message))):
            raise VisitError(
                Code.RATE_LIMITED,
                f"too much at once: {self._options.messages_per_second} messages and "
                f"{self._options.bytes_per_second} bytes a second are allowed",
            )
        return message

    async def _publish(self, reader: Reader, source: GuestSource) -> None:
        """The events of this session; when there are no more, it is over."""
        async for published in reader:
            kind = "early" if published.event.early else "event"
            age = f'{{"type": "{kind}", "age_ms": {published.age_ms():.1f}, "event": '
            await self._send_text(age + published.line + "}")
        if source.error:
            raise VisitError(Code.SOURCE_FAILED, str(source.error))
        raise Left(Reason.ENDED)

    async def _write(self) -> None:
        async for message in self._out:
            await self._send(message)

    async def _report(self, way: Entry) -> None:
        """How it goes, once a second. Ends a session to which nothing comes."""
        source, before, since = way.source, None, time.monotonic()
        while True:
            came = way.came
            if came is None or came != before:
                before, since = came, time.monotonic()
            sounds, pictures = came or (0, 0)
            if time.monotonic() - since > self._options.idle:
                raise Left(Reason.IDLE)
            status = {"type": "status", "seconds": round(source.seconds, 2), "audio_frames": sounds}
            dropped = {str(reason): count for reason, count in source.condition.dropped.items()}
            with suppress(Closed):
                await self._out.send(status | {"video_frames": pictures, "dropped": dropped})
            await asyncio.sleep(STATUS)

    async def _until_closing(self) -> None:
        await self._house.closing.wait()
        raise Left(Reason.SHUTDOWN, RESTART)

    def _created(self, name: str) -> dict[str, Any]:
        options, settings, engine = self._options, self._house.settings, self._house.engine
        return {
            "type": "session.created",
            "session": name,
            "protocol": PROTOCOL,
            "version": version("ebmc-stream"),
            "model": engine.model,
            "engine": engine.backend,
            "window": settings.window,
            "hop": settings.hop,
            "limits": {
                "message_bytes": options.message_bytes,
                "bytes_per_second": options.bytes_per_second,
                "messages_per_second": options.messages_per_second,
            },
        }

    async def _complain(self, code: Code, message: str) -> None:
        with suppress(*GONE):
            await self._send(error_message(code, message))
        await self._goodbye(Reason.ERROR, CLOSE_CODES.get(code, REFUSED))

    async def _goodbye(self, reason: Reason, code: int) -> None:
        """The last message. A client that is not there any more does not need it."""
        with suppress(*GONE):
            await self._send(closed_message(reason))
            if self._socket.application_state is WebSocketState.CONNECTED:
                await self._socket.close(code)

    async def _send(self, message: Mapping[str, Any]) -> None:
        await self._send_text(json.dumps(message))

    async def _send_text(self, text: str) -> None:
        """Send; raises `TimeoutError` for a client that does not take it."""
        async with asyncio.timeout(self._options.patience):
            await self._socket.send_text(text)


def _first(group: ExceptionGroup[Exception]) -> Exception:
    """What ended a group of tasks first."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, ExceptionGroup) else first
