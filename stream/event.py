"""The published event, schema version 1: one per window, whatever is missing."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib.resources import files
from operator import attrgetter
from typing import Any

import numpy as np
from jsonschema import Draft202012Validator

from ebmc_core.batch import FusedBatch
from ebmc_core.modality import MODALITIES, SENTIMENTS, Modality
from stream.records import FaceReport, State, Window, WindowFeatures, Word

SCHEMA = "ebmc.sentiment/1"
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Sentiment:
    """score: valence in -1..1. interval: its 90 % interval. All None and `unknown` when every modality is missing."""

    score: float | None
    label: str
    probabilities: Mapping[str, float] | None
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class ModalityReport:
    """state, and why it is not ok; quality 0..1; score: what it says alone, -1..1; age of its last sample, seconds."""

    state: State
    quality: float
    score: float | None
    age: float
    reason: str | None


@dataclass(frozen=True, slots=True)
class Transcript:
    """text: the utterances that overlap the window, as known at its end. words: its words, with times."""

    text: str
    final: bool
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Latency:
    """capture_to_event: from the end of the window to the event; for a file that is read as fast as it can be, from
    the last frame of the window entering the pipeline. Milliseconds.
    """

    capture_to_event_ms: float
    engine_ms: float


@dataclass(frozen=True, slots=True)
class EngineName:
    """Which engine answered, with which model (hash: sha256 of its weights)."""

    backend: str
    model: str
    hash: str


@dataclass(frozen=True, slots=True)
class SentimentEvent:
    """One window's fused sentiment and the trust that made it.

    early: told while the window was open, to those alone who can do with it; another of the same id replaces it.
    """

    window: Window
    sentiment: Sentiment
    trust: Mapping[Modality, float]
    modalities: Mapping[Modality, ModalityReport]
    transcript: Transcript
    faces: int
    face: FaceReport | None
    latency: Latency
    engine: EngineName
    early: bool = False

    @property
    def event_id(self) -> str:
        """Deterministic: stream, window and model, so that a consumer can drop repeats."""
        return f"{self.window.stream}/{self.window.index:06d}/{self.engine.hash[:4]}"

    def as_dict(self) -> dict[str, Any]:
        """The event as it is published; it fits `schema/sentiment-event-1.json`."""
        parts = self.as_parts()
        for name in ("sentiment", "latency", "engine"):
            parts[name] = _fields(parts[name])
        parts["modalities"] = {name: _fields(report) for name, report in parts["modalities"].items()}
        parts["transcript"] = _fields(self.transcript) | {"words": [_fields(word) for word in self.transcript.words]}
        parts["face"] = _fields(self.face) if self.face else None
        return parts

    def as_parts(self) -> dict[str, Any]:
        """The same with records left as they are, for an encoder that reads dataclasses itself, many times as fast."""
        window = {"index": self.window.index, "start": round(self.window.start, 3), "end": round(self.window.end, 3)}
        return {
            "schema": SCHEMA,
            "event_id": self.event_id,
            "stream": self.window.stream,
            "window": window,
            "sentiment": self.sentiment,
            "trust": {modality.value: share for modality, share in self.trust.items()},
            "modalities": {modality.value: report for modality, report in self.modalities.items()},
            "transcript": self.transcript,
            "faces": self.faces,
            "face": self.face,
            "latency": self.latency,
            "engine": self.engine,
        }

    def as_json(self) -> str:
        """One line of JSON, checked against the schema."""
        line = json.dumps(self.as_dict(), ensure_ascii=False, allow_nan=False)
        validate(json.loads(line))
        return line


def event_from(
    features: WindowFeatures, fused: FusedBatch, row: int, latency: Latency, engine: EngineName
) -> SentimentEvent:
    """The event of the newest window of row `row` of a fused batch."""
    known = any(part.present for part in features.modalities.values())
    words = tuple(word for utterance in features.utterances for word in utterance.words)
    return SentimentEvent(
        window=features.window,
        sentiment=_sentiment(fused, row) if known else Sentiment(None, UNKNOWN, None, None),
        trust={m: round(float(fused.trust[row, -1, i]), 8) for i, m in enumerate(MODALITIES)},
        modalities={m: _report(features, fused, row, i) for i, m in enumerate(MODALITIES)},
        transcript=Transcript(
            text=" ".join(utterance.text for utterance in features.utterances).strip(),
            final=all(utterance.final for utterance in features.utterances),
            words=tuple(_rounded(word) for word in words),
        ),
        faces=features.faces,
        face=_rounded_face(features.face),
        latency=latency,
        engine=engine,
        early=features.early,
    )


def _sentiment(fused: FusedBatch, row: int) -> Sentiment:
    probabilities = fused.probabilities[row, -1]
    low, high = fused.interval[row, -1]
    return Sentiment(
        score=round(float(fused.score[row, -1]), 4),
        label=SENTIMENTS[int(np.argmax(probabilities))].value,
        probabilities={name.value: round(float(p), 4) for name, p in zip(SENTIMENTS, probabilities, strict=True)},
        interval=(round(float(low), 4), round(float(high), 4)),
    )


def _report(features: WindowFeatures, fused: FusedBatch, row: int, index: int) -> ModalityReport:
    part = features.modalities[MODALITIES[index]]
    negative, _, positive = (float(p) for p in fused.unimodal[row, -1, index])
    score = round(positive - negative, 4) if part.present else None
    return ModalityReport(part.state, round(part.quality, 4), score, round(part.age, 3), part.reason)


def _rounded(word: Word) -> Word:
    start, end, probability = round(word.start, 3), round(word.end, 3), round(word.probability, 4)
    return replace(word, start=start, end=end, probability=probability)


def _rounded_face(face: FaceReport | None) -> FaceReport | None:
    if face is None:
        return None
    left, top, right, bottom = (round(side, 4) for side in face.box)
    return replace(face, box=(left, top, right, bottom))


def _fields(record: Any) -> dict[str, Any]:
    """What `dataclasses.asdict` gives for a flat record, many times as fast: it copies no value."""
    names, values = _reader(type(record))
    return dict(zip(names, values(record), strict=True))


@cache
def _reader(kind: type) -> tuple[tuple[str, ...], Callable[[object], tuple[Any, ...]]]:
    names = tuple(field.name for field in fields(kind))
    return names, attrgetter(*names)


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(schema())


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of the event."""
    return json.loads(files("stream").joinpath("schema/sentiment-event-1.json").read_text("utf-8"))


def validate(event: Mapping[str, Any]) -> None:
    """Raise `jsonschema.ValidationError` unless this is a valid event of schema version 1."""
    _validator().validate(event)
