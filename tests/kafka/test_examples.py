"""The examples in docs/kafka.md, run as they stand, with the address and the topic of the test."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from stream.kafka.options import KafkaSettings
from stream.sinks.kafka import KafkaSink
from tests.kafka.broker import Broker
from tests.kafka.reading import some_events

PAGE = Path(__file__).parents[2] / "docs" / "kafka.md"
IMPORTS = "import asyncio, json\nfrom aiokafka import AIOKafkaConsumer\nfrom confluent_kafka import Consumer\n"
Options = Callable[..., KafkaSettings]
COUNT = 6


def example(marker: str, broker: Broker, topic: str) -> str:
    """The code block that holds `marker`."""
    (block,) = (found for found in re.findall(r"```\w*\n(.*?)```", PAGE.read_text("utf-8"), re.S) if marker in found)
    named = re.sub(r'"sentiment"(?=,|\]\))', f'"{topic}"', block)  # the topic, not the field of the event
    named = re.sub(r'"(mine|my-program)"', f'"{topic}"', named)  # the group
    return named.replace("localhost:9092", broker.bootstrap)


@pytest.fixture
def filled(broker: Broker, topic: str, options: Options) -> str:
    """A topic with events of two streams."""

    async def fill() -> None:
        async with KafkaSink(f"//{broker.bootstrap}/{topic}", options()) as sink:
            for each in some_events(COUNT):
                await sink.send(each)

    asyncio.run(fill())
    return topic


def first_lines(command: list[str], count: int) -> list[str]:
    """What a program prints that never ends by itself."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as running:
        assert running.stdout
        lines = [running.stdout.readline() for _ in range(count)]
        running.kill()
    return lines


@pytest.mark.parametrize(
    ("marker", "asynchronous"),
    [("SentimentEvents(", True), ("AIOKafkaConsumer(", True), ("Consumer({", False)],
    ids=["stream.client", "aiokafka", "confluent-kafka"],
)
def test_an_example_prints_every_event(broker: Broker, filled: str, marker: str, asynchronous: bool) -> None:
    code = example(marker, broker, filled)
    if asynchronous:
        code = f"async def main():\n{textwrap.indent(code, '    ')}\nasyncio.run(main())\n"
    lines = first_lines([sys.executable, "-c", IMPORTS + code], COUNT)
    for stream in ("cam-0", "cam-1"):
        mine = [line.split() for line in lines if line.startswith(stream)]
        assert [float(words[1]) for words in mine] == [4.0, 4.5, 5.0], lines


def test_the_line_for_kcat_prints_key_headers_and_value(broker: Broker, filled: str) -> None:
    if not shutil.which("kcat"):
        pytest.skip("kcat is not installed (sudo apt-get install kcat)")
    if not broker.idempotent:
        pytest.skip(f"kcat needs Apache Kafka; this is {broker.kind}")
    line = (
        example("kcat -b", broker, filled)
        .replace("-t sentiment", f"-t {filled} -e -q")
        .replace("-o end", "-o beginning")
    )
    out = subprocess.run(line, shell=True, capture_output=True, text=True, check=True).stdout
    assert out.count('"schema":"ebmc.sentiment/1"') == COUNT
    assert out.count("content-type=application/json,schema=ebmc.sentiment/1,traceparent=00-") == COUNT
    assert out.startswith("cam-")
