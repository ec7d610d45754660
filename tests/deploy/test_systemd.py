"""The unit under `deploy/systemd`, held against systemd itself and against the program that it starts."""

import os
import re
import shutil
import sys
from pathlib import Path
from unittest import mock

import platformdirs
import pytest

from stream.errors import INTERRUPTED
from stream.health import Health
from stream.settings import Settings
from tests.deploy.program import DEPLOY, parse, settings_from
from tests.deploy.units import environment, exec_start, run, value, values, verify

UNIT = (DEPLOY / "systemd" / "ebmc@.service").read_text()
EXAMPLE = (DEPLOY / "systemd" / "ebmc.env.example").read_text()
EVERYTHING = re.sub(r"^#(?=[A-Z_]+=)", "", EXAMPLE, flags=re.MULTILINE)  # what is commented out must work as well
COMMANDS = re.findall(r'^COMMAND="(.*)"$', EVERYTHING, re.MULTILINE)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A system with nothing in it but the unit and its program."""
    folder, program = tmp_path / "etc/systemd/system", tmp_path / "opt/ebmc/venv/bin/ebmc"
    folder.mkdir(parents=True)
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (folder / "ebmc@.service").write_text(UNIT)
    return tmp_path


def test_systemd_takes_the_unit(root: Path) -> None:
    assert verify(root, "ebmc@camera.service") == []


def test_systemd_takes_it_with_what_a_jetson_adds(root: Path) -> None:
    folder = root / "etc/systemd/system/ebmc@.service.d"
    folder.mkdir()
    shutil.copy(DEPLOY / "systemd" / "jetson.conf", folder)
    assert verify(root, "ebmc@camera.service") == []


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ("TasksMax=512", "TaskMax=512", "Unknown key"),
        ("WatchdogSec=30", "WatchdogSec=soon", "Failed to parse"),
        ("/opt/ebmc/venv/bin/ebmc", "/opt/ebmc/venv/bin/other", "is not executable"),
    ],
)
def test_a_fault_in_it_would_be_found(root: Path, good: str, bad: str, said: str) -> None:
    path = root / "etc/systemd/system/ebmc@.service"
    path.write_text(UNIT.replace(good, bad))
    assert any(said in line for line in verify(root, "ebmc@camera.service"))


def test_it_is_locked_down(root: Path) -> None:
    verify(root, "ebmc@camera.service")  # which makes the targets
    said = run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=25", f"--root={root}", "ebmc@camera.service"]
    )
    assert re.search(r"exposure level for ebmc@camera\.service: [012]\.\d", said), said[-300:]
    assert "exit code" not in said


@pytest.mark.parametrize("command", COMMANDS)
def test_the_program_takes_every_command_of_the_example(command: str) -> None:
    assert "log" in parse(exec_start(UNIT, command))


def test_the_program_knows_every_setting() -> None:
    assert len(COMMANDS) >= 4
    settings = settings_from(environment(EVERYTHING) | environment("\n".join(values(UNIT, "Environment")[:1])))
    assert settings.open_patience == float("inf")


def test_it_has_the_time_that_it_needs_to_stop() -> None:
    settings = Settings()
    assert float(value(UNIT, "TimeoutStopSec")) > settings.drain + settings.kafka.close_timeout + 10


def test_the_watchdog_waits_longer_than_the_health_page() -> None:
    assert float(value(UNIT, "WatchdogSec")) > Health().bound + 10


def test_which_exit_codes_start_it_again() -> None:
    assert value(UNIT, "SuccessExitStatus") == str(INTERRUPTED)
    assert value(UNIT, "RestartPreventExitStatus") == "2"
    assert value(UNIT, "Restart") == "on-failure"  # 3, crashes, the watchdog; not 0 and not 130
    assert value(UNIT, "StartLimitIntervalSec") == "0"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these folders")
def test_everything_it_writes_is_in_its_own_folders() -> None:
    folders = dict(pair.split("=") for pair in values(UNIT, "Environment")[1].split())
    here = {name: path.replace("%C", "/var/cache").replace("%S", "/var/lib") for name, path in folders.items()}
    with mock.patch.dict(os.environ, here):
        cache, state = platformdirs.user_cache_path("ebmc"), platformdirs.user_state_path("ebmc")
    assert (cache, state) == (Path("/var/cache/ebmc"), Path("/var/lib/ebmc"))
    assert (value(UNIT, "CacheDirectory"), value(UNIT, "StateDirectory")) == ("ebmc", "ebmc")
