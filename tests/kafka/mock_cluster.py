"""librdkafka's mock cluster: brokers in this process whose faults are calls, by way of confluent-kafka's library.

Values and names are those of librdkafka's `rdkafka_mock.h`.
"""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path

import confluent_kafka
import pytest

PRODUCE, FETCH, METADATA = 0, 1, 3  # request types
PRODUCER = 0  # kind of client
PARTITIONS = 2


class Fault(IntEnum):
    """What a broker answers, or does."""

    CONNECTION_BREAKS = -195
    TIMED_OUT = 7
    NOT_LEADER = 6
    TOO_LARGE = 10
    COORDINATOR_GONE = 15
    NOT_ENOUGH_REPLICAS = 19
    NOT_AUTHORIZED = 29
    OUT_OF_ORDER = 45
    STORAGE = 56


class MockCluster:
    """Three brokers. Every call raises `AssertionError` if librdkafka says no."""

    def __init__(self, library: ctypes.CDLL, cluster: int) -> None:
        self._library, self._cluster = library, ctypes.c_void_p(cluster)
        library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
        self.bootstrap: str = library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()

    def make_topic(self, topic: str) -> None:
        """With `PARTITIONS` partitions, three copies of each."""
        assert not self._library.rd_kafka_mock_topic_create(self._cluster, topic.encode(), PARTITIONS, 3)

    def answer(self, faults: list[Fault], request: int = PRODUCE) -> None:
        """What the next requests get instead of an answer."""
        errors = (ctypes.c_int * len(faults))(*faults)
        count = ctypes.c_size_t(len(faults))
        self._library.rd_kafka_mock_push_request_errors_array(self._cluster, ctypes.c_int16(request), count, errors)

    def slow(self, milliseconds: int) -> None:
        """Round trips take so long on all brokers."""
        for broker in (1, 2, 3):
            assert not self._library.rd_kafka_mock_broker_set_rtt(self._cluster, broker, milliseconds)

    def lead(self, topic: str, partition: int, broker: int) -> None:
        """Another broker leads a partition."""
        assert not self._library.rd_kafka_mock_partition_set_leader(self._cluster, topic.encode(), partition, broker)

    def down(self) -> None:
        """No broker takes a connection, and those that are open break."""
        for broker in (1, 2, 3):
            assert not self._library.rd_kafka_mock_broker_set_down(self._cluster, broker)

    def up(self) -> None:
        """They are back."""
        for broker in (1, 2, 3):
            assert not self._library.rd_kafka_mock_broker_set_up(self._cluster, broker)


@contextmanager
def mock_cluster() -> Iterator[MockCluster]:
    """A cluster while the block runs."""
    library = _library()
    library.rd_kafka_conf_new.restype = library.rd_kafka_new.restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_new.restype = ctypes.c_void_p
    said = ctypes.create_string_buffer(512)
    settings = ctypes.c_void_p(library.rd_kafka_conf_new())
    client = library.rd_kafka_new(PRODUCER, settings, said, ctypes.c_size_t(512))
    assert client, said.value
    cluster = library.rd_kafka_mock_cluster_new(ctypes.c_void_p(client), 3)
    assert cluster
    try:
        yield MockCluster(library, cluster)
    finally:
        library.rd_kafka_mock_cluster_destroy(ctypes.c_void_p(cluster))
        library.rd_kafka_destroy(ctypes.c_void_p(client))


def _library() -> ctypes.CDLL:
    folder = Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs"
    found = list(folder.glob("librdkafka*"))
    if not found:
        pytest.skip(f"confluent-kafka brings no librdkafka of its own on {platform.system()}: no mock cluster")
    return ctypes.CDLL(str(found[0]))
