"""A worker that stands still for longer than its group waits, and then goes on, on real Apache Kafka."""

import asyncio
import json
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from stream.records import Frame
from tests.kafka.broker import Broker
from tests.kafka.reading import Record, first_times, read
from tests.kafka.working import WorkerProcess, committed, cut, events_of, looped, make_topics, send, wait_for_windows
from tests.stream.feeds import frames_of

SECONDS = 24.0  # of the stream, sent in real time
STILL = 15.0  # seconds; the group waits for 10
GRACE = 120.0


@pytest.fixture(scope="module")
def film(clip: Path) -> Sequence[Frame]:
    return looped(frames_of(clip), SECONDS)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("more", [(), ("--transactions",)], ids=["at-least-once", "transactions"])
def test_another_takes_over_and_nothing_is_lost_or_wrong(
    broker: Broker, topic: str, tmp_path: Path, film: Sequence[Frame], more: tuple[str, ...]
) -> None:
    """
    first    |-- works --|·· SIGSTOP, 15 s ··|-- goes on, without its partition --
    second               |-- begins --|-- takes over ------------------------------
    """
    if more and not broker.idempotent:
        pytest.skip(f"needs a broker with transactions; this is {broker.kind}")
    events, windows = f"{topic}-events", int((SECONDS - 4.0) / 0.5) + 1
    asyncio.run(make_topics(broker.bootstrap, topic, events, partitions=1))
    chunks = cut(film, "cam-0")
    sending = threading.Thread(target=lambda: asyncio.run(send(broker.bootstrap, topic, chunks, pace=1.0)))
    first = WorkerProcess(broker.bootstrap, topic, events, tmp_path / "first.log", *more)
    second: WorkerProcess | None = None
    try:
        sending.start()
        wait_for_windows(broker.bootstrap, events, 6, GRACE)
        first.process.send_signal(signal.SIGSTOP)
        stopped, before = time.monotonic(), len(read(broker.bootstrap, events))
        second = WorkerProcess(broker.bootstrap, topic, events, tmp_path / "second.log", *more)
        wait_for_windows(broker.bootstrap, events, before + 1, GRACE)  # by the second
        time.sleep(max(0.0, stopped + STILL - time.monotonic()))
        first.process.send_signal(signal.SIGCONT)
        found = wait_for_windows(broker.bootstrap, events, windows, GRACE)
        sending.join()
        assert first.process.poll() is None
        assert (first.stop(), second.stop()) == (130, 130)
    finally:
        for worker in (first, second):
            if worker:
                worker.kill()  # SIGKILL ends one that stands still, too
    assert "taken over after window" in (tmp_path / "second.log").read_text()
    assert "stood still for" in (tmp_path / "first.log").read_text()
    check(read(broker.bootstrap, events), windows)
    if more:
        once = [json.loads(value)["window"]["index"] for value in asyncio.run(committed(broker.bootstrap, events))]
        assert once == list(range(windows))
    assert len(found) >= windows


def check(found: Sequence[Record], windows: int) -> None:
    """Every window, in order after dropping repeats; a repeat says what the first said, but for its time and faces."""
    assert first_times(found) == {"cam-0": list(range(windows))}
    firsts = {event["event_id"]: event for event in events_of(found)["cam-0"]}
    for record in found:
        event = json.loads(record.value)
        same = firsts[event["event_id"]]
        assert event["window"] == same["window"]
        assert abs((event["sentiment"]["score"] or 0.0) - (same["sentiment"]["score"] or 0.0)) < 0.1
