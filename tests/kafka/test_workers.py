"""Workers of a group on real Apache Kafka: whatever happens to them, every window comes, and in order."""

import asyncio
import json
import os
import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engines.selection import open_engine
from stream.bench.listed import ListedSource
from stream.chunks.chunk import Chunk
from stream.chunks.reading import ChunkReader
from stream.front_ends import load_front_ends
from stream.records import Frame
from stream.settings import Settings, load_settings
from tests.chunks.poison import poison
from tests.kafka.broker import Broker
from tests.kafka.reading import first_times
from tests.kafka.working import (
    BOTH,
    WorkerProcess,
    committed,
    cut,
    events_of,
    letters,
    looped,
    make_topics,
    send,
    send_raw,
    wait_for_windows,
)
from tests.stream.feeds import frames_of, play

STREAMS, WORKERS = 4, 3
SECONDS = int(os.environ.get("EBMC_TEST_CHAOS_SECONDS", "16"))  # of each stream; workers are killed all along
GRACE = 90.0  # seconds for what is left at the end
ALONE = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def frames(clip: Path) -> Sequence[Frame]:
    return frames_of(clip)


@pytest.fixture(scope="module")
def films(frames: Sequence[Frame]) -> dict[str, list[Frame]]:
    """Four streams, each another part of the clip."""
    return {f"cam-{n}": looped(frames, SECONDS, 5.0 * n) for n in range(STREAMS)}


@pytest.fixture(scope="module")
def alone(films: dict[str, list[Frame]]) -> Iterator[ALONE]:
    """The events of the same media on one machine, without Kafka: pictures as they are after they were encoded."""
    settings = load_settings(asr="none")
    with load_front_ends(settings, lambda _: None) as front, open_engine("auto", settings.checkpoint) as engine:
        sources = [ListedSource(name, decoded(cut(film, name)), BOTH) for name, film in films.items()]
        events, _ = play(sources, front, engine, settings=settings)
    found: ALONE = {}
    for event in events:
        found.setdefault(event.window.stream, []).append(json.loads(event.as_json()))
    yield found


def decoded(chunks: Sequence[Chunk]) -> list[Frame]:
    """What a worker sees of them."""
    reader = ChunkReader(Settings().video_rate)
    return [*(frame for chunk in chunks for frame in reader.frames(chunk)), *reader.rest()]


def compare(found: ALONE, alone: ALONE, median: float = 0.02, worst: float = 0.1) -> None:
    """Every window, in order, and nearly the same score: a worker that takes over has heard less of what was before."""
    for stream, expected in alone.items():
        assert [event["event_id"] for event in found[stream]] == [event["event_id"] for event in expected]
        assert [event["window"] for event in found[stream]] == [event["window"] for event in expected]
        apart = sorted(
            abs((one["sentiment"]["score"] or 0.0) - (two["sentiment"]["score"] or 0.0))
            for one, two in zip(found[stream], expected, strict=True)
        )
        assert apart[len(apart) // 2] <= median, stream
        assert apart[-1] <= worst, stream


@pytest.mark.timeout(900)
def test_workers_are_killed_all_the_time(
    broker: Broker, topic: str, tmp_path: Path, films: dict[str, list[Frame]], alone: ALONE
) -> None:
    """Four streams on four partitions, three workers.

    First all are killed at once, when some windows are written; then one is killed or stopped every few seconds.
    """
    events = f"{topic}-events"
    asyncio.run(make_topics(broker.bootstrap, topic, events))
    rounds = sorted((c for name, film in films.items() for c in cut(film, name)), key=lambda chunk: chunk.sequence)
    sending = threading.Thread(target=lambda: asyncio.run(send(broker.bootstrap, topic, rounds, pace=1.0)))
    dice, expected = random.Random(20), sum(len(events) for events in alone.values())

    def start(number: int) -> WorkerProcess:
        return WorkerProcess(broker.bootstrap, topic, events, tmp_path / f"worker-{number}.log")

    workers = [start(number) for number in range(WORKERS)]
    sending.start()
    try:
        wait_for_windows(broker.bootstrap, events, 8, GRACE)
        time.sleep(1.0)  # until that is committed
        for worker in workers:
            worker.kill()
        workers = [start(number) for number in range(WORKERS)]
        while sending.is_alive():
            time.sleep(dice.uniform(4, 8))
            number = dice.randrange(WORKERS)
            if dice.random() < 0.7:
                workers[number].kill()
            else:
                workers[number].stop()
            workers[number] = start(number)
        found = wait_for_windows(broker.bootstrap, events, expected, GRACE)
    finally:
        for worker in workers:
            worker.kill()
        sending.join()
    compare(events_of(found), alone)
    assert first_times(found) == {name: list(range(len(each))) for name, each in alone.items()}
    assert not letters(broker.bootstrap, topic)
    assert any("taken over after window" in log.read_text() for log in tmp_path.glob("worker-*.log"))


def test_a_worker_left_in_peace_gives_the_events_of_one_machine(
    broker: Broker, topic: str, tmp_path: Path, films: dict[str, list[Frame]], alone: ALONE
) -> None:
    events = f"{topic}-events"
    asyncio.run(make_topics(broker.bootstrap, topic, events))
    asyncio.run(send(broker.bootstrap, topic, cut(films["cam-0"], "cam-0")))
    worker = WorkerProcess(broker.bootstrap, topic, events, tmp_path / "worker.log")
    found = wait_for_windows(broker.bootstrap, events, len(alone["cam-0"]), GRACE)
    assert worker.stop() == 130
    assert len(found) == len(alone["cam-0"])  # none twice
    compare(events_of(found), {"cam-0": alone["cam-0"]}, median=0.01, worst=0.05)


def test_in_transactions_each_window_comes_once(
    broker: Broker, topic: str, tmp_path: Path, films: dict[str, list[Frame]], alone: ALONE
) -> None:
    """A worker is killed in the middle; who reads what is committed sees nothing twice."""
    if not broker.idempotent:
        pytest.skip(f"needs a broker with transactions; this is {broker.kind}")
    events = f"{topic}-events"
    asyncio.run(make_topics(broker.bootstrap, topic, events))
    chunks = cut(films["cam-0"], "cam-0")
    asyncio.run(send(broker.bootstrap, topic, chunks[:10]))
    first = WorkerProcess(broker.bootstrap, topic, events, tmp_path / "first.log", "--transactions")
    wait_for_windows(broker.bootstrap, events, 6, GRACE)
    first.kill()
    asyncio.run(send(broker.bootstrap, topic, chunks[10:]))
    second = WorkerProcess(broker.bootstrap, topic, events, tmp_path / "second.log", "--transactions")
    wait_for_windows(broker.bootstrap, events, len(alone["cam-0"]), GRACE)
    assert second.stop() == 130
    assert "taken over after window" in (tmp_path / "second.log").read_text()
    found = asyncio.run(committed(broker.bootstrap, events))
    assert [json.loads(value)["window"]["index"] for value in found] == list(range(len(alone["cam-0"])))


def test_poison_stops_no_worker_and_is_all_among_the_dead_letters(
    broker: Broker, topic: str, tmp_path: Path, frames: Sequence[Frame]
) -> None:
    """A hundred kinds of it between the chunks of a stream, which loses nothing."""
    events = f"{topic}-events"
    asyncio.run(make_topics(broker.bootstrap, topic, events, partitions=1))
    chunks = cut(looped(frames, 8.0), "cam-0")
    spoiled = poison(replace(chunks[3], stream="bad"))
    asyncio.run(send(broker.bootstrap, topic, chunks[:4]))
    asyncio.run(send_raw(broker.bootstrap, topic, spoiled))
    asyncio.run(send(broker.bootstrap, topic, chunks[4:]))
    worker = WorkerProcess(broker.bootstrap, topic, events, tmp_path / "worker.log")
    try:
        found = wait_for_windows(broker.bootstrap, events, 10, GRACE)
        deadline = time.monotonic() + GRACE
        while len(dead := letters(broker.bootstrap, topic)) < len(spoiled) and time.monotonic() < deadline:
            time.sleep(0.5)
        assert worker.process.poll() is None
    finally:
        worker.kill()
    assert [event["window"]["index"] for event in events_of(found)["cam-0"]] == list(range(9))
    offsets = [dict(letter.headers)["dlq_offset"] for letter in dead]
    assert sorted(offsets) == sorted(str(4 + n).encode() for n in range(len(spoiled)))
    assert sorted(letter.value or b"" for letter in dead) == sorted(value or b"" for _, _, value, _ in spoiled)
