"""What browsers and programs send to the server: messages, media, offers, headers. Parsed directly, no network."""

import asyncio
import io
import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.types import Message, Scope

from ebmc_core.modality import Modality
from stream.errors import SettingsError
from stream.server.access import Access, Guard, access_from
from stream.server.hub import Hub
from stream.server.messages import Change, Close, Configure, VisitError, asked_from, switched
from stream.server.options import ServerSettings
from stream.server.peer import CANDIDATES, Peer, reachable
from stream.server.pushed import HEADER, LARGEST, PushedMedia, picture_from
from stream.sources.feed import FeedSource
from tests.fuzz.hostile import NUMBERS, TEXTS, json_texts, mutated, texts
from tests.fuzz.profile import fuzzed, taken

CONFIGURE = {"type": "configure", "source": "socket", "kinds": ["audio"], "offer": "v=0", "begin": 1.5}
CHANGE = {"type": "change", "switches": {"muted": True, "off": ["text"], "covered": False}}
BOTH = frozenset({Modality.AUDIO, Modality.VIDEO})
TOKEN = "a-token-of-this-test"


def jpeg(width: int = 48, height: int = 32, **options: Any) -> bytes:
    out = io.BytesIO()
    noise = np.random.default_rng(3).integers(0, 255, (height, width, 3), np.uint8)
    Image.fromarray(noise).save(out, "JPEG", **options)
    return out.getvalue()


@fuzzed(120)
@given(json_texts(CONFIGURE) | json_texts(CHANGE) | json_texts({"type": "close"}))
def test_a_message_is_understood_or_refused_in_one_line(text: bytes) -> None:
    found = taken(lambda: asked_from(text.decode("utf-8", "replace")), VisitError)
    assert found is None or isinstance(found, Configure | Change | Close)
    if isinstance(found, Configure):
        assert 0 <= found.begin <= 3600
        assert found.kinds <= BOTH
        assert asked_from(found.model_dump_json()) == found
    if isinstance(found, Change):
        assert switched(found.switches, found) == found.switches


@fuzzed(40)
@given(texts())
def test_the_name_of_a_field_is_not_repeated_at_length(name: str) -> None:
    taken(lambda: asked_from(json.dumps({"type": "close", name * 9: 1})), VisitError)


def media() -> PushedMedia:
    return PushedMedia(FeedSource("web", BOTH), 10.0)


PIECES = st.one_of(
    st.binary(max_size=40),
    st.builds(
        lambda kind, rate, at, body: HEADER.pack(kind, rate, at) + body,
        st.integers(0, 3),
        st.sampled_from((0, 1, 999, 1_000, 16_000, 44_100, 768_000, 2**32 - 1)) | st.integers(0, 2**32 - 1),
        st.sampled_from([float(number) for number in NUMBERS if number != 10**400]) | st.floats(),
        st.binary(max_size=600) | st.just(bytes(32_000)),
    ),
    mutated(HEADER.pack(2, 0, 1.0) + jpeg()),
    mutated(HEADER.pack(2, 0, 2.0) + jpeg(progressive=True, quality=30)),
    mutated(HEADER.pack(1, 16_000, 1.0) + b"\1\2" * 200),
)


@fuzzed(80)
@given(st.lists(PIECES, min_size=1, max_size=5))
def test_pieces_of_media_are_taken_or_refused(pieces: list[bytes]) -> None:
    feed = FeedSource("web", BOTH)
    pushed = PushedMedia(feed, 10.0)
    for piece in pieces:
        taken(lambda piece=piece: pushed.take(piece), VisitError)

    async def left() -> list[Any]:
        feed.close()
        async with feed.open() as opened:
            return [frame async for frame in opened.frames]

    for frame in asyncio.run(left()):
        assert np.isfinite(frame.pts)


@fuzzed(40)
@given(mutated(jpeg(quality=60)), st.integers(0, 65_535), st.integers(0, 65_535))
def test_a_picture_of_any_size_is_small_or_refused(data: bytes, width: int, height: int) -> None:
    at = data.find(b"\xff\xc0")
    if at >= 0:
        data = data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]
    found = taken(lambda: picture_from(memoryview(data)), VisitError)
    assert found is None or (found.ndim == 3 and found.shape[0] * found.shape[1] <= LARGEST)


def test_the_largest_picture_that_can_be_claimed_is_refused() -> None:
    data = bytearray(jpeg())
    at = data.find(b"\xff\xc0")
    data[at + 5 : at + 9] = b"\xff" * 4
    with pytest.raises(VisitError, match="far too many pixels"):
        picture_from(memoryview(bytes(data)))


def test_a_picture_of_a_thousand_passes_is_refused_before_the_first() -> None:
    """A pass that changes nothing has 34 bytes and costs as much as one that does."""
    plain = jpeg(320, 240, progressive=True, quality=20)
    at = plain.rfind(b"\xff\xda")
    assert picture_from(memoryview(plain)).shape == (240, 320, 3)
    with pytest.raises(VisitError, match="passes"):
        picture_from(memoryview(plain[:-2] + plain[at:-2] * 1000 + plain[-2:]))


NAMES = st.sampled_from(
    [
        "localhost",
        "localhost:8000",
        "127.0.0.1:8000",
        "[::1]:8000",
        "[::1",
        "evil.example",
        "",
        "[",
        "]",
        "a:b:c",
        "\x00",
    ]
) | texts().map(lambda text: text.encode("utf-8", "replace").decode("latin-1"))
ORIGINS = st.one_of(
    NAMES,
    NAMES.map(lambda name: f"http://{name}"),
    st.sampled_from(
        ["null", "http://[", "http://[::1", "http://localhost:8000@evil.example", "http://localhost:99999999"]
    ),
)
COOKIES = st.sampled_from(
    ["", f"ebmc-token={TOKEN}", "ebmc-token", ";;;=", "=", 'ebmc-token="\\400"', "a=" + "\\0" * 900]
)
ACCESS = access_from(ServerSettings(token=SecretStr(TOKEN)))


@fuzzed(40)
@given(
    NAMES,
    ORIGINS,
    COOKIES | NAMES,
    st.sampled_from(["", "Bearer", f"Bearer {TOKEN}", "Basic x"]) | NAMES,
    st.binary(max_size=30),
)
def test_a_request_is_let_in_or_refused(host: str, origin: str, cookie: str, authorization: str, query: bytes) -> None:
    """And who knows no token is not let in."""
    raw = {"host": host, "origin": origin, "cookie": cookie, "authorization": authorization}
    given = [(name.encode(), value.encode("latin-1")) for name, value in raw.items()]
    said: list[Message] = []

    async def application(scope: Scope, receive: Any, send: Any) -> None:
        said.append({"type": "reached"})

    async def send(message: Message) -> None:
        said.append(message)

    for query_string in (query, b"token=" + query):
        scope: Scope = {"type": "http", "path": "/", "headers": given, "query_string": query_string, "scheme": "http"}
        said.clear()
        asyncio.run(Guard(application, ACCESS)(scope, None, send))  # type: ignore[arg-type]
        reached = said[0]["type"] == "reached"
        assert reached or said[0]["status"] in (401, 403)
        if reached:
            assert TOKEN in authorization or TOKEN in cookie
            assert host.partition(":")[0] in ("localhost", "127.0.0.1") or host.startswith("[::1]")
        for message in said:
            for _, value in message.get("headers", ()):
                assert b"\n" not in value and b"\r" not in value


@fuzzed(40)
@given(ORIGINS, NAMES)
def test_a_page_of_another_site_is_never_let_in(origin: str, host: str) -> None:
    anyone = Access(None, frozenset(), None)
    why = anyone.refusal(Headers({"host": host, "origin": origin}))
    if origin and why is None:
        assert origin.split("://")[-1].partition("/")[0].partition("?")[0].partition("#")[0] == host or not host


@pytest.mark.parametrize("text", TEXTS)
def test_a_token_is_one_that_can_be_sent(text: str) -> None:
    token = text.replace("\ud800", "x").replace("\udfff", "x") + "x" * 16
    access = taken(lambda: access_from(ServerSettings(token=SecretStr(token))), SettingsError)
    if access:
        assert access.knows(Headers({"authorization": f"Bearer {token}"}))


@fuzzed(40)
@given(texts() | st.sampled_from(["s/000001/0123", "s/999999999999999999999/0123"]), texts())
def test_whatever_was_the_last_event_nothing_comes_that_was_not_kept(last: str, stream: str) -> None:
    assert Hub().after(last, stream) == []


OFFER = "\r\n".join(
    (
        *("v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0"),
        *("m=audio 9 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 0.0.0.0", "a=rtcp:9 IN IP4 0.0.0.0", "a=ice-ufrag:abcd"),
        *("a=ice-pwd:abcdefghijklmnopqrstuvwx", "a=fingerprint:sha-256 " + ":".join(["AB"] * 32), "a=setup:actpass"),
        *("a=mid:0", "a=sendonly", "a=rtcp-mux", "a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10;useinbandfec=1"),
        *("a=candidate:1 1 udp 2113937151 127.0.0.1 50000 typ host", "a=ssrc:1 cname:x", ""),
    )
)
OFFERS = mutated(OFFER.encode()).map(lambda offer: offer.decode("utf-8", "replace")) | st.lists(
    st.sampled_from(OFFER.split("\r\n")), max_size=40
).map("\r\n".join)


@fuzzed(40)
@given(OFFERS, st.sampled_from(["127.0.0.1", "10.1.2.3", ""]))
def test_only_the_client_s_own_addresses_are_left_in_an_offer(offer: str, client: str) -> None:
    left = [line.split() for line in reachable(offer, client).split("\r\n") if line.startswith("a=candidate:")]
    assert len(left) <= CANDIDATES
    assert all(parts[4] in (client, "127.0.0.1") for parts in left)


@fuzzed(15)
@given(OFFERS)
def test_an_offer_is_answered_or_refused(offer: str) -> None:
    async def answered() -> str:
        peer = Peer(10.0)
        try:
            return await peer.answer(offer, "127.0.0.1")
        finally:
            await peer.close()

    answer = taken(lambda: asyncio.run(answered()), VisitError)
    assert answer is None or answer.startswith("v=0")
