"""`ebmc ingest` over a real broker: all of a source is on the topic, in order."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from stream.chunks.chunk import Chunk, chunk_from
from stream.chunks.packet_cutting import GROUP
from tests.kafka.broker import ApacheKafka, Broker, free_ports
from tests.kafka.reading import read
from tests.kafka.working import make_topics
from tests.stream.listening import RTSP_SERVER, serving
from tests.stream.shortened import shortened

Told = dict[tuple[str, frozenset[tuple[str, str]]], float]  # name and labels, to value


def command(source: str, bootstrap: str, topic: str, *more: str) -> list[str]:
    where = ["--brokers", bootstrap, "--topic", topic, "--stats"]
    return [sys.executable, "-m", "stream.cli", "ingest", source, *where, *more]


@pytest.fixture
def environment(broker: Broker, tmp_path: Path) -> dict[str, str]:
    own = {"EBMC_KAFKA_SPILL": str(tmp_path / "spill"), "EBMC_KAFKA_IDEMPOTENT": str(broker.idempotent).lower()}
    return {**os.environ, **own, "EBMC_KAFKA_CLOSE_TIMEOUT": "60"}


@pytest.fixture(scope="module")
def beginning(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 8 s of the clip."""
    return shortened(clip, 8.0, tmp_path_factory.mktemp("beginning") / "clip.mp4")


def on_topic(bootstrap: str, topic: str) -> list[Chunk]:
    return [chunk_from(record.key, record.value, record.headers) for record in read(bootstrap, topic)]


def check_row(chunks: Sequence[Chunk]) -> None:
    assert [chunk.sequence for chunk in chunks] == list(range(len(chunks)))
    assert all(chunks[n].end == chunks[n + 1].start for n in range(len(chunks) - 1))
    assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


def test_a_file_is_all_there(broker: Broker, topic: str, clip: Path, environment: dict[str, str]) -> None:
    made = command(str(clip), broker.bootstrap, topic, "--stream", "cam-1")
    done = subprocess.run(made, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "cam-1: 27.0 s, 28 chunks" in done.stderr
    chunks = on_topic(broker.bootstrap, topic)
    check_row(chunks)
    assert {chunk.stream for chunk in chunks} == {"cam-1"}
    assert chunks[-1].end == pytest.approx(27.008, abs=0.01)


def test_a_file_that_is_cut_off_is_told(
    broker: Broker, topic: str, clip: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    short = tmp_path / "short.mp4"
    short.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    made = command(str(short), broker.bootstrap, topic)
    done = subprocess.run(made, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "short.mp4" in done.stderr


def test_chunks_that_the_topic_does_not_take_are_told_at_the_end(
    broker: Broker, topic: str, beginning: Path, environment: dict[str, str]
) -> None:
    asyncio.run(make_topics(broker.bootstrap, topic, **{"max.message.bytes": "20000"}))
    made = command(str(beginning), broker.bootstrap, topic)
    done = subprocess.run(made, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert "chunks are lost: too large; let the topic take 8388608 bytes (max.message.bytes)" in " ".join(
        done.stderr.split()
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_ctrl_c_sends_what_is_cut(broker: Broker, topic: str, clip: Path, environment: dict[str, str]) -> None:
    made = command(str(clip), broker.bootstrap, topic, "--realtime")
    with subprocess.Popen(made, env=environment, stderr=subprocess.PIPE, text=True) as process:
        wait_for_chunks(broker, topic, 3)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    check_row(on_topic(broker.bootstrap, topic))


def test_a_file_on_a_loop_is_a_run_each_time_and_prometheus_is_told(
    broker: Broker, topic: str, beginning: Path, environment: dict[str, str]
) -> None:
    (port,) = free_ports(1)
    more = ("--loop", "--stream", "cam-1", "--metrics", str(port))
    with subprocess.Popen(
        command(str(beginning), broker.bootstrap, topic, *more), env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for_chunks(broker, topic, 20)  # 8 or 9 in a run
        told = metrics_at(port)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    runs: dict[str, list[Chunk]] = {}
    for chunk in on_topic(broker.bootstrap, topic):
        runs.setdefault(chunk.run, []).append(chunk)
    assert len(runs) > 2
    for chunks in runs.values():
        check_row(chunks)
    assert told["ebmc_ingest_chunks_total", frozenset({("stream", "cam-1")})] >= 20
    assert told["ebmc_ingest_bytes_total", frozenset({("stream", "cam-1")})] > 100_000
    assert told["ebmc_ingest_media_seconds_total", frozenset({("stream", "cam-1")})] > 16
    assert told["ebmc_source_up", frozenset({("stream", "cam-1")})] == 1
    assert told["ebmc_brokers_away", frozenset({("topic", topic)})] == 0
    assert told["ebmc_spill_bytes", frozenset({("topic", topic)})] == 0
    assert told["ebmc_stage_seconds_count", frozenset({("stage", "kafka")})] >= 19
    assert told["ebmc_ready", frozenset()] == 1


def test_standard_input_cannot_be_on_a_loop(broker: Broker, topic: str, environment: dict[str, str]) -> None:
    made = command("-", broker.bootstrap, topic, "--loop")
    done = subprocess.run(
        made, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "--loop: standard input cannot begin again" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_camera_that_is_away_is_told_and_its_return_too(
    broker: Broker, topic: str, clip: Path, environment: dict[str, str]
) -> None:
    camera_port, port = free_ports(2)
    more = ("--realtime", "--loop", "--stream", "cam-1", "--metrics", str(port))  # as deploy/compose.yaml has it
    made = command(f"rtsp://127.0.0.1:{camera_port}/cam", broker.bootstrap, topic, *more)
    quick = {"EBMC_READ_TIMEOUT": "3", "EBMC_RECONNECT_WAIT": "0.2", "EBMC_OPEN_TIMEOUT": "60"}
    stream = frozenset({("stream", "cam-1")})
    with serving(RTSP_SERVER, str(camera_port), clip) as camera:
        camera.await_port(camera_port)
        with subprocess.Popen(made, env=environment | quick, stderr=subprocess.PIPE, text=True) as process:
            try:
                first = wait_for_metrics(port, lambda told: told.get(("ebmc_ingest_chunks_total", stream), 0) >= 4)
                camera.kill()
                away = wait_for_metrics(port, lambda told: told["ebmc_source_up", stream] == 0)
                camera.start()
                back = wait_for_metrics(port, lambda told: told["ebmc_source_up", stream] == 1)
                at_return = back["ebmc_ingest_chunks_total", stream]
                wait_for_metrics(port, lambda told: told["ebmc_ingest_chunks_total", stream] > at_return)
            finally:
                process.send_signal(signal.SIGINT)
                _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert (first["ebmc_ready", frozenset()], away["ebmc_ready", frozenset()]) == (1, 0)
    assert ", copied" in err
    assert all(chunk.end - chunk.start <= 1.0 + GROUP for chunk in on_topic(broker.bootstrap, topic))
    assert 0 <= first["ebmc_ingest_lag_seconds", stream] < 20
    assert back["ebmc_source_reconnects_total", stream] >= 1


def wait_for_metrics(port: int, met: Callable[[Told], bool]) -> Told:
    """What a process tells, once it is so."""
    deadline = time.monotonic() + 90
    while True:
        try:
            if met(told := metrics_at(port)):
                return told
        except (OSError, KeyError):
            pass
        assert time.monotonic() < deadline, "that did not come"
        time.sleep(0.2)


def metrics_at(port: int) -> Told:
    """What a process tells Prometheus."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def wait_for_chunks(broker: Broker, topic: str, count: int) -> None:
    """Until so many are on the topic."""
    deadline = time.monotonic() + 90
    while len(_found(broker, topic)) < count:
        assert time.monotonic() < deadline, "no chunks came"
        time.sleep(0.3)


def _found(broker: Broker, topic: str) -> list[Chunk]:
    try:
        return on_topic(broker.bootstrap, topic)
    except KeyError:  # the topic is not there yet
        return []


def test_the_brokers_are_away_for_a_while(
    real: ApacheKafka, topic: str, beginning: Path, environment: dict[str, str]
) -> None:
    made = command(str(beginning), real.bootstrap, topic, "--realtime")
    quick = {"EBMC_KAFKA_REQUEST_TIMEOUT": "2", "EBMC_KAFKA_PATIENCE": "0.5"}
    with subprocess.Popen(made, env=environment | quick, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        try:
            wait_for_chunks(real, topic, 2)
            real.pause()
            away = any("the brokers are away" in line for line in process.stderr)  # reads no further than that
            time.sleep(2)  # two more chunks are cut meanwhile
        finally:
            real.resume()
        _, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    assert away
    chunks = on_topic(real.bootstrap, topic)
    first = [chunk for n, chunk in enumerate(chunks) if chunk.sequence not in {c.sequence for c in chunks[:n]}]
    check_row(first)
    assert first[-1].end == pytest.approx(8.0, abs=0.1)
