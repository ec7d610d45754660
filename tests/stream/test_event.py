"""The published event: what it says, and that its schema holds it to that."""

import json
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from ebmc_core.modality import MODALITIES, Modality
from stream.event import schema, validate
from tests.stream.events import event

SUBSETS = [frozenset(chosen) for size in range(len(MODALITIES) + 1) for chosen in combinations(MODALITIES, size)]


@pytest.mark.parametrize("present", SUBSETS, ids=lambda s: "+".join(sorted(s)) or "none")
def test_every_subset_of_modalities_gives_a_valid_event(present: frozenset[Modality]) -> None:
    published = json.loads(event(present=present).as_json())
    assert sum(published["trust"].values()) == pytest.approx(float(bool(present)), abs=1e-6)
    for modality in MODALITIES:
        report = published["modalities"][modality]
        assert (report["score"] is None) == (modality not in present)
        assert (published["trust"][modality] > 0) == (modality in present)
    assert (published["sentiment"]["label"] == "unknown") == (not present)
    assert (published["sentiment"]["score"] is None) == (not present)


@given(st.integers(0, 10**7), st.sampled_from(["cam-1", "a b", "ünïcode", "x/y"]))
def test_the_id_is_the_same_for_the_same_window(index: int, stream: str) -> None:
    first, second = event(index, stream=stream), event(index, stream=stream, probabilities=(0.5, 0.3, 0.2))
    assert first.event_id == second.event_id
    assert first.event_id != event(index + 1, stream=stream).event_id
    validate(first.as_dict() | json.loads(first.as_json()))


def test_the_transcript_holds_the_words_of_the_window() -> None:
    published = event(index=3, said="ask not what").as_dict()
    assert published["transcript"]["text"] == "ask not what"
    assert [word["text"] for word in published["transcript"]["words"]] == ["ask", "not", "what"]


def test_the_schema_is_itself_valid() -> None:
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize(
    "fault",
    [
        {"schema": "ebmc.sentiment/2"},
        {"event_id": "s/1"},
        {"faces": -1},
        {"trust": {"text": 0.5, "audio": 0.5}},
        {"trust": {"text": 1.5, "audio": 0, "video": 0}},
        {"sentiment": {"score": None, "label": "positive", "probabilities": None, "interval": None}},
        {"sentiment": {"score": 0.3, "label": "unknown", "probabilities": None, "interval": None}},
        {"modalities": {m: {"state": "gone", "quality": 1, "score": 0, "age": 0} for m in ("text", "audio", "video")}},
        {
            "modalities": {
                m: {"state": "missing", "quality": 0, "score": 0.4, "age": 0} for m in ("text", "audio", "video")
            }
        },
    ],
    ids=lambda fault: next(iter(fault)),
)
def test_the_schema_refuses_what_is_wrong(fault: dict[str, object]) -> None:
    good = json.loads(event().as_json())
    validate(good)
    with pytest.raises(ValidationError):
        validate(good | fault)


def test_a_reader_of_version_1_accepts_fields_that_are_new() -> None:
    validate(json.loads(event().as_json()) | {"speaker": "someone"})
