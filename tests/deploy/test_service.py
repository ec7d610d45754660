"""The program as a service: ready, watched and stopping, over a real socket and in a real process."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.errors import SettingsError
from stream.health import Health, beating
from stream.service import notifying, watchdog_seconds
from tests.deploy.manager import Manager, listening_manager, own_environment
from tests.stream.listening import free_port

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs unix sockets")
EBMC = [sys.executable, "-m", "stream.cli"]


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    if request.param == "abstract" and sys.platform != "linux":
        pytest.skip("abstract names are Linux'")
    name = f"@ebmc-{uuid.uuid4().hex}" if request.param == "abstract" else str(tmp_path / "notify")
    with listening_manager(name, watchdog=0.3) as manager:
        yield manager


class Source:
    state = "open"


def test_ready_watched_and_stopping(manager: Manager) -> None:
    health = Health()
    health.expect("cam")
    with notifying(health, manager.environment):
        manager.wait_for("STATUS=waiting: models (loading), source cam (opening)")
        manager.wait_for("WATCHDOG=1", 3)
        assert manager.count("EXTEND_TIMEOUT_USEC=30000000") >= 3, "a long start must not end in a timeout"
        health.loaded()
        manager.wait_for("STATUS=waiting: source cam (opening)")
        assert manager.count("READY=1") == 0
        health.source("cam", Source())  # pyright: ignore[reportArgumentType]
        manager.wait_for("READY=1")
        manager.wait_for("STATUS=running")
        said = manager.count("WATCHDOG=1")
        manager.wait_for("WATCHDOG=1", said + 3)
        extended = manager.count("EXTEND_TIMEOUT_USEC=30000000")
        manager.wait_for("WATCHDOG=1", said + 6)
        assert manager.count("EXTEND_TIMEOUT_USEC=30000000") == extended
    manager.wait_for("STOPPING=1")
    assert manager.count("READY=1") == manager.count("STOPPING=1") == 1


def test_a_stuck_event_loop_is_not_vouched_for(manager: Manager) -> None:
    #  loop    |-- beats --|---- stuck 3 s ----|-- beats --
    #  words   | WATCHDOG  |bound 0.5 s|  none | WATCHDOG
    health = Health(bound=0.5)
    health.loaded()

    async def work() -> tuple[float, float]:
        async with beating(health):
            await asyncio.sleep(0)
            await asyncio.to_thread(manager.wait_for, "WATCHDOG=1", 2)
            health.beat()
            begin = time.monotonic()
            time.sleep(3.0)  # noqa: ASYNC251 - this is the fault
            end = time.monotonic()
            await asyncio.to_thread(manager.wait_for, "WATCHDOG=1", manager.count("WATCHDOG=1") + 2)
            return begin, end

    with notifying(health, manager.environment):
        begin, end = asyncio.run(work())
    stuck = [moment for moment, line in manager.heard if line == "WATCHDOG=1" and begin + 1.5 < moment < end]
    assert stuck == [], "it said that it lives while its loop was stuck"
    assert "STATUS=the event loop is stuck" in manager.lines()


def test_nobody_listens_and_nothing_breaks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    environment = {"NOTIFY_SOCKET": str(tmp_path / "nobody"), "WATCHDOG_USEC": "30000"}
    with notifying(Health(), environment):
        time.sleep(0.1)
    assert [record.getMessage() for record in caplog.records] == [
        "the service manager at NOTIFY_SOCKET does not listen (No such file or directory)"
    ]


def test_without_a_manager_no_thread_is_started() -> None:
    before = {thread.name for thread in threading.enumerate()}
    with notifying(Health(), {}):
        assert {thread.name for thread in threading.enumerate()} == before


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
    ],
)
def test_whom_the_watchdog_is_for(environment: dict[str, str], seconds: float | None) -> None:
    assert watchdog_seconds(environment) == seconds


@pytest.mark.parametrize(
    "environment", [{"NOTIFY_SOCKET": "vsock:2:1"}, {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "soon"}]
)
def test_what_cannot_be_understood_says_so(environment: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="unset it to run"), notifying(Health(), environment):
        raise AssertionError("it ran")


def test_a_real_run_is_ready_lives_and_stops(tmp_path: Path, landmarker: Path) -> None:
    events = tmp_path / "events.jsonl"
    command = [*EBMC, "run", "clip", "--realtime", "--asr", "none", "--engine", "onnx", "--sink", f"jsonl:{events}"]
    with listening_manager(str(tmp_path / "notify"), watchdog=1.0) as manager:
        with subprocess.Popen(command, env=own_environment(manager), stderr=subprocess.PIPE, text=True) as process:
            try:
                manager.wait_for("READY=1")
                manager.wait_for("WATCHDOG=1", manager.count("WATCHDOG=1") + 5)
                process.send_signal(signal.SIGTERM)
                manager.wait_for("STOPPING=1")
                _, told = process.communicate(timeout=100)
            finally:
                process.kill()
        lines = manager.lines()
    assert process.returncode == 130, told
    assert lines.index("READY=1") < lines.index("STOPPING=1")
    assert "STATUS=waiting: models (loading)" in lines and "STATUS=running" in lines


def test_an_ingest_is_ready_when_its_source_is_there(tmp_path: Path) -> None:
    pytest.importorskip("aiokafka", reason="the extra kafka is not installed")
    pytest.importorskip("confluent_kafka", reason="its mock brokers are not installed")
    from tests.kafka.mock_cluster import mock_cluster

    with mock_cluster() as cluster, listening_manager(str(tmp_path / "notify"), watchdog=1.0) as manager:
        command = [*EBMC, "ingest", "clip", "--realtime", "--brokers", cluster.bootstrap, "--topic", "media"]
        environment = own_environment(manager) | {"EBMC_KAFKA_IDEMPOTENT": "false"}
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
            try:
                manager.wait_for("READY=1")
                manager.wait_for("WATCHDOG=1", manager.count("WATCHDOG=1") + 3)
                process.send_signal(signal.SIGTERM)
                manager.wait_for("STOPPING=1")
                _, told = process.communicate(timeout=100)
            finally:
                process.kill()
    assert process.returncode == 130, told


def test_a_source_that_is_not_there_yet_is_waited_for_and_the_start_lasts(tmp_path: Path, landmarker: Path) -> None:
    command = [*EBMC, "run", f"rtsp://127.0.0.1:{free_port()}/live", "--asr", "none", "--engine", "onnx"]
    with listening_manager(str(tmp_path / "notify"), watchdog=1.0) as manager:
        environment = own_environment(manager) | {"EBMC_OPEN_PATIENCE": "inf", "EBMC_RECONNECT_WAIT": "0.1"}
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
            try:
                manager.wait_for("STATUS=waiting: source 127.0.0.1-live (opening)")
                extended = manager.count("EXTEND_TIMEOUT_USEC=30000000")
                manager.wait_for("EXTEND_TIMEOUT_USEC=30000000", extended + 8)
                process.send_signal(signal.SIGTERM)
                _, told = process.communicate(timeout=100)
            finally:
                process.kill()
        assert manager.count("READY=1") == 0
    assert process.returncode == 130, told
    assert "is not there yet" in told
