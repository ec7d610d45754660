"""`ebmc settings`: the page is what the code says, and what is in force is told with its origin."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream.cli import app
from stream.cli.settings import page
from stream.settings import Settings, load_settings
from stream.settings_reference import Entry, entries, in_force, unknown
from tests.deploy.program import names_of_settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without an `ebmc.toml` and without variables of whoever runs this."""
    monkeypatch.chdir(tmp_path)
    for name in names_of_settings():
        monkeypatch.delenv(name, raising=False)


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text("utf-8") == page(), "run: ebmc settings --markdown > docs/settings.md"


def test_every_setting_is_there_and_says_what_it_is_for() -> None:
    assert {entry.variable for entry in entries()} == names_of_settings()
    assert not [entry.key for entry in entries() if not entry.about]


def test_every_secret_has_a_file() -> None:
    names = {entry.key for entry in entries()}
    kept = [entry.key for entry in entries() if entry.secret]
    assert {"kafka.password", "kafka.token", "server.token"} <= set(kept)
    assert {f"{key}_file" for key in kept} <= names


@pytest.mark.parametrize(
    ("key", "takes", "default"),
    [
        ("window", "number, from 0.5, to 30", "4"),
        ("video_rate", "number, more than 0, to 60", "10"),
        ("gone_after", "number, more than 0", ""),
        ("kafka.sasl", "`none`, `plain`, `scram-sha-256`, `scram-sha-512`, `oauthbearer`", "none"),
        ("kafka.partitions", "whole number, from 1", "4"),
        ("kafka.spill", "path", "~/.local/state/ebmc/kafka"),
        ("server.token", "secret, of 16 or more characters", ""),
        ("server.hosts", "names", ""),
        ("server.message_bytes", "whole number, from 65,536", "1048576"),
    ],
)
def test_what_it_takes_in_words(key: str, takes: str, default: str) -> None:
    (entry,) = [entry for entry in entries() if entry.key == key]
    assert (entry.takes, entry.default) == (takes, default)


def test_the_page_is_the_same_on_every_machine() -> None:
    assert str(Path.home()) + "/" not in page()
    here = Entry(
        "", "cache", {"format": "path", "type": "string", "default": str(Settings.model_fields["cache"].default)}
    )
    assert here.default == "~/.cache/ebmc"


def test_values_in_force_and_where_they_are_from(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("ebmc.toml").write_text('hop = 1.0\nwindow = 8\n[kafka]\ntls = true\nusername = "cam"\n')
    monkeypatch.setenv("EBMC_WINDOW", "6")
    monkeypatch.setenv("EBMC_KAFKA_USERNAME", "door")
    found = {each.entry.key: (each.value, each.origin) for each in in_force(load_settings())}
    assert found["window"] == ("6", "EBMC_WINDOW")
    assert found["hop"] == ("1", "ebmc.toml")
    assert found["kafka.tls"] == ("true", "ebmc.toml")
    assert found["kafka.username"] == ("door", "EBMC_KAFKA_USERNAME")
    assert found["asr"] == ("tiny.en", "default")
    assert found["server.origins"] == ("", "default")


def test_the_command_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EBMC_KAFKA_PASSWORD", "correct horse battery")
    done = CliRunner().invoke(app, ["settings", "--changed"])
    assert done.exit_code == 0
    assert done.stdout.split() == ["kafka.password", "(set)", "EBMC_KAFKA_PASSWORD"]
    assert "horse" not in CliRunner().invoke(app, ["settings"]).output


def test_a_misspelt_variable_is_found() -> None:
    assert list(unknown(["EBMC_HOPS", "EBMC_TEST_ANY", "EBMC_KAFKA", "ebmc_hop", "HOPS"])) == [
        "EBMC_HOPS is no setting; did you mean EBMC_HOP?"
    ]
    assert list(unknown(["EBMC_XYZZY"])) == ["EBMC_XYZZY is no setting; ebmc settings lists them"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("EBMC_KAFKA_PARTITION", "8", "EBMC_KAFKA_PARTITION is no setting; did you mean EBMC_KAFKA_PARTITIONS?"),
        ("EBMC_HOPS", "1", "EBMC_HOPS is no setting; did you mean EBMC_HOP?"),
        ("EBMC_HOP", "0", "setting 'hop'"),
    ],
)
def test_what_is_wrong_is_one_line(name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    done = CliRunner().invoke(app, ["settings"])
    assert done.exit_code == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
