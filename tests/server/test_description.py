"""The description of sessions is valid, takes what the server takes, and fits what the server says."""

import json
import re
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator, ValidationError
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from ebmc_core.modality import Modality
from stream.event import schema
from stream.server.messages import (
    CLOSE_CODES,
    DONE,
    MOST_SDP,
    PROTOCOL,
    REFUSED,
    RESTART,
    Change,
    Close,
    Code,
    Configure,
    Reason,
    Switches,
    VisitError,
    asked_from,
    changed_message,
    closed_message,
    error_message,
)
from stream.server.pushed import HEADER, LARGEST, PICTURE, SOUND
from stream.settings import load_settings
from tests.kafka.asyncapi import meta_schema
from tests.stream.events import event

EVENT = "./sentiment-event-1.json"
ASKED = {"configure": Configure, "change": Change, "close": Close}


def description() -> dict[str, Any]:
    return json.loads(files("stream").joinpath("schema/asyncapi-server-1.json").read_text("utf-8"))


def schemas() -> dict[str, Any]:
    return description()["components"]["schemas"]


def messages(action: str) -> list[str]:
    """The keys of the messages that an operation has."""
    return [each["$ref"].rpartition("/")[2] for each in description()["operations"][action]["messages"]]


def validator(message: str) -> Draft202012Validator:
    """Of the payload of a message."""
    whole = description()
    payload = whole["components"]["messages"][message]["payload"]
    registry = Registry().with_resource(EVENT, DRAFT202012.create_resource(schema()))
    return Draft202012Validator(whole | payload.get("schema", payload), registry=registry)


def described(message: object) -> bool:
    """Whether it is one of the text messages that a client may send."""
    return any(validator(name).is_valid(message) for name in ASKED)


def taken(message: object) -> bool:
    """Whether the server takes it."""
    try:
        asked_from(json.dumps(message))
    except VisitError:
        return False
    return True


def test_the_description_is_valid_asyncapi() -> None:
    found = meta_schema(load_settings().cache)
    if isinstance(found, str):
        pytest.skip(f"the meta-schema of AsyncAPI is not here: {found}")
    asyncapi = Draft7Validator(found)
    asyncapi.validate(description())
    for fault in ({"asyncapi": "2.0.0"}, {"channels": {"stream": {"adress": "x"}}}, {"info": {}}):
        with pytest.raises(ValidationError):
            asyncapi.validate(description() | fault)


def test_every_reference_leads_somewhere() -> None:
    references = re.findall(r'"\$ref": "([^"]+)"', json.dumps(description()))
    assert len(references) > 20
    for reference in references:
        name, _, path = reference.partition("#/")
        found = json.loads(files("stream").joinpath("schema", name).read_text("utf-8")) if name else description()
        for step in filter(None, path.split("/")):
            found = found[step]


def test_every_message_is_sent_or_received() -> None:
    assert sorted(messages("receive") + messages("send")) == sorted(description()["components"]["messages"])
    assert set(messages("receive")) == {*ASKED, "media"}


@pytest.mark.parametrize("name", [*ASKED, "created", "configured", "status", "changed", "error", "closed"])
def test_the_examples_fit(name: str) -> None:
    message = description()["components"]["messages"][name]
    assert message["examples"]
    for example in message["examples"]:
        validator(name).validate(example["payload"])
        assert example["payload"]["type"] == message["name"]
        if name in ASKED:
            assert isinstance(asked_from(json.dumps(example["payload"])), ASKED[name])


@pytest.mark.parametrize("name", ASKED)
def test_a_client_may_say_what_the_server_knows_and_nothing_else(name: str) -> None:
    fields = ASKED[name].model_fields
    said = schemas()[name]
    assert set(said["properties"]) == set(fields)
    assert set(said["required"]) == {field for field, about in fields.items() if about.is_required()}
    assert said["additionalProperties"] is False
    assert set(schemas()["switches"]["properties"]) == set(Switches.model_fields)
    assert schemas()["switches"]["additionalProperties"] is False


@pytest.mark.parametrize(
    "message",
    [
        {"type": "configure", "source": "webrtc", "offer": "v=0"},
        {"type": "configure", "source": "webrtc", "offer": "v" * MOST_SDP},
        {"type": "configure", "source": "socket"},
        {"type": "configure", "source": "socket", "kinds": ["video", "audio"]},
        {"type": "configure", "source": "clip", "offer": None, "begin": 3600},
        {"type": "change", "switches": {}},
        {"type": "change", "switches": {"covered": True, "babble": False, "off": ["text", "audio", "video"]}},
        {"type": "close"},
    ],
    ids=lambda message: str(message)[:70],
)
def test_what_is_described_is_taken(message: object) -> None:
    assert described(message)
    assert taken(message)


@pytest.mark.parametrize(
    "message",
    [
        [],
        {"source": "clip"},
        {"type": "dance"},
        {"type": "configure"},
        {"type": "configure", "source": "file"},
        {"type": "configure", "source": "clip", "path": "talk.mp4"},
        {"type": "configure", "source": "clip", "begin": -0.5},
        {"type": "configure", "source": "clip", "begin": 3600.5},
        {"type": "configure", "source": "webrtc", "offer": "v" * (MOST_SDP + 1)},
        {"type": "configure", "source": "socket", "kinds": []},
        {"type": "configure", "source": "socket", "kinds": ["text"]},
        {"type": "change"},
        {"type": "change", "switches": {"silent": True}},
        {"type": "change", "switches": {"muted": None}},
        {"type": "change", "switches": {"off": ["smell"]}},
        {"type": "close", "reason": "asked"},
    ],
    ids=lambda message: str(message)[:70],
)
def test_what_is_not_described_is_refused(message: object) -> None:
    assert not described(message)
    assert not taken(message)


def test_codes_and_reasons_are_those_of_the_server() -> None:
    assert schemas()["error"]["properties"]["code"]["enum"] == [code.value for code in Code]
    assert schemas()["closed"]["properties"]["reason"]["enum"] == [reason.value for reason in Reason]
    assert schemas()["created"]["properties"]["protocol"]["const"] == PROTOCOL


def test_every_code_with_which_a_socket_is_closed_is_named() -> None:
    named = re.findall(r"\b1\d{3}\b", description()["channels"]["stream"]["description"])
    unread = 1009  # RFC 6455's for a message that is too large; the web server sends it by itself
    assert {int(code) for code in named} == {DONE, REFUSED, RESTART, unread, *CLOSE_CODES.values()}


def test_the_header_of_media_is_as_described() -> None:
    message = description()["components"]["messages"]["media"]
    assert f"{HEADER.size} bytes of header" in message["summary"]
    text = message["payload"]["description"]
    assert f"{SOUND} for sound, {PICTURE} for a picture" in text
    assert f"{LARGEST} pixels" in text
    packed = HEADER.pack(SOUND, 0x01020304, -2.0)
    assert packed == bytes([SOUND, 0, 0, 0, 4, 3, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0xC0])


def test_what_the_server_says_fits() -> None:
    for code in Code:
        validator("error").validate(error_message(code, "what is wrong; how to mend it"))
    for reason in Reason:
        validator("closed").validate(closed_message(reason))
    for switches in (Switches(), Switches(muted=True, off=frozenset(Modality))):
        validator("changed").validate(changed_message(switches))


@pytest.mark.parametrize("kind", ["event", "early"])
def test_an_event_is_checked_against_its_own_schema(kind: str) -> None:
    message = {"type": kind, "age_ms": 93.1, "event": json.loads(event().as_json())}
    validator(kind).validate(message)
    broken = message["event"] | {"trust": 1}
    for wrong in (message | {"event": {}}, message | {"age_ms": None}, message | {"event": broken}):
        assert not validator(kind).is_valid(wrong)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("error", {"type": "error", "code": "teapot", "message": "no"}),
        ("error", {"type": "error", "code": "internal", "message": "two\nlines"}),
        ("closed", {"type": "session.closed", "reason": "bored"}),
        ("changed", {"type": "changed", "switches": {"muted": True}}),
    ],
)
def test_what_the_server_never_says_does_not_fit(name: str, wrong: object) -> None:
    assert not validator(name).is_valid(wrong)
