"""Settings from the environment, `ebmc.toml` and files of secrets; addresses of the command line."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from stream.chunks.choice import Choice
from stream.errors import SettingsError, SinkError, SourceError
from stream.kafka.address import Address, brokers_from, topic_from
from stream.kafka.options import KafkaSettings
from stream.kafka.registry import Registry
from stream.kafka.security import client_arguments
from stream.passwords import secret
from stream.server.access import access_from
from stream.server.options import ServerSettings
from stream.settings import Settings, load_settings
from stream.sinks.sink import sink_from
from stream.sources.source import SOURCES, source_from
from tests.fuzz.hostile import NUMBERS, TEXTS, mutated, texts
from tests.fuzz.profile import fuzzed, taken

GROUPS = {"": Settings, "KAFKA_": KafkaSettings, "SERVER_": ServerSettings}
VARIABLES = [f"EBMC_{group}{name}".upper() for group, model in GROUPS.items() for name in model.model_fields]
SAID = (
    st.sampled_from([str(number) for number in NUMBERS if number != 10**400])
    | texts()
    | st.sampled_from(["{", "[]", '{"a": 1}'])
)
TOML = b"""window = 4.0
cache = "here"
[kafka]
partitions = 3
password = "hunter2-hunter2"
[server]
origins = ["https://example.org"]
token = "hunter2-hunter2"
"""


def environment(text: str) -> bool:
    """Whether the system takes it for a variable."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


@fuzzed(80)
@given(st.dictionaries(st.sampled_from(VARIABLES), SAID.filter(environment), min_size=1, max_size=3))
def test_a_variable_is_taken_or_refused_in_one_line(variables: dict[str, str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        found = taken(load_settings, SettingsError)
    assert found is None or 0.5 <= found.window <= 30


@fuzzed(50)
@given(mutated(TOML, 3) | st.binary(max_size=40))
def test_a_file_of_settings_is_taken_or_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ebmc.toml").write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        taken(lambda: quietly(content), SettingsError)


def quietly(content: bytes) -> None:
    """Load the settings; whatever is wrong with them, a secret is not repeated."""
    try:
        load_settings()
    except SettingsError as error:
        assert b"hunter2-hunter2" not in content or "hunter2-hunter2" not in str(error)
        raise


@pytest.mark.parametrize(
    "content", ['[kafak]\npassword = "hunter2-hunter2"', 'passwort = "hunter2-hunter2"', "[server]\nx = 1"]
)
def test_a_secret_under_a_wrong_name_is_not_repeated(tmp_path: Path, content: str) -> None:
    (tmp_path / "ebmc.toml").write_text(content)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SettingsError, match="Extra inputs"):
        patch.chdir(tmp_path)
        quietly(content.encode())


@fuzzed(60)
@given(st.binary(max_size=60) | st.just(b"x" * 100_000))
def test_a_file_with_a_secret(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret").write_bytes(content)
    found = taken(lambda: secret("password", None, tmp_path / "secret"), SettingsError)
    if found is not None:
        assert found.encode() == content.rstrip(b"\r\n").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    settings = ServerSettings(token_file=tmp_path / "secret")
    access = taken(lambda: access_from(settings), SettingsError)
    assert access is None or (access.token or "").isprintable()
    kafka = KafkaSettings(tls=True, cert_file=tmp_path / "secret", ca_file=tmp_path / "secret")
    assert taken(lambda: client_arguments(kafka), SettingsError) is None


@pytest.mark.parametrize("path", ["nul\0", "x" * 5_000, "/", "/dev/null/x", "", "~", "\ud800"])
def test_a_path_that_is_none(path: str) -> None:
    for call in (
        lambda: secret("password", None, Path(path)),
        lambda: client_arguments(KafkaSettings(tls=True, ca_file=Path(path))),
        lambda: client_arguments(KafkaSettings(tls=True, cert_file=Path(path))),
    ):
        taken(call, SettingsError, own=True)


PARTS = st.sampled_from(
    [
        *SOURCES,
        "://",
        ":",
        "//",
        "/",
        "localhost",
        "[::1]",
        "[",
        "]",
        "@",
        "user:pass",
        ":9092",
        ":99999",
        ",",
        "+",
        "0",
        "?",
    ]
)
ADDRESSES = st.lists(PARTS | texts(), max_size=6).map("".join)


@fuzzed(100)
@given(ADDRESSES)
def test_the_address_of_a_source(tmp_path: Path, address: str) -> None:
    """None of these is opened on a network: that is done when it is entered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        source = taken(lambda: source_from(address, Settings()), SourceError, own=True)
    if source:
        source.name.encode()
        assert source.name.isprintable()


@fuzzed(120)
@given(st.sampled_from(["", "jsonl:", "kafka:", "kafka://", "table:", "timeline:"]), ADDRESSES)
def test_the_address_of_a_sink(tmp_path: Path, scheme: str, address: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        taken(lambda: sink_from(scheme + address), SinkError, SettingsError, own=True)


@fuzzed(120)
@given(ADDRESSES)
def test_brokers_topics_and_registries(text: str) -> None:
    for brokers in (
        taken(lambda: brokers_from(text), SinkError, own=True),
        taken(lambda: Address.parse(text), SinkError, own=True),
    ):
        assert brokers is None or str(brokers)
    topic = taken(lambda: topic_from(text), SinkError, own=True)
    assert topic is None or topic.isascii()
    taken(lambda: Registry(KafkaSettings(registry=text)), SettingsError)


@fuzzed(60)
@given(st.lists(texts() | st.sampled_from(["0:42", "1:", "999999999:1", "1:-1"]), max_size=3))
def test_places_of_letters(places: list[str]) -> None:
    taken(lambda: Choice.parse([], [], places), SettingsError, own=True)


@pytest.mark.parametrize("text", TEXTS)
def test_a_password_in_an_address_is_not_repeated(text: str) -> None:
    for address in (f"//me:hunter2{text}@localhost:9092/t", f"//localhost:9092,me:hunter2{text}@h:1/t"):
        with pytest.raises(SinkError) as caught:
            Address.parse(address)
        assert "hunter2" not in str(caught.value)
    with pytest.raises(SettingsError) as refused:
        registry: Any = KafkaSettings(registry=f"http://me:hunter2{text}@h", password=SecretStr("x"))
        Registry(registry)
    assert "hunter2" not in str(refused.value)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such a name")
@pytest.mark.parametrize("name", [b"caf\xe9.mp4", b"a\nb.mp4", b"\x1b[2J.mp4"])
def test_a_file_may_have_any_name_but_a_stream_has_one_that_can_be_written(
    clip: Path, tmp_path: Path, name: bytes
) -> None:
    path = os.fsencode(tmp_path) + b"/" + name
    os.symlink(clip, path)
    assert source_from(os.fsdecode(path), Settings()).name.isprintable()
