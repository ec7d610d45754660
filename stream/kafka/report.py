"""What is said about a topic: an outage when it begins and when it is over, each reason to drop once; the meters."""

import logging
import time
from collections import Counter

from stream.kafka.address import Address
from stream.metrics import Metrics

log = logging.getLogger(__name__)
QUEUE = "kafka"  # as the meters call it
REASONS = {
    "too-large": "larger than EBMC_KAFKA_MAX_MESSAGE_BYTES or than the topic's max.message.bytes",
    "not-authorized": "we may not write to this topic",
    "refused": "the brokers refuse them",
    "spill-full": "more waits than EBMC_KAFKA_SPILL_MIB allows; the oldest go first",
    "expired": "they waited for longer than EBMC_KAFKA_SPILL_AGE",
    "memory-full": "neither the brokers nor the disk take them",
    "disk": "neither the brokers nor the disk took them before the end",
}


class Report:
    """The one who speaks for a topic. metrics: the meters, once there are any."""

    def __init__(self, address: Address) -> None:
        self.metrics: Metrics | None = None
        self._where = address
        self._since: float | None = None
        self._dropped: Counter[str] = Counter()

    @property
    def away(self) -> bool:
        """Whether an outage was told that is not over."""
        return self._since is not None

    @property
    def lost(self) -> dict[str, int]:
        """How much was dropped so far, by reason."""
        return dict(self._dropped)

    def begins(self, reason: str, since: float) -> None:
        """The brokers are away; said once. since: when they were last heard, monotonic seconds."""
        if self._since is None:
            self._since = since
            log.warning("%s: the brokers are away (%s); events are kept until they are back", self._where, reason)

    def over(self, waited: int) -> None:
        """All that waited is delivered. waited: how many events had to."""
        if self._since is not None:
            lasted = time.monotonic() - self._since
            log.warning("%s: back after %.1f s; %d events that waited are delivered", self._where, lasted, waited)
            self._since = None

    def dropped(self, stream: str, reason: str, count: int) -> None:
        """Events are lost. reason: one of `REASONS`."""
        if reason not in self._dropped:
            log.warning("%s: events are dropped: %s; more of them are only counted", self._where, REASONS[reason])
        self._dropped[reason] += count
        if self.metrics:
            self.metrics.dropped(stream, QUEUE, reason, count)

    def acknowledged(self, seconds: float) -> None:
        """All replicas have an event, so long after it was made."""
        if self.metrics:
            self.metrics.stage(QUEUE, seconds)

    def waiting(self, events: int, spilled: float) -> None:
        """How many are not acknowledged. spilled: bytes of them on disk."""
        if self.metrics:
            self.metrics.depth(QUEUE, events)
            self.metrics.kept(self._where.topic, self.away, spilled)

    def sum_up(self, left: int) -> None:
        """At the end of a run. left: events that wait on disk for the next one."""
        if self._dropped:
            counts = ", ".join(f"{count} {reason}" for reason, count in self._dropped.items())
            log.warning("%s: events that were dropped: %s", self._where, counts)
        if left:
            log.warning("%s: %d events wait on disk; the next run to this topic sends them first", self._where, left)
