"""Sessions over the wire: what a program sends and gets, and that a hostile one harms nobody else."""

import asyncio
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection

from stream.bench.take import clean_take
from stream.event import validate
from stream.records import AUDIO_RATE, AudioFrame, Frame
from tests.server.client import HEADER, kinds, messages, picture, say, session, sound, until_type
from tests.server.serving import Served, served, until

PATIENCE = 30.0  # seconds for what takes a moment


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    """Seven seconds of talk: sound in pieces of a tenth of a second, ten pictures a second."""
    return clean_take("clip", 7.0, 10.0)


async def play(socket: Any, frames: list[Frame]) -> None:
    """Send frames at the pace at which they were recorded, and end the session."""
    begin = asyncio.get_running_loop().time()
    for frame in frames:
        await asyncio.sleep(max(0.0, begin + frame.end - asyncio.get_running_loop().time()))
        heard = isinstance(frame, AudioFrame)
        await socket.send(sound(frame.samples, AUDIO_RATE, frame.pts) if heard else picture(frame.image, frame.pts))


def get(server: Served, path: str, **headers: str) -> tuple[int, str]:
    """Status and text of a page."""
    request = urllib.request.Request(server.web + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_program_sends_sound_and_pictures_and_gets_events(server: Served, frames: list[Frame]) -> None:
    async def scenario() -> tuple[list[dict[str, Any]], tuple[int, str], tuple[int, str]]:
        async with session(server.socket) as socket, asyncio.timeout(60):
            created = await until_type(socket, "session.created")
            await say(socket, "configure", source="socket", kinds=["audio", "video"])
            await until_type(socket, "session.configured")
            playing = asyncio.ensure_future(play(socket, frames))
            events = [(await until_type(socket, "event"))["event"] for _ in range(5)]
            name = created["session"]
            link = await asyncio.to_thread(get, server, f"/v1/streams/{name}/events/{events[-1]['window']['index']}")
            gone = await asyncio.to_thread(get, server, f"/v1/streams/{name}/events/999")
            await playing
            await say(socket, "close")
            rest = await messages(socket)
            assert rest[-1] == {"type": "session.closed", "reason": "asked"}
            assert socket.close_code == 1000
            assert all(event["stream"] == name for event in events)
            return events, link, gone

    events, link, gone = asyncio.run(scenario())
    assert [event["window"]["index"] for event in events] == list(range(5))
    for event in events:
        validate(event)
        assert event["modalities"]["audio"]["state"] == "ok"
        assert event["modalities"]["video"]["state"] == "ok"
        assert event["faces"] == 1
        assert event["latency"]["capture_to_event_ms"] < 10_000
    assert "fellow" in " ".join(event["transcript"]["text"] for event in events).lower()
    assert link == (200, json.dumps(events[-1], ensure_ascii=False))
    assert gone[0] == 404


def test_the_clip_plays_from_where_it_is_told_and_ends_by_itself(server: Served) -> None:
    async def scenario() -> list[dict[str, Any]]:
        async with session(server.socket) as socket, asyncio.timeout(60):
            await say(socket, "configure", source="clip", begin=20.0)
            return await messages(socket)

    found = asyncio.run(scenario())
    configured = next(message for message in found if message["type"] == "session.configured")
    assert (configured["media"], configured["begin"]) == ("/clip.mp4", 20.0)
    events = [message["event"] for message in found if message["type"] == "event"]
    assert [event["window"]["index"] for event in events] == list(range(len(events)))
    assert len(events) == 7  # of windows of 4 s, every 0.5 s, in the last 7 s
    assert found[-1] == {"type": "session.closed", "reason": "ended"}


def test_switches_reach_the_next_windows(server: Served) -> None:
    async def scenario() -> list[dict[str, Any]]:
        async with session(server.socket) as socket, asyncio.timeout(60):
            await say(socket, "configure", source="clip")
            for _ in range(3):
                await until_type(socket, "event")
            await say(socket, "change", switches={"covered": True, "off": ["text"]})
            changed = await until_type(socket, "changed")
            assert changed["switches"]["covered"]
            assert changed["switches"]["off"] == ["text"]
            assert not changed["switches"]["muted"]
            events = [(await until_type(socket, "event"))["event"] for _ in range(4)]
            await say(socket, "close")
            return events

    last = asyncio.run(scenario())[-1]
    assert last["modalities"]["text"] == last["modalities"]["text"] | {"state": "missing", "reason": "switched off"}
    assert last["modalities"]["video"]["state"] == "missing"
    assert last["trust"] == {"text": 0.0, "audio": 1.0, "video": 0.0}


def test_a_covered_camera_is_told_before_the_window_ends(server: Served) -> None:
    """Where both dark pictures fall between two windows; a window that closes just then tells it itself: try again."""

    async def told_of_video(socket: ClientConnection, trusted: bool) -> dict[str, Any]:
        while (message := json.loads(await socket.recv())).get("type") not in ("event", "early") or (
            message["event"]["trust"]["video"] > 0
        ) is not trusted:
            pass
        return message

    async def scenario() -> tuple[dict[str, Any], dict[str, Any]]:
        async with session(server.socket) as socket, asyncio.timeout(60):
            await say(socket, "configure", source="clip")
            for _ in range(8):
                await told_of_video(socket, trusted=True)
                await say(socket, "change", switches={"covered": True})
                message = await told_of_video(socket, trusted=False)
                if message["type"] == "early":
                    return message, await until_type(socket, "event")
                await say(socket, "change", switches={"covered": False})
            raise AssertionError("no early event in eight tries")

    early, own = asyncio.run(scenario())
    validate(early["event"])
    assert early["event"]["event_id"] == own["event"]["event_id"]
    assert early["event"]["window"]["end"] < own["event"]["window"]["end"]
    assert own["event"]["trust"]["video"] == 0
    for event in (early["event"], own["event"]):
        assert event["modalities"]["video"]["reason"] == "picture is black"
        assert sum(event["trust"].values()) == pytest.approx(1)


def test_events_are_sent_to_who_reads_them_by_http(server: Served) -> None:
    async def scenario() -> list[str]:
        async with session(server.socket) as socket, asyncio.timeout(60):
            name = (await until_type(socket, "session.created"))["session"]
            await say(socket, "configure", source="clip", begin=20.0)
            await until_type(socket, "session.configured")
            await until_type(socket, "status")
            reading = asyncio.ensure_future(asyncio.to_thread(get, server, f"/v1/events?stream={name}"))
            await messages(socket)
            return (await reading)[1].splitlines()

    lines = asyncio.run(scenario())
    events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith('data: {"schema"')]
    assert [event["window"]["index"] for event in events] == list(range(7))
    assert lines.count("event: closed") == 1
    assert get(server, "/v1/events?stream=nobody")[0] == 404


def late(number: int) -> bytes:
    return HEADER.pack(1, 16_000, float("nan")) + b"\0" * number


SOCKET = '{"type": "configure", "source": "socket"}'
HOSTILE: dict[str, tuple[list[str | bytes], str, int]] = {
    "no json": (["{"], "bad_message", 1008),
    "no such type": (['{"type": "dance"}'], "bad_message", 1008),
    "an extra field": (['{"type": "configure", "source": "clip", "path": "/etc/passwd"}'], "bad_message", 1008),
    "media first": ([b"\1" * 100], "not_configured", 1008),
    "change first": (['{"type": "change", "switches": {}}'], "not_configured", 1008),
    "no offer": (['{"type": "configure", "source": "webrtc"}'], "bad_offer", 1008),
    "an offer of nonsense": (['{"type": "configure", "source": "webrtc", "offer": "v=0"}'], "bad_offer", 1008),
    "twice": ([SOCKET] * 2, "bad_message", 1008),
    "garbage for a picture": (
        [SOCKET, HEADER.pack(2, 0, 1) + b"no"],
        "bad_media",
        1008,
    ),
    "no kind": ([SOCKET, HEADER.pack(9, 0, 1) + b"no"], "bad_media", 1008),
    "no time": ([SOCKET, late(320)], "bad_media", 1008),
    "no rate": ([SOCKET, HEADER.pack(1, 1, 1) + b"\0" * 2], "bad_media", 1008),
    "half a sample": (
        [SOCKET, HEADER.pack(1, 16_000, 1) + b"\0"],
        "bad_media",
        1008,
    ),
    "only sound": (
        ['{"type": "configure", "source": "socket", "kinds": ["audio"]}', HEADER.pack(2, 0, 1) + b"no"],
        "bad_media",
        1008,
    ),
    "too many at once": (
        [SOCKET, *[HEADER.pack(1, 16_000, 1.0) + b"\0" * 64] * 600],
        "rate_limited",
        1008,
    ),
    "nothing": ([], "not_configured", 1008),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_hostile_client_does_ends_its_own_session_with_one_line(server: Served, name: str) -> None:
    sent, code, close = HOSTILE[name]

    async def scenario() -> tuple[list[dict[str, Any]], int | None]:
        async with session(server.socket) as socket, asyncio.timeout(PATIENCE):
            try:
                for message in sent:
                    await socket.send(message)
            except ConnectionError:
                pass
            return await messages(socket), socket.close_code

    found, closed = asyncio.run(scenario())
    (error,) = (message for message in found if message["type"] == "error")
    assert error["code"] == code, error
    assert "\n" not in error["message"]
    assert kinds(found)[-2:] == ["error", "session.closed"]
    assert closed == close


def test_a_message_that_is_too_large_is_not_even_read(server: Served) -> None:
    async def scenario() -> int | None:
        async with session(server.socket) as socket, asyncio.timeout(PATIENCE):
            await say(socket, "configure", source="socket")
            await socket.send(b"\2" * 2_000_000)
            await messages(socket)
            return socket.close_code

    assert asyncio.run(scenario()) == 1009


def test_a_gigabyte_is_refused_when_it_is_announced(server: Served) -> None:
    """The header of one message that says 1 GiB, and nothing after it."""
    opening = (
        f"GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )

    async def scenario() -> bytes:
        reading, writing = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            async with asyncio.timeout(PATIENCE):
                writing.write(opening.encode())
                assert b" 101 " in await reading.readuntil(b"\r\n\r\n")
                writing.write(b"\x82\xff" + (1 << 30).to_bytes(8, "big") + bytes(4))
                return await reading.read()
        finally:
            writing.close()
            await writing.wait_closed()

    assert b"\x88" in (answer := asyncio.run(scenario()))  # a close frame
    assert (1009).to_bytes(2, "big") in answer


def test_a_bomb_of_a_picture_is_refused_by_its_size(server: Served) -> None:
    async def scenario() -> list[dict[str, Any]]:
        async with session(server.socket) as socket, asyncio.timeout(PATIENCE):
            await say(socket, "configure", source="socket")
            await socket.send(picture(np.zeros((4000, 4000, 3), np.uint8), 1.0))
            return await messages(socket)

    assert "4000x4000" in next(message for message in asyncio.run(scenario()) if message["type"] == "error")["message"]


def test_a_crowd_is_turned_away_and_who_is_here_does_not_notice(server: Served) -> None:
    """200 connections beside a session: those beyond the limit are told so, the session gets every window."""

    async def one() -> str:
        try:
            async with session(server.socket, open_timeout=PATIENCE) as socket:
                found = await messages(socket)
                return next(message["code"] for message in found if message["type"] == "error")
        except Exception as error:  # refused before it was a web socket
            return type(error).__name__

    async def scenario() -> tuple[list[dict[str, Any]], list[str]]:
        async with session(server.socket) as socket, asyncio.timeout(90):
            await say(socket, "configure", source="clip", begin=17.0)
            await until_type(socket, "session.configured")
            crowd = asyncio.gather(*(one() for _ in range(200)))
            return [m["event"] for m in await messages(socket) if m["type"] == "event"], await crowd

    events, crowd = asyncio.run(scenario())
    assert [event["window"]["index"] for event in events] == list(range(13))
    assert crowd.count("too_many_sessions") + crowd.count("not_configured") > 100, crowd
    until(lambda: get(server, "/v1/streams") == (200, '{"streams":[]}'), PATIENCE, "sessions were left behind")


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"Host": "evil.example"}, "evil.example"),
        ({"Origin": "https://evil.example"}, "https://evil.example"),
        ({"Origin": "null"}, "null"),
    ],
    ids=["another-name", "another-site", "a-sandboxed-frame"],
)
def test_pages_of_others_are_refused(server: Served, headers: dict[str, str], why: str) -> None:
    status, text = get(server, "/v1/streams", **headers)
    assert status == 403
    assert why in json.loads(text)["error"]["message"]


def test_a_web_socket_of_another_site_is_refused(server: Served) -> None:
    async def scenario() -> None:
        async with session(server.socket, origin="https://evil.example"):
            pass

    with pytest.raises(Exception, match="403"):
        asyncio.run(scenario())


def test_every_answer_says_what_a_page_may_load(server: Served) -> None:
    with urllib.request.urlopen(server.web + "/", timeout=PATIENCE) as answer:
        policy = answer.headers["content-security-policy"]
        page = answer.read().decode()
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


@pytest.mark.parametrize(
    "path", ["/openapi.json", "/asyncapi.json", "/health/live", "/health/ready", "/metrics", "/clip.mp4"]
)
def test_what_else_is_served(server: Served, path: str) -> None:
    with urllib.request.urlopen(server.web + path, timeout=PATIENCE) as answer:
        assert answer.status == 200
        assert len(answer.read()) > 10


def test_files_beside_the_page_are_not_served(server: Served) -> None:
    assert get(server, "/page/../app.py")[0] == 404
    assert get(server, "/page/%2e%2e/app.py")[0] == 404


def test_whoever_can_be_reached_by_others_asks_for_a_token(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("a-token-of-this-test\n")
    with served("--host", "0.0.0.0", environment={"EBMC_SERVER_TOKEN_FILE": str(secret)}) as server:
        assert server.address.endswith("?token=a-token-of-this-test")
        assert get(server, "/health/live")[0] == 200
        assert get(server, "/v1/streams")[0] == 401
        assert get(server, "/v1/streams", Authorization="Bearer wrong-token-of-this-test")[0] == 401
        assert get(server, "/v1/streams", Authorization="Bearer a-token-of-this-test")[0] == 200
        assert get(server, "/v1/streams", Cookie="ebmc-token=a-token-of-this-test")[0] == 200
        assert get(server, "/v1/streams?token=a-token-of-this-test")[0] == 200

        async def refused() -> list[dict[str, Any]]:
            async with session(server.socket) as socket:
                return await messages(socket)

        async def known() -> dict[str, Any]:
            headers = {"Authorization": "Bearer a-token-of-this-test"}
            async with session(server.socket, additional_headers=headers) as socket:
                return await until_type(socket, "session.created")

        assert asyncio.run(refused())[0]["code"] == "unauthorized"
        assert asyncio.run(known())["protocol"] == 1
