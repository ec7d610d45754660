"""The broker goes away and comes back: nothing is lost up to the cap, and the order holds. On real Apache Kafka."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stream.kafka.options import KafkaSettings
from stream.metrics import Metrics
from stream.sinks.kafka import KafkaSink
from tests.kafka.broker import ApacheKafka, Broker, free_ports
from tests.kafka.reading import expected, first_times, read, some_events

Options = Callable[..., KafkaSettings]
QUICK = {"patience": 0.5, "request_timeout": 2.0, "close_timeout": 60.0, "memory": 200}
STEADY = QUICK | {"patience": 3.0, "request_timeout": 3.0}  # a machine that stalls for a moment is no outage
PACE = 0.01  # seconds between two events


async def send_through(sink: KafkaSink, count: int, at: dict[int, Callable[[], None]]) -> float:
    """Send events at a steady pace; before some of them something happens. The longest that a `send` took, seconds."""
    longest = 0.0
    async with sink:
        for place, each in enumerate(some_events(count)):
            if place in at:
                await asyncio.to_thread(at[place])
            begin = time.monotonic()
            await sink.send(each)
            longest = max(longest, time.monotonic() - begin)
            await asyncio.sleep(PACE)
    return longest


@pytest.mark.parametrize("idempotent", [True, False])
def test_a_broker_that_hangs(
    real: ApacheKafka, topic: str, options: Options, caplog: pytest.LogCaptureFixture, idempotent: bool
) -> None:
    sink = KafkaSink(f"//{real.bootstrap}/{topic}", options(**STEADY, idempotent=idempotent))
    metrics = Metrics()
    sink.report_to(metrics)
    try:
        asyncio.run(send_through(sink, 600, {50: real.pause, 550: real.resume}))
    finally:
        real.resume()
    found = read(real.bootstrap, topic)
    assert first_times(found) == expected(600)
    assert not metrics.summary().dropped
    told_once(caplog)


def told_once(caplog: pytest.LogCaptureFixture) -> None:
    """One line when the outage began, one when it was over, and nothing else."""
    began, over = caplog.messages
    assert "the brokers are away" in began
    assert "back after" in over


def test_a_broker_that_is_killed_and_started_again(
    real: ApacheKafka, topic: str, options: Options, caplog: pytest.LogCaptureFixture
) -> None:
    sink = KafkaSink(f"//{real.bootstrap}/{topic}", options(**STEADY))
    asyncio.run(send_through(sink, 400, {50: real.kill, 350: real.start}))
    assert first_times(read(real.bootstrap, topic)) == expected(400)
    told_once(caplog)


def test_what_one_run_could_not_send_the_next_sends_first(
    broker: Broker, topic: str, options: Options, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    away = f"127.0.0.1:{port}"
    gone = options(**QUICK | {"close_timeout": 0.2})
    asyncio.run(send_through(KafkaSink(f"//{away}/{topic}", gone), 100, {}))
    assert "100 events wait on disk; the next run to this topic sends them first" in caplog.text

    async def later() -> None:
        async with KafkaSink(f"//{away}/{topic}", options(**QUICK)) as sink:
            for each in some_events(100, begin=50):
                await sink.send(each)

    with forwarding(port, broker.bootstrap):
        asyncio.run(later())
    # the address that the broker gives for itself is its own: only the first contact goes through the port
    assert first_times(read(broker.bootstrap, topic)) == expected(200)
    assert list((tmp_path / "spill").iterdir()) == []


def forwarding(port: int, to: str) -> "subprocess.Popen[bytes]":
    """A port of this machine that leads to the broker, while the block runs."""
    program = (
        "import asyncio, sys\n"
        "async def pump(reader, writer):\n"
        "    while data := await reader.read(65536):\n"
        "        writer.write(data)\n"
        "    writer.close()\n"
        "async def meet(reader, writer):\n"
        "    host, _, port = sys.argv[2].rpartition(':')\n"
        "    there, back = await asyncio.open_connection(host, int(port))\n"
        "    await asyncio.gather(pump(reader, back), pump(there, writer), return_exceptions=True)\n"
        "async def main():\n"
        "    server = await asyncio.start_server(meet, '127.0.0.1', int(sys.argv[1]))\n"
        "    print('ready', flush=True)\n"
        "    await server.serve_forever()\n"
        "asyncio.run(main())\n"
    )
    return Forwarding([sys.executable, "-c", program, str(port), to], stdout=subprocess.PIPE)


class Forwarding(subprocess.Popen[bytes]):
    def __enter__(self) -> "Forwarding":
        assert self.stdout
        assert self.stdout.readline() == b"ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.wait()
        assert self.stdout
        self.stdout.close()


WRITER = """
import asyncio, sys
from pathlib import Path
from stream.kafka.options import KafkaSettings
from stream.sinks.kafka import KafkaSink
from tests.kafka.reading import some_events

async def main():
    where, spill = sys.argv[1:]
    async with KafkaSink(where, KafkaSettings(spill=Path(spill), patience=0.3, request_timeout=1.0)) as sink:
        for each in some_events(100):
            await sink.send(each)
        while sink.waiting_on_disk < 100:
            await asyncio.sleep(0.05)
        print("kept", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


def test_a_writer_that_is_killed_during_an_outage_loses_nothing_that_was_kept(
    broker: Broker, topic: str, options: Options, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    where, spill = f"//127.0.0.1:{port}/{topic}", tmp_path / "spill"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, where, str(spill)], stdout=subprocess.PIPE, env=environment
    ) as writer:
        assert writer.stdout
        assert writer.stdout.readline() == b"kept\n"
        writer.send_signal(signal.SIGKILL)

    async def later() -> None:
        async with KafkaSink(where, options(**QUICK)):
            pass

    with forwarding(port, broker.bootstrap):
        asyncio.run(later())
    assert first_times(read(broker.bootstrap, topic)) == expected(100)


def test_the_caps_of_an_outage_are_counted(options: Options, topic: str, caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    settings = options(**QUICK | {"close_timeout": 0.0, "request_timeout": 60.0}, spill_mib=0.05)
    sink = KafkaSink(f"//127.0.0.1:{free_ports(1)[0]}/{topic}", settings)
    sink.report_to(metrics)
    longest = asyncio.run(send_through(sink, 200, {}))
    dropped = metrics.summary().dropped["kafka", "spill-full"]
    (left,) = [line for line in caplog.messages if "events wait on disk" in line]
    assert 0 < dropped < 200
    assert f" {200 - dropped:.0f} events wait on disk" in left
    assert len([line for line in caplog.messages if "events are dropped" in line]) == 1
    assert longest < 10.0, "nobody waits for a broker that is away, which would take the minute of its timeout"
