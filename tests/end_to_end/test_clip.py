"""The bundled clip through the whole program: what a person sees in `make demo`, asserted."""

from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from stream.event import validate
from tests.end_to_end.conftest import Ebmc, Finished

COVERED, NOISY = (9.0, 14.5), (19.5, 25.5)  # seconds, see ASSETS.md


@pytest.fixture(scope="module")
def run(ebmc: Ebmc, tmp_path_factory: pytest.TempPathFactory) -> tuple[Finished, Path]:
    """One run over the clip, with its picture."""
    picture = tmp_path_factory.mktemp("picture") / "timeline.png"
    return ebmc("clip", "--sink", f"timeline:{picture}", "--stats"), picture


@pytest.fixture(scope="module")
def events(run: tuple[Finished, Path]) -> list[dict[str, Any]]:
    return run[0].events


def inside(events: list[dict[str, Any]], start: float, end: float) -> list[dict[str, Any]]:
    """The events whose whole window lies in a stretch."""
    return [event for event in events if start <= event["window"]["start"] and event["window"]["end"] <= end]


def test_it_ends_well_and_says_what_it_cost(run: tuple[Finished, Path]) -> None:
    finished, picture = run
    assert finished.code == 0
    assert picture.stat().st_size > 20_000
    assert "times real time" in finished.err
    assert str(picture) in finished.err
    assert "Traceback" not in finished.err


def test_every_window_once_in_order_and_valid(events: list[dict[str, Any]]) -> None:
    assert [event["window"]["index"] for event in events] == list(range(47))
    assert len({event["event_id"] for event in events}) == 47
    for event in events:
        validate(event)
        assert sum(event["trust"].values()) == pytest.approx(1.0, abs=1e-6)


def test_the_words_are_heard(events: list[dict[str, Any]]) -> None:
    heard = " ".join(event["transcript"]["text"] for event in events).lower()
    assert "what your country can do for you" in heard
    assert "selfish" in heard


def test_covering_the_camera_takes_its_trust_and_leaves_a_score(events: list[dict[str, Any]]) -> None:
    covered = inside(events, *COVERED)
    assert len(covered) >= 3
    for event in covered:
        assert event["modalities"]["video"]["state"] == "missing"
        assert event["trust"]["video"] == 0
        assert event["modalities"]["video"]["score"] is None
        assert event["sentiment"]["score"] is not None
    seen = inside(events, 0, COVERED[0]) + inside(events, COVERED[1], 27)
    assert all(event["modalities"]["video"]["state"] == "ok" for event in seen)
    assert all(event["trust"]["video"] > 0 for event in seen)


def test_noise_moves_the_trust_away_from_the_sound(events: list[dict[str, Any]]) -> None:
    noisy, clean = inside(events, *NOISY), inside(events, COVERED[1], NOISY[0])
    for what in ("quality", "trust"):
        value = {
            "quality": lambda event: event["modalities"]["audio"]["quality"],
            "trust": lambda event: event["trust"]["audio"],
        }[what]
        assert mean(map(value, noisy)) < 0.7 * mean(map(value, clean)), what


def test_a_smile_is_more_positive_than_a_neutral_face(events: list[dict[str, Any]]) -> None:
    smile = [event["modalities"]["video"]["score"] for event in inside(events, 0, COVERED[0])]
    plain = [event["modalities"]["video"]["score"] for event in inside(events, COVERED[1], 27)]
    assert mean(smile) > mean(plain) + 0.3


def test_the_interval_holds_the_score(events: list[dict[str, Any]]) -> None:
    for event in events:
        low, high = event["sentiment"]["interval"]
        assert -1 <= low <= event["sentiment"]["score"] <= high <= 1


def test_both_engines_say_the_same(events: list[dict[str, Any]], ebmc: Ebmc) -> None:
    other = ebmc("clip", "--engine", "torch").events
    assert {event["engine"]["backend"] for event in events} == {"onnxruntime-cpu"}
    assert {event["engine"]["backend"] for event in other} == {"torch-cpu"}
    for one, two in zip(events, other, strict=True):
        assert one["sentiment"]["score"] == pytest.approx(two["sentiment"]["score"], abs=2e-4)
        assert one["transcript"] == two["transcript"]
