"""Meters read back from the text that Prometheus would scrape."""

import math
from collections import Counter
from dataclasses import dataclass, field, replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ebmc_core.modality import MODALITIES, Modality
from stream.metrics import MOST_NAMES, Metrics
from stream.stats import KEPT, Percentiles, Reservoir, RunStats, Summary
from stream.worker import Load
from tests.stream.events import event


@dataclass
class Opened:
    """A source as it tells how it is."""

    state: str = "open"
    reconnects: int = 0
    gaps: int = 0
    dropped: Counter[str] = field(default_factory=Counter[str])
    skew: float = 0.0


@dataclass
class Spoken:
    """What recognition did."""

    passes: int = 0
    superseded: int = 0
    skips: int = 0
    skipped: float = 0.0
    phantoms: Counter[str] = field(default_factory=Counter[str])


def series(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(metrics.text().decode())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return series(metrics)[name, frozenset(labels.items())]


def test_an_event_shows_trust_state_and_score() -> None:
    metrics, present = Metrics(), frozenset(MODALITIES) - {Modality.VIDEO}
    metrics.event(event(present=present, stream="a"))
    assert value(metrics, "ebmc_events_total", stream="a", label="positive") == 1
    assert value(metrics, "ebmc_trust_ratio", stream="a", modality="audio") == pytest.approx(0.5)
    assert value(metrics, "ebmc_trust_ratio", stream="a", modality="video") == 0
    assert value(metrics, "ebmc_quality_ratio", stream="a", modality="audio") == pytest.approx(0.8)
    assert value(metrics, "ebmc_age_seconds", stream="a", modality="video") == pytest.approx(9.0)
    assert value(metrics, "ebmc_score", stream="a") == pytest.approx(0.6)
    assert value(metrics, "ebmc_faces", stream="a") == 0
    assert value(metrics, "ebmc_engine_info", backend="onnxruntime-cpu", model="live-en") == 1


def test_one_state_is_one_and_it_moves() -> None:
    metrics = Metrics()
    for index, present in enumerate([frozenset(MODALITIES), frozenset({Modality.TEXT})]):
        metrics.event(event(index, present))
    states = {
        state: value(metrics, "ebmc_state", stream="s", modality="audio", state=state)
        for state in ("ok", "degraded", "stale", "missing")
    }
    assert states == {"ok": 0, "degraded": 0, "stale": 0, "missing": 1}
    for state, count in (("ok", 1), ("missing", 1)):
        assert value(metrics, "ebmc_modality_windows_total", stream="s", modality="audio", state=state) == count


def test_an_unknown_score_is_not_a_number() -> None:
    metrics = Metrics()
    metrics.event(event(present=frozenset()))
    assert math.isnan(value(metrics, "ebmc_score", stream="s"))
    assert value(metrics, "ebmc_events_total", stream="s", label="unknown") == 1


def test_stages_fall_into_buckets_from_a_millisecond_to_half_a_minute() -> None:
    metrics = Metrics()
    for seconds in (0.0005, 0.075, 0.19, 40.0, -0.001):
        metrics.stage("total", seconds)
    counts = {edge: value(metrics, "ebmc_stage_seconds_bucket", stage="total", le=edge) for edge in ("0.001", "0.08")}
    assert counts == {"0.001": 2, "0.08": 3}
    assert value(metrics, "ebmc_stage_seconds_bucket", stage="total", le="30.0") == 4
    assert value(metrics, "ebmc_stage_seconds_count", stage="total") == 5
    assert value(metrics, "ebmc_stage_seconds_sum", stage="total") == pytest.approx(40.2655)


def test_totals_of_others_become_counters_and_begin_anew() -> None:
    metrics, source = Metrics(), Opened(state="waiting", reconnects=2, gaps=1, dropped=Counter(late=3), skew=-0.03)
    metrics.source("a", source)
    metrics.source("a", source)
    source.reconnects, source.state = 5, "open"
    source.dropped["late"] += 1
    metrics.source("a", source)
    metrics.source("a", Opened(reconnects=1))  # another source under the same name
    assert value(metrics, "ebmc_source_reconnects_total", stream="a") == 6
    assert value(metrics, "ebmc_source_gaps_total", stream="a") == 1
    assert value(metrics, "ebmc_dropped_total", stream="a", queue="source", reason="late") == 4
    assert value(metrics, "ebmc_source_up", stream="a") == 1
    metrics.source("b", Opened(state="waiting", skew=-0.03))
    assert value(metrics, "ebmc_source_up", stream="b") == 0
    assert value(metrics, "ebmc_audio_video_skew_seconds", stream="b") == pytest.approx(-0.03)


def test_what_recognition_did() -> None:
    metrics, counts = Metrics(), Spoken(passes=7, superseded=2, skips=1, skipped=1.5, phantoms=Counter(loop=1))
    metrics.speech("a", counts)
    counts.passes, counts.skipped = 9, 4.0
    metrics.speech("a", counts)
    assert value(metrics, "ebmc_speech_passes_total", stream="a") == 9
    assert value(metrics, "ebmc_speech_superseded_total", stream="a") == 2
    assert value(metrics, "ebmc_speech_skips_total", stream="a") == 1
    assert value(metrics, "ebmc_speech_skipped_seconds_total", stream="a") == 4.0
    assert value(metrics, "ebmc_speech_phantoms_total", stream="a", guard="loop") == 1


def busy(metrics: Metrics, stream: str) -> None:
    """Everything a stream can leave behind."""
    metrics.event(event(stream=stream))
    metrics.dropped(stream, "frames", "latest", 2)
    metrics.lag(stream, 0.4)
    metrics.factor(stream, 1.0)
    metrics.depth("frames", 3, stream)
    metrics.source(stream, Opened(reconnects=1, dropped=Counter(late=1)))
    metrics.speech(stream, Spoken(passes=1, phantoms=Counter(loop=1)))


def test_a_stream_that_ended_leaves_nothing_and_the_others_stay() -> None:
    metrics = Metrics()
    busy(metrics, "stays")
    metrics.depth("ready", 1)
    before = series(metrics)
    busy(metrics, "goes")
    assert len(series(metrics)) > len(before)
    metrics.forget("goes")
    after = series(metrics)
    fixed = {key: found for key, found in after.items() if not key[0].startswith("process_")}
    assert fixed == {key: found for key, found in before.items() if not key[0].startswith("process_")}
    assert value(metrics, "ebmc_queue_items", stream="", queue="ready") == 1
    metrics.source("goes", Opened(reconnects=1))  # back under the same name, it counts from nothing
    assert value(metrics, "ebmc_source_reconnects_total", stream="goes") == 1


def test_runs_of_a_stream_are_told_as_one_and_go_with_the_last() -> None:
    metrics = Metrics(lambda name: name.partition("@")[0])
    for run in ("cam@1", "cam@2"):
        metrics.source(run, Opened(reconnects=1))
        metrics.event(event(stream=run))
    assert value(metrics, "ebmc_source_reconnects_total", stream="cam") == 2
    assert value(metrics, "ebmc_events_total", stream="cam", label="positive") == 2
    metrics.forget("cam@1")
    assert value(metrics, "ebmc_source_up", stream="cam") == 1
    metrics.forget("cam@2")
    assert "cam" not in metrics.text().decode()


def test_an_event_that_comes_after_the_end_of_its_stream_leaves_nothing() -> None:
    metrics = Metrics()
    metrics.source("a", Opened())
    metrics.forget("a")
    metrics.event(event(stream="a"))
    assert not [key for key in series(metrics) if ("stream", "a") in key[1]]
    metrics.source("a", Opened())  # it is back
    metrics.event(event(stream="a"))
    assert value(metrics, "ebmc_events_total", stream="a", label="positive") == 1


def test_brokers_that_are_away_and_what_waits_for_them() -> None:
    metrics = Metrics()
    metrics.kept("media", True, 4096.0)
    assert value(metrics, "ebmc_brokers_away", topic="media") == 1
    assert value(metrics, "ebmc_spill_bytes", topic="media") == 4096


def test_an_engine_that_takes_over_is_counted() -> None:
    metrics = Metrics()
    first = event()
    second = replace(first, engine=replace(first.engine, backend="torch-cpu"))
    for each in (first, first):
        metrics.event(each)
    assert value(metrics, "ebmc_engine_takeovers_total") == 0
    metrics.event(second)
    assert value(metrics, "ebmc_engine_takeovers_total") == 1
    assert value(metrics, "ebmc_engine_info", backend="torch-cpu", model="live-en") == 1


def test_names_without_end_do_not_make_series_without_end() -> None:
    metrics = Metrics()
    for number in range(10 * MOST_NAMES):
        metrics.dropped("a", "frames", f"reason {number}")
    found = {key: count for key, count in series(metrics).items() if key[0] == "ebmc_dropped_total"}
    assert len(found) == MOST_NAMES + 1 and sum(found.values()) == 10 * MOST_NAMES


def test_the_process_is_measured() -> None:
    metrics = Metrics()
    assert value(metrics, "process_resident_memory_bytes") > 1e6
    assert value(metrics, "process_cpu_seconds_total") > 0 and value(metrics, "process_open_fds") > 0


def test_the_summary_outlives_the_streams() -> None:
    metrics = Metrics()
    busy(metrics, "a")
    for milliseconds in range(1, 101):
        metrics.stage("total", milliseconds / 1000)
    metrics.forget("a")
    summary = metrics.summary()
    total = summary.stages["total"]
    assert (total.p50, total.p95, total.p99) == pytest.approx((0.0505, 0.09505, 0.09901)) and total.count == 100
    assert summary.dropped == {("frames", "latest"): 2, ("source", "late"): 1} and summary.reconnects == {"a": 1}


def test_a_reservoir_is_exact_while_it_has_room_and_close_after() -> None:
    reservoir = Reservoir()
    assert reservoir.percentiles() == Percentiles(0, 0, 0, 0)
    for number in range(20 * KEPT):
        reservoir.add(number / (20 * KEPT))
    found = reservoir.percentiles()
    assert (found.p50, found.p95, found.p99) == pytest.approx((0.5, 0.95, 0.99), abs=0.03) and found.count == 20 * KEPT


def test_the_lines_of_stats() -> None:
    summary = Summary(
        {"total": Percentiles(0.08, 0.2, 0.4, 60), "face": Percentiles(0, 0, 0, 0)},
        {("frames", "latest"): 12},
        {"cam": 2},
    )
    lines = RunStats(1.0, 4.0, 8.0, 9, {"engine": Load(2, 0.1)}, summary).lines()
    assert lines[1] == "ran        4.00 s   for 8.0 s of media: 2.0 times real time, 9 events"
    assert lines[3] == "worker     0.10 s   engine: 2 calls, 50.0 ms each"
    assert lines[4:] == [
        "stage    total      p50 80.0, p95 200.0, p99 400.0 ms   (60 times)",
        "dropped      12     frames: latest",
        "source        2 reconnects   cam",
    ]
    assert len(RunStats(1.0, 4.0, 8.0, 9, {}).lines()) == 3
