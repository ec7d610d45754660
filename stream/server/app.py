"""The web application: the page, the events, the sessions. Everything that it needs is given to it."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Header, HTTPException, Query, WebSocket
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import ASGIApp

from stream.event import schema
from stream.health import Health
from stream.metrics import Metrics
from stream.server.access import Access, Guard, unauthorized
from stream.server.entry import CLIP
from stream.server.hub import EVERY, Hub, Published
from stream.server.messages import CLOSE_CODES, REFUSED, Code, Reason, closed_message, error_message
from stream.server.visit import House, Visit
from stream.sources.source import bundled_clip

PAGE = Path(__file__).parent / "page"
READERS = 32  # of /v1/events at the same time, at most
QUIET = 10.0  # seconds without an event after which a reader is told that the connection lives


def application(house: House, access: Access, metrics: Metrics, health: Health) -> ASGIApp:
    """What uvicorn serves, with the guard in front of it."""
    app = FastAPI(
        title="EBMC-stream",
        version=version("ebmc-stream"),
        summary="Live sentiment events, with the trust that each modality had.",
        description="Media and sessions go over the web socket /v1/stream, which /asyncapi.json describes.",
        docs_url=None,  # these pages would load scripts from elsewhere
        redoc_url=None,
    )
    hub = house.reception.hub
    _serve_page(app)
    _serve_events(app, hub, house)
    _serve_health(app, metrics, health)

    @app.websocket("/v1/stream")
    async def stream(socket: WebSocket) -> None:
        await socket.accept()
        if not socket.state.known:
            await socket.send_text(json.dumps(error_message(Code.UNAUTHORIZED, unauthorized())))
            await socket.send_text(json.dumps(closed_message(Reason.ERROR)))
            return await socket.close(CLOSE_CODES.get(Code.UNAUTHORIZED, REFUSED))
        await Visit(socket, house).run()

    return Guard(app, access)


def _serve_page(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    @app.get(CLIP, include_in_schema=False)
    async def clip() -> FileResponse:
        return FileResponse(bundled_clip(), media_type="video/mp4")

    @app.get("/asyncapi.json", include_in_schema=False)
    async def asyncapi() -> JSONResponse:
        return JSONResponse(json.loads(files("stream").joinpath("schema/asyncapi-server-1.json").read_text("utf-8")))

    @app.get("/sentiment-event-1.json", include_in_schema=False)
    async def event_schema() -> JSONResponse:
        return JSONResponse(schema())  # where /asyncapi.json refers to

    app.mount("/page", StaticFiles(directory=PAGE), "page")


def _serve_events(app: FastAPI, hub: Hub, house: House) -> None:
    event = {"description": "A sentiment event", "content": {"application/json": {"schema": schema()}}}

    @app.get("/v1/streams", summary="The streams that run")
    async def streams() -> dict[str, Any]:
        """Their ids, and how many windows each has had."""
        return {"streams": [{"stream": name, "windows": windows} for name, windows in hub.streams().items()]}

    @app.get("/v1/streams/{stream}/events/{index}", summary="One event", responses={200: event})
    async def one(stream: str, index: int) -> Response:
        """The event of a window of a running stream; the newest 240 are kept."""
        published = hub.event(stream, index)
        if published is None:
            raise HTTPException(404, f"no event {index} of {stream!r} is kept: the newest of running streams are")
        return Response(published.line, media_type="application/json")

    @app.get("/v1/events", summary="Events as they come", response_class=StreamingResponse)
    async def events(
        stream: Annotated[str, Query(description="Of this stream; without it, of all")] = EVERY,
        last_event_id: Annotated[str, Header(description="Go on after this event")] = "",
    ) -> StreamingResponse:
        """Server-sent events: `event: sentiment` with the event's id and JSON, and `event: closed` when it is over."""
        if hub.reading >= READERS + house.reception.limit:
            raise HTTPException(503, f"{READERS} readers are here, which is the limit: try again later")
        if stream != EVERY and stream not in hub.streams():
            raise HTTPException(404, f"no stream {stream!r} runs; /v1/streams lists those that do")
        return StreamingResponse(_sent(hub, stream, last_event_id), media_type="text/event-stream")


async def _sent(hub: Hub, stream: str, last_event_id: str) -> AsyncGenerator[str]:
    with hub.reader(stream) as reader:
        missed = hub.after(last_event_id, stream)  # at once: what comes from now on comes to the reader
        yield ": events follow\n\n"
        for published in missed:
            yield _sse(published)
        while True:
            try:
                async with asyncio.timeout(QUIET):
                    taken = await reader.receive_many(1)
            except TimeoutError:
                yield ": still here\n\n"
                continue
            if not taken:
                yield "event: closed\ndata: {}\n\n"
                return
            yield _sse(taken[0])


def _sse(published: Published) -> str:
    return f"event: sentiment\nid: {published.event.event_id}\ndata: {published.line}\n\n"


def _serve_health(app: FastAPI, metrics: Metrics, health: Health) -> None:
    @app.get("/health/live", summary="Whether the process lives")
    async def live() -> JSONResponse:
        return _answered(*health.live())

    @app.get("/health/ready", summary="Whether sessions can begin")
    async def ready() -> JSONResponse:
        return _answered(*health.ready())

    @app.get("/metrics", summary="Prometheus metrics", response_class=PlainTextResponse)
    async def scrape() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _answered(good: bool, body: Mapping[str, object]) -> JSONResponse:
    return JSONResponse(body, 200 if good else 503)
