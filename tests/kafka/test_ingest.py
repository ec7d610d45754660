"""`ebmc ingest` over a real broker: all of a source is on the topic, in order."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from stream.chunks.chunk import Chunk, chunk_from
from tests.kafka.broker import ApacheKafka, Broker
from tests.kafka.reading import read


def command(source: str, bootstrap: str, topic: str, *more: str) -> list[str]:
    where = ["--brokers", bootstrap, "--topic", topic, "--stats"]
    return [sys.executable, "-m", "stream.cli", "ingest", source, *where, *more]


@pytest.fixture
def environment(broker: Broker, tmp_path: Path) -> dict[str, str]:
    own = {"EBMC_KAFKA_SPILL": str(tmp_path / "spill"), "EBMC_KAFKA_IDEMPOTENT": str(broker.idempotent).lower()}
    return {**os.environ, **own}


def on_topic(bootstrap: str, topic: str) -> list[Chunk]:
    return [chunk_from(record.key, record.value, record.headers) for record in read(bootstrap, topic)]


def check_row(chunks: Sequence[Chunk]) -> None:
    assert [chunk.sequence for chunk in chunks] == list(range(len(chunks)))
    assert all(chunks[n].end == chunks[n + 1].start for n in range(len(chunks) - 1))
    assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


def test_a_file_is_all_there(broker: Broker, topic: str, clip: Path, environment: dict[str, str]) -> None:
    made = command(str(clip), broker.bootstrap, topic, "--stream", "cam-1")
    done = subprocess.run(made, env=environment, capture_output=True, text=True, timeout=60, check=False)
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
    done = subprocess.run(made, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "short.mp4" in done.stderr


def test_ctrl_c_sends_what_is_cut(broker: Broker, topic: str, clip: Path, environment: dict[str, str]) -> None:
    made = command(str(clip), broker.bootstrap, topic, "--realtime")
    with subprocess.Popen(made, env=environment, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 30
        while len(_found(broker, topic)) < 3 and time.monotonic() < deadline:
            time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    check_row(on_topic(broker.bootstrap, topic))


def _found(broker: Broker, topic: str) -> list[Chunk]:
    try:
        return on_topic(broker.bootstrap, topic)
    except KeyError:  # the topic is not there yet
        return []


def test_the_brokers_are_away_for_a_while(
    real: ApacheKafka, topic: str, clip: Path, environment: dict[str, str]
) -> None:
    made = command(str(clip), real.bootstrap, topic, "--realtime")
    quick = {"EBMC_KAFKA_REQUEST_TIMEOUT": "2", "EBMC_KAFKA_PATIENCE": "0.5", "EBMC_KAFKA_CLOSE_TIMEOUT": "30"}
    with subprocess.Popen(made, env=environment | quick, stderr=subprocess.PIPE, text=True) as process:
        try:
            time.sleep(8)
            real.pause()
            time.sleep(8)
        finally:
            real.resume()
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    chunks = on_topic(real.bootstrap, topic)
    first = [chunk for n, chunk in enumerate(chunks) if chunk.sequence not in {c.sequence for c in chunks[:n]}]
    check_row(first)
    assert "the brokers are away" in err
