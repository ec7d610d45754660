"""What the connection to Kafka can be told: `EBMC_KAFKA_…`, or `[kafka]` in `ebmc.toml`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, SecretStr


class Sasl(StrEnum):
    """How we say who we are."""

    NONE = "none"
    PLAIN = "plain"
    SCRAM_SHA_256 = "scram-sha-256"
    SCRAM_SHA_512 = "scram-sha-512"
    OAUTHBEARER = "oauthbearer"


class KafkaSettings(BaseModel):
    """Connection, producer, and what is kept while the brokers are away."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)

    create: bool = True
    """Make the topic if it is missing."""
    partitions: Annotated[int, Field(ge=1)] = 4
    """Partitions of a topic that is made here. Cannot be changed later without breaking the order of streams."""
    replication: Annotated[int, Field(ge=-1)] = -1
    """Copies of a topic that is made here; -1 leaves it to the cluster."""
    compression: Literal["zstd", "lz4", "gzip", "none"] = "zstd"
    """Of the batches on the wire and on the brokers."""
    linger_ms: Annotated[int, Field(ge=0, le=1000)] = 5
    """How long an event waits for others, to be sent with them, milliseconds."""
    idempotent: bool = True
    """The brokers drop what a retry sends twice. Switch it off for brokers that cannot; retries may then repeat."""
    in_flight: Annotated[int, Field(ge=1)] = 1000
    """Events that are sent and not yet acknowledged, at most."""
    max_message_bytes: Annotated[int, Field(ge=1024)] = 1_000_000
    """Larger events are dropped and counted; the topic must allow as much (`max.message.bytes`)."""
    request_timeout: Annotated[float, Field(gt=0)] = 10.0
    """How long a broker may take to answer, seconds."""
    close_timeout: Annotated[float, Field(ge=0)] = 5.0
    """How long the end of a run waits for acknowledgements; what has none is kept for the next run. Seconds."""
    memory: Annotated[int, Field(ge=1)] = 10_000
    """Events that wait in memory, at most; more go to the spill."""
    patience: Annotated[float, Field(gt=0)] = 2.0
    """Brokers that have not answered for so long are away: what waits goes to the spill. Seconds."""
    spill: Path = platformdirs.user_state_path("ebmc") / "kafka"
    """Folder of the files that keep events while the brokers are away."""
    spill_mib: Annotated[float, Field(ge=0)] = 256.0
    """Most that waits on disk for one topic, MiB; beyond that the oldest are dropped and counted."""
    spill_age: Annotated[float, Field(gt=0)] = 86_400.0
    """What has waited for longer is dropped and counted, seconds."""
    run: Annotated[str, Field(min_length=1)] | None = None
    """Name of this run; by default a new one each time. Events of two runs are never repeats of one another."""

    registry: str | None = None
    """Address of a schema registry: events are then written in Avro, with Confluent's wire format."""
    registry_username: str | None = None
    """For a registry that wants a password."""
    registry_password: SecretStr | None = None
    """The password; better in a file."""
    registry_password_file: Path | None = None
    """File with the password."""

    tls: bool = False
    """Encrypt the connection."""
    ca_file: Path | None = None
    """Certificates (PEM) to trust instead of the system's."""
    cert_file: Path | None = None
    """Our certificate (PEM), for brokers that want one."""
    key_file: Path | None = None
    """The key of our certificate, if it is not in the same file."""
    key_password: SecretStr | None = None
    """Password of the key."""
    key_password_file: Path | None = None
    """File with the password of the key."""
    verify_host: bool = True
    """Whether the certificate of a broker must be for the name it was reached by."""
    sasl: Sasl = Sasl.NONE
    """How we say who we are."""
    username: str | None = None
    """For plain and scram."""
    password: SecretStr | None = None
    """For plain and scram; better in a file."""
    password_file: Path | None = None
    """File with the password; read again at each connection."""
    token: SecretStr | None = None
    """For oauthbearer; better in a file."""
    token_file: Path | None = None
    """File with the token; read again at each connection, so that another program may renew it."""
