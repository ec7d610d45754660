"""The messages of a session, protocol version 1; `stream/schema/asyncapi-server-1.json` describes them for others.

A session is one WebSocket: created ─▶ configure ─▶ configured ─▶ events, status, changes … ─▶ closed.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from ebmc_core.errors import EbmcError
from ebmc_core.modality import Modality
from stream.printable import one_line

PROTOCOL = 1
MOST_SDP = 65_536  # characters of an offer
MOST_WORDS = 300  # letters of what is said of a message


class Code(StrEnum):
    """What went wrong, for programs."""

    UNAUTHORIZED = "unauthorized"
    TOO_MANY_SESSIONS = "too_many_sessions"
    BAD_MESSAGE = "bad_message"
    RATE_LIMITED = "rate_limited"
    BAD_OFFER = "bad_offer"
    BAD_MEDIA = "bad_media"
    NOT_CONFIGURED = "not_configured"
    SOURCE_FAILED = "source_failed"
    INTERNAL = "internal"


# how the WebSocket is closed after an error (RFC 6455, 7.4.1)
CLOSE_CODES = {Code.TOO_MANY_SESSIONS: 1013, Code.SOURCE_FAILED: 1011, Code.INTERNAL: 1011}
DONE, REFUSED, RESTART = 1000, 1008, 1012


class Reason(StrEnum):
    """Why a session was closed."""

    ENDED = "ended"
    ASKED = "asked"
    SHUTDOWN = "shutdown"
    IDLE = "idle"
    ERROR = "error"


class VisitError(EbmcError):
    """A client did something that ends its session. code: of the message that tells it."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Switches(_Message):
    """What is done to the frames of a session before anything looks at them, and what the model must do without."""

    muted: bool = False
    """Silence."""
    babble: bool = False
    """Other voices, as loud as the speech (0 dB)."""
    covered: bool = False
    """Black pictures."""
    blurred: bool = False
    """Pictures out of focus."""
    frozen: bool = False
    """The last picture again and again."""
    dropping: bool = False
    """Nine of ten pictures are lost."""
    off: frozenset[Modality] = frozenset()
    """Modalities that are not given to the model."""


class Configure(_Message):
    """The first message of a client: where its frames come from.

    offer: SDP with all candidates, for `webrtc`. kinds: what will be sent, for `socket`. begin: where in the clip to
    start, seconds.
    """

    type: Literal["configure"]
    source: Literal["webrtc", "socket", "clip"]
    offer: Annotated[str, StringConstraints(max_length=MOST_SDP)] | None = None
    kinds: Annotated[frozenset[Literal[Modality.AUDIO, Modality.VIDEO]], Field(min_length=1)] = frozenset(
        {Modality.AUDIO, Modality.VIDEO}
    )
    begin: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = 0.0


class Change(_Message):
    """Set some of the switches; the others stay as they are."""

    type: Literal["change"]
    switches: Switches


class Close(_Message):
    """End the session."""

    type: Literal["close"]


Asked = Configure | Change | Close
_asked: TypeAdapter[Asked] = TypeAdapter(Annotated[Asked, Field(discriminator="type")])


def asked_from(text: str) -> Asked:
    """The message of a client; raises `VisitError` for anything else."""
    try:
        return _asked.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        said = f"{where}: {first['msg']}" if where else first["msg"]
        said = one_line(said, MOST_WORDS)  # names of fields are the client's
        raise VisitError(Code.BAD_MESSAGE, f"{said}; messages are described in /asyncapi.json") from None


def switched(now: Switches, change: Change) -> Switches:
    """The switches after a change."""
    return now.model_copy(update={name: getattr(change.switches, name) for name in change.switches.model_fields_set})


def error_message(code: Code, message: str) -> dict[str, Any]:
    """What a client is told before its session is closed, or of something that was not taken."""
    return {"type": "error", "code": code.value, "message": message}


def closed_message(reason: Reason) -> dict[str, Any]:
    """The last message of a session."""
    return {"type": "session.closed", "reason": reason.value}


def changed_message(switches: Switches) -> dict[str, Any]:
    """All switches as they are now."""
    return {"type": "changed", "switches": switches.model_dump(mode="json")}
