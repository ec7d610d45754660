"""What the server can be told: `EBMC_SERVER_…`, or `[server]` in `ebmc.toml`."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_settings import NoDecode


def _split(value: object) -> object:
    """Environment variables hold text; a list in `ebmc.toml` stays one."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class ServerSettings(BaseModel):
    """Where it listens, who may come in, and how much each may ask of it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)

    host: str = "127.0.0.1"
    """Address to listen on. Any other than this machine's own (loopback) needs a token."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """Port to listen on; 0 takes a free one."""
    token: Annotated[SecretStr, Field(min_length=16)] | None = None
    """What a client must know; better in a file. Made anew for each run where one is needed and none is given."""
    token_file: Path | None = None
    """File with the token."""
    origins: Names = ()
    """Other web sites whose pages may use this server, such as `https://example.org`; a comma between two."""
    hosts: Names = ()
    """Other names by which browsers may call this machine, for a server behind a proxy; a comma between two."""
    certificate: Path | None = None
    """Certificate chain (PEM): serve HTTPS. Browsers give cameras away only over HTTPS, or on this machine."""
    key: Path | None = None
    """Key of the certificate (PEM), if it is not in the same file."""

    sessions: Annotated[int, Field(ge=1, le=1024)] = 8
    """Sessions at the same time, at most."""
    connections: Annotated[int, Field(ge=4)] = 128
    """Connections at the same time, at most; more are answered with 503."""
    message_bytes: Annotated[int, Field(ge=65_536)] = 1_048_576
    """Largest message that a client may send, bytes."""
    bytes_per_second: Annotated[int, Field(ge=65_536)] = 4_194_304
    """What one session may send, on average over some seconds."""
    messages_per_second: Annotated[int, Field(ge=20)] = 150
    """How many messages one session may send, on average over some seconds."""
    patience: Annotated[float, Field(ge=0.1, le=300)] = 10.0
    """How long a client may take to say what it wants, or to take what is sent to it, seconds."""
    idle: Annotated[float, Field(ge=1)] = 30.0
    """A session that sends no sound and no picture for so long is closed, seconds."""
