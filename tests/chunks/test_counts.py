"""What a worker tells Prometheus."""

import time
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from stream.chunks.counts import Counts, WorkMeters
from stream.metrics import Metrics


def told(counts: Counts) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(WorkMeters(counts))
    return registry


def test_what_was_done() -> None:
    metrics = Metrics()
    counts = Counts(repeats=2, taken_over=1, shifts=3, metrics=metrics)
    counts.took(SimpleNamespace(partition=4, timestamp=(time.time() - 30) * 1000))
    counts.acknowledged(time.time() - 0.5)
    counts.delivered(1.25)
    registry = told(counts)
    for name, value in {"chunks": 1, "windows": 1, "repeats": 2, "takeovers": 1, "shifts": 3}.items():
        assert registry.get_sample_value(f"ebmc_worker_{name}_total") == value
    assert registry.get_sample_value("ebmc_worker_chunk_age_seconds", {"partition": "4"}) == pytest.approx(30, abs=9)
    assert metrics.registry.get_sample_value("ebmc_stage_seconds_sum", {"stage": "delivered"}) == 1.25
    kafka = metrics.registry.get_sample_value("ebmc_stage_seconds_sum", {"stage": "kafka"})
    assert kafka == pytest.approx(0.5, abs=9)


def test_every_cause_is_told_from_the_first_moment_so_that_an_increase_is_seen() -> None:
    counts = Counts()
    registry = told(counts)
    assert counts.letters.total() == 0
    assert registry.get_sample_value("ebmc_dead_letters_total", {"cause": "media"}) == 0
    counts.letters["media"] += 1
    assert registry.get_sample_value("ebmc_dead_letters_total", {"cause": "media"}) == 1


def test_a_partition_that_was_given_up_is_not_told_any_more() -> None:
    counts = Counts(lag={1: 7, 2: 0}, age={1: 12.0})
    registry = told(counts)
    assert registry.get_sample_value("ebmc_worker_lag_chunks", {"partition": "1"}) == 7
    counts.gave_up(1)
    counts.gave_up(1)
    assert registry.get_sample_value("ebmc_worker_lag_chunks", {"partition": "1"}) is None
    assert registry.get_sample_value("ebmc_worker_chunk_age_seconds", {"partition": "1"}) is None
    assert registry.get_sample_value("ebmc_worker_lag_chunks", {"partition": "2"}) == 0
