"""Real clips that are not part of the repository."""

from pathlib import Path
from statistics import mean

import pytest

from tests.end_to_end.conftest import Ebmc
from tests.stream.shortened import shortened

MUTE = ("--asr", "none")  # where only what is seen is asked for


def test_kennedy_word_for_word_and_no_video(ebmc: Ebmc, media: Path) -> None:
    finished = ebmc(media / "jfk.flac")
    assert finished.code == 0
    heard = " ".join(event["transcript"]["text"] for event in finished.events)
    assert "ask not what your country can do for you" in heard
    assert [event["window"]["index"] for event in finished.events] == list(range(15))
    for event in finished.events:
        assert event["modalities"]["video"]["state"] == "missing"
        assert event["trust"]["video"] == 0
        assert event["sentiment"]["score"] is not None


def test_no_face_is_no_video(ebmc: Ebmc, media: Path) -> None:
    finished = ebmc(media / "no_face.mp4", *MUTE)
    assert finished.code == 0
    assert finished.events
    for event in finished.events:
        assert event["modalities"]["video"]["state"] == "missing"
        assert event["trust"]["video"] == 0


def test_a_crying_face_is_negative_until_she_beams(ebmc: Ebmc, media: Path) -> None:
    # she cries, a hand before her face    |0 ........ 9.5|
    # she laughs openly, teeth in sight               |10 ........ 19.7|
    events = ebmc(media / "crying_woman.mp4", *MUTE).events
    states = [event["modalities"]["video"]["state"] for event in events]
    assert states.count("ok") > len(states) / 2

    def scores(start: float, end: float) -> list[float]:
        inside = [e for e in events if start <= e["window"]["start"] and e["window"]["end"] <= end]
        return [event["modalities"]["video"]["score"] for event in inside]

    assert mean(scores(0, 9.5)) < 0
    assert max(scores(2.5, 9.5)) < -0.2
    assert min(scores(10.5, 20)) > 0.2


def test_a_smile_is_above_a_neutral_face(ebmc: Ebmc, media: Path, tmp_path: Path) -> None:
    # franck.mp4   |neutral 20.8 .. 40|   |smiles 104.1 .. 120|
    film = media / "franck.mp4"
    neutral = shortened(film, 40.0, tmp_path / "neutral.mp4", begin=20.8)
    smiling = shortened(film, 120.0, tmp_path / "smiling.mp4", begin=104.1)
    events = ebmc(neutral, smiling, *MUTE).events

    def scores(stream: str) -> list[float]:
        mine = [event for event in events if event["stream"] == stream]
        assert [event["window"]["index"] for event in mine] == list(range(len(mine)))
        return [event["modalities"]["video"]["score"] for event in mine]

    assert len(scores("neutral")) > 30 and len(scores("smiling")) > 23
    assert mean(scores("smiling")) > 0
    assert mean(scores("smiling")) > mean(scores("neutral")) + 0.3


@pytest.mark.parametrize("name", ["single_face.mp4"])
def test_a_clip_shorter_than_a_window_is_one_window(ebmc: Ebmc, media: Path, name: str) -> None:
    events = ebmc(media / name, *MUTE).events
    assert [event["window"]["index"] for event in events] == [0]
    assert events[0]["faces"] == 1
