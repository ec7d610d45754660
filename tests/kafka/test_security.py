"""TLS and SASL against Apache Kafka, refusals in one line, and secrets that nobody gets to see."""

import asyncio
import base64
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from stream.client import SentimentEvents
from stream.errors import SettingsError, SinkError, SourceError
from stream.kafka.options import KafkaSettings
from stream.kafka.security import client_arguments
from stream.metrics import Metrics
from stream.settings import load_settings
from stream.sinks.kafka import KafkaSink
from tests.kafka.broker import PASSWORD, USER, ApacheKafka
from tests.kafka.reading import expected, first_times, read, some_events

WRONG = "hunter2-is-not-it"
Options = Callable[..., KafkaSettings]


def token(subject: str = USER, lives: float = 600) -> str:
    """An unsigned token, which Apache Kafka takes when it is set up for tests."""
    claims = {"sub": subject, "iat": time.time(), "exp": time.time() + lives}
    parts = ({"alg": "none"}, claims)
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return f"{'.'.join(encoded)}."


@pytest.fixture
def secure(real: ApacheKafka, options: Options) -> Callable[..., KafkaSettings]:
    """Settings that trust the broker's certificate."""
    return lambda **given: options(**{"tls": True, "ca_file": real.certificate, "username": USER} | given)


def send(where: str, settings: KafkaSettings, count: int = 20, metrics: Metrics | None = None) -> None:
    async def scenario() -> None:
        sink = KafkaSink(where, settings)
        if metrics:
            sink.report_to(metrics)
        async with sink:
            for each in some_events(count):
                await sink.send(each)

    asyncio.run(scenario())


@pytest.mark.parametrize("sasl", ["plain", "scram-sha-256", "scram-sha-512"])
def test_a_password_from_a_file_over_tls(
    real: ApacheKafka, topic: str, secure: Options, tmp_path: Path, sasl: str
) -> None:
    (tmp_path / "password").write_text(PASSWORD + "\n")
    settings = secure(sasl=sasl, password_file=tmp_path / "password")
    send(f"//{real.secure}/{topic}", settings)
    assert first_times(read(real.bootstrap, topic)) == expected(20)

    async def one() -> str:
        async with SentimentEvents(real.secure, topic, start="earliest", settings=settings) as events:
            async for each in events:
                return each.event_id
        return ""

    assert asyncio.run(asyncio.wait_for(one(), 60)).startswith("cam-")


def test_a_token_from_a_file_over_tls(real: ApacheKafka, topic: str, secure: Options, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(token())
    send(f"//{real.secure}/{topic}", secure(sasl="oauthbearer", token_file=tmp_path / "token"))
    assert first_times(read(real.bootstrap, topic)) == expected(20)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sasl": "plain", "password": WRONG}, "do not accept who we say we are"),
        ({"sasl": "scram-sha-256", "password": WRONG}, "do not accept who we say we are"),
        ({"sasl": "oauthbearer", "token": "not a token " + WRONG}, "do not accept who we say we are"),
        ({"sasl": "scram-sha-512", "password": WRONG, "ca_file": None}, "certificate of the broker is not trusted"),
    ],
    ids=["plain", "scram", "token", "certificate"],
)
def test_a_refusal_is_one_line_before_the_run(
    real: ApacheKafka,
    topic: str,
    secure: Options,
    caplog: pytest.LogCaptureFixture,
    given: dict[str, Any],
    words: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    settings = secure(**given)
    with pytest.raises(SinkError, match=words) as caught:
        send(f"//{real.secure}/{topic}", settings)
    assert caught.value.exit_code == 2
    with pytest.raises(SourceError, match=words) as read_too:
        asyncio.run(anext(aiter(SentimentEvents(real.secure, topic, settings=settings))))
    for said in (caplog.text, told_whole(caught.value), told_whole(read_too.value), repr(settings), str(settings)):
        assert WRONG not in said


def told_whole(error: BaseException) -> str:
    """The error with all that it came from, as a traceback would show it."""
    import traceback

    return "".join(traceback.format_exception(error))


def test_a_user_who_may_not_write_is_told(real: ApacheKafka, topic: str, secure: Options) -> None:
    from confluent_kafka.admin import (
        AclBinding,
        AclOperation,
        AclPermissionType,
        AdminClient,
        NewTopic,
        ResourcePatternType,
        ResourceType,
    )

    admin = AdminClient({"bootstrap.servers": real.bootstrap, "log_level": 0})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(20)

    def rule(operation: AclOperation, kind: AclPermissionType) -> None:
        what = (ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, f"User:{USER}", "*")
        made = AclBinding(*what, operation, kind)
        admin.create_acls([made])[made].result(20)

    rule(AclOperation.DESCRIBE, AclPermissionType.ALLOW)  # and nothing else
    settings, metrics = secure(sasl="plain", password=PASSWORD), Metrics()
    send(f"//{real.secure}/{topic}", settings, 20, metrics)
    assert metrics.summary().dropped == {("kafka", "not-authorized"): 20}
    rule(AclOperation.DESCRIBE, AclPermissionType.DENY)
    with pytest.raises(SinkError, match="we may not write to this topic"):
        send(f"//{real.secure}/{topic}", settings)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sasl": "plain"}, "EBMC_KAFKA_USERNAME"),
        ({"sasl": "plain", "username": "a"}, "EBMC_KAFKA_PASSWORD_FILE"),
        ({"sasl": "plain", "username": "a", "password_file": Path("/nowhere/at all")}, "cannot be read"),
        ({"sasl": "oauthbearer"}, "EBMC_KAFKA_TOKEN_FILE"),
        ({"tls": True, "ca_file": Path("/nowhere/ca.pem")}, "EBMC_KAFKA_CA_FILE"),
        ({"tls": True, "cert_file": Path("/nowhere/cert.pem")}, "_CERT_FILE"),
    ],
)
def test_what_is_missing_is_said(given: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        client_arguments(KafkaSettings(**given))


def test_a_password_file_is_read_again_at_each_connection(tmp_path: Path) -> None:
    file = tmp_path / "password"
    settings = KafkaSettings(sasl="plain", username="a", password_file=file)  # pyright: ignore[reportArgumentType]
    for password in ("first", "second"):
        file.write_text(password + "\r\n")
        assert client_arguments(settings)["sasl_plain_password"] == password


def test_settings_come_from_the_environment_and_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ebmc.toml").write_text('[kafka]\nsasl = "scram-sha-256"\nusername = "from file"\npartitions = 9\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EBMC_KAFKA_USERNAME", "from environment")
    monkeypatch.setenv("EBMC_KAFKA_PASSWORD", WRONG)
    monkeypatch.setenv("EBMC_KAFKA_SPILL_MIB", "1.5")
    settings = load_settings().kafka
    assert (settings.username, settings.partitions, settings.spill_mib) == ("from environment", 9, 1.5)
    assert settings.password == SecretStr(WRONG)
    assert WRONG not in f"{settings!r} {settings} {load_settings()!r}"


@pytest.mark.parametrize(
    "variable", ["EBMC_KAFKA_PASWORD", "EBMC_KAFKA_SASL_PASSWORD", "EBMC_KAFKA_PASSWORD_FILES", "EBMC_KAFKA_TOKENS"]
)
def test_a_secret_under_a_wrong_name_is_not_repeated(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, WRONG)
    with pytest.raises(SettingsError, match=r"kafka\.") as caught:
        load_settings()
    assert WRONG not in told_whole(caught.value)


def test_the_command_prints_no_secret_whatever_goes_wrong(tmp_path: Path) -> None:
    """Also not with `--log-level debug`, and not in what it leaves on disk."""
    secrets = {"EBMC_KAFKA_PASSWORD": WRONG, "EBMC_KAFKA_SASL": "plain", "EBMC_KAFKA_USERNAME": "alice"}
    environment = {**os.environ, **secrets, "EBMC_KAFKA_SPILL": str(tmp_path), "EBMC_KAFKA_CA_FILE": "/nowhere"}
    for extra in ({"EBMC_KAFKA_TLS": "true"}, {"EBMC_KAFKA_PARTITIONS": "none"}, {"EBMC_KAFKA_PASWORD": WRONG}):
        done = subprocess.run(
            [sys.executable, "-c", OPEN, "//127.0.0.1:1/topic"],
            env={**environment, **extra, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2, done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert "EBMC_KAFKA" in done.stderr or "kafka." in done.stderr
        assert WRONG not in done.stdout + done.stderr
    assert all(WRONG.encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


OPEN = """
import asyncio, sys, typer
from stream.cli.terminal import one_line_errors
from stream.logs import LogStyle, logging_to
try:
    with one_line_errors(), logging_to(LogStyle.TEXT, "debug"):
        from stream.sinks.sink import sink_from
        async def main():
            async with sink_from(f"kafka:{sys.argv[1]}"):
                pass
        asyncio.run(main())
except typer.Exit as error:
    sys.exit(error.exit_code)
"""
