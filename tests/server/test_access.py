"""Who may use the server, as its settings say; no server is started."""

from pathlib import Path

import pytest
from starlette.datastructures import Headers

from stream.errors import SettingsError
from stream.server.access import access_from
from stream.server.options import ServerSettings
from stream.server.peer import reachable

TOKEN = "a-token-of-this-test"


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, False),
        ({"host": "::1"}, False),
        ({"host": "localhost"}, False),
        ({"host": "0.0.0.0"}, True),
        ({"host": "192.0.2.1"}, True),
        ({"hosts": "demo.example.org"}, True),
        ({"token": TOKEN}, True),
    ],
)
def test_a_token_is_wanted_where_others_can_reach_the_server(settings: dict[str, str], wanted: bool) -> None:
    access = access_from(ServerSettings.model_validate(settings))
    assert access.knows(Headers({})) is not wanted
    assert access.token is None or len(access.token) >= 16
    if wanted:
        assert access.knows(Headers({"authorization": f"Bearer {access.token}"}))
        assert access.knows(Headers({"cookie": f"other=1; ebmc-token={access.token}"}))
        assert not access.knows(Headers({"authorization": f"Basic {access.token}"}))
        assert not access.knows(Headers({"authorization": "Bearer "}))
        assert not access.knows(Headers({"cookie": "ebmc-token=ü"}))


def test_two_servers_make_two_tokens() -> None:
    settings = ServerSettings(host="0.0.0.0")
    assert access_from(settings).token != access_from(settings).token


def test_a_short_token_in_a_file_is_refused_without_being_shown(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("too-short")
    with pytest.raises(SettingsError, match="16 characters") as refused:
        access_from(ServerSettings(token_file=file))
    assert "too-short" not in str(refused.value)


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"host": "127.0.0.1:8000"}, True),
        ({"host": "[::1]:8000"}, True),
        ({"host": "localhost:8000", "origin": "http://localhost:8000"}, True),
        ({"host": "localhost:8000", "origin": "https://ours.example"}, True),
        ({"host": "localhost:8000", "origin": "http://localhost:9000"}, False),
        ({"host": "localhost:8000", "origin": "null"}, False),
        ({"host": "rebound.example:8000"}, False),
        ({}, False),
    ],
)
def test_names_and_origins(headers: dict[str, str], allowed: bool) -> None:
    access = access_from(ServerSettings.model_validate({"origins": "https://ours.example, https://other.example/"}))
    assert (access.refusal(Headers(headers)) is None) is allowed


OFFER = """v=0
a=candidate:1 1 udp 2122260223 198.51.100.7 40000 typ host
a=candidate:2 1 udp 2122260223 203.0.113.9 40000 typ host
a=candidate:3 1 udp 2122260223 1f2e3d4c.local 40000 typ host
a=candidate:4 1 udp
a=mid:0
"""


def test_only_addresses_of_the_client_itself_are_tried() -> None:
    kept = reachable(OFFER, "198.51.100.7").splitlines()
    assert kept == ["v=0", OFFER.splitlines()[1], "a=mid:0"]


def test_a_client_on_this_machine_is_tried_on_its_own_addresses_alone() -> None:
    own = OFFER.replace("198.51.100.7", "127.0.0.1")
    assert reachable(own, "127.0.0.1").splitlines() == ["v=0", own.splitlines()[1], "a=mid:0"]


def test_no_more_addresses_are_tried_than_a_machine_has() -> None:
    many = "a=candidate:1 1 udp 1 198.51.100.7 4 typ host\n" * 500
    assert reachable(many, "198.51.100.7").count("candidate") == 32
