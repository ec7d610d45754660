"""Published events back into `SentimentEvent`: what a reader of schema version 1 does.

Rules that let old readers read new events: a field that is not known is ignored, and so is a modality that is not
known; a field that is optional in the schema may be missing. Anything else that does not fit the schema is refused,
and so is what JSON Schema cannot tell: numbers that are none or have no end, and text that is no Unicode.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from jsonschema import ValidationError

from ebmc_core.modality import MODALITIES
from stream.errors import EventError
from stream.event import (
    EngineName,
    Latency,
    ModalityReport,
    Sentiment,
    SentimentEvent,
    Transcript,
    validate,
)
from stream.printable import one_line
from stream.records import FaceChoice, FaceReport, State, Window, Word

MOST = 2**63  # no number is larger
SURROGATE = re.compile("[\\ud800-\\udfff]")
LONGEST = 100  # letters of the name of a place in a document


def event_from_json(text: str | bytes) -> SentimentEvent:
    """The event in one JSON document. Raises `EventError`."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EventError(f"not JSON ({type(error).__name__})") from error
    return event_from_dict(found)


def event_from_dict(found: Mapping[str, Any]) -> SentimentEvent:
    """The event as it was published. Raises `EventError` unless it fits the schema."""
    try:
        validate(found)
    except ValidationError as error:
        where = one_line(".".join(str(part) for part in error.absolute_path) or "the document", LONGEST)
        raise EventError(f"not an event of schema version 1: look at {where}") from error
    transcript, engine, latency = found["transcript"], found["engine"], found["latency"]
    event = SentimentEvent(
        window=_window(found["stream"], found["window"]),
        sentiment=_sentiment(found["sentiment"]),
        trust={modality: found["trust"][modality] for modality in MODALITIES},
        modalities={modality: _report(found["modalities"][modality]) for modality in MODALITIES},
        transcript=Transcript(transcript["text"], transcript["final"], _words(transcript.get("words", ()))),
        faces=int(found["faces"]),
        face=_face(found.get("face")),
        latency=Latency(**_only(latency, "capture_to_event_ms", "engine_ms")),
        engine=EngineName(**_only(engine, "backend", "model", "hash")),
    )
    if event.event_id != found["event_id"]:
        raise EventError("not an event of schema version 1: its id does not belong to its window and model")
    if not _sound(event.as_dict()):
        raise EventError("not an event of schema version 1: a number in it is none, or a text no Unicode")
    return event


def _sound(value: Any) -> bool:
    """Whether it can be published again: numbers of 64 bits, text that can be encoded."""
    match value:
        case dict():
            return all(map(_sound, value.values()))
        case list() | tuple():
            return all(map(_sound, value))
        case int() | float():
            return abs(value) < MOST  # not so of NaN
        case str():
            return not SURROGATE.search(value)
        case _:
            return True


def _only(found: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: found[name] for name in names}


def _window(stream: str, found: Mapping[str, Any]) -> Window:
    return Window(stream, int(found["index"]), found["start"], found["end"])  # 5.0 is an integer in JSON Schema


def _sentiment(found: Mapping[str, Any]) -> Sentiment:
    interval = found["interval"]
    return Sentiment(
        found["score"],
        found["label"],
        found["probabilities"] and _only(found["probabilities"], "negative", "neutral", "positive"),
        interval and (interval[0], interval[1]),
    )


def _report(found: Mapping[str, Any]) -> ModalityReport:
    return ModalityReport(State(found["state"]), found["quality"], found["score"], found["age"], found.get("reason"))


def _words(found: Sequence[Mapping[str, Any]]) -> tuple[Word, ...]:
    return tuple(Word(**_only(word, "start", "end", "text", "probability", "final")) for word in found)


def _face(found: Mapping[str, Any] | None) -> FaceReport | None:
    if found is None:
        return None
    left, top, right, bottom = found["box"]
    return FaceReport(int(found["id"]), FaceChoice(found["chosen"]), (left, top, right, bottom))
