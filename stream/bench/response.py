"""How events answer a disturbance: how far the score moves, how trust moves, and how soon. Pure, over lists of events.

Trust moves with what is said and shown, so each event is compared with the one of the same window in the clean run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from ebmc_core.modality import MODALITIES, Modality
from stream.bench.disturbances import Span
from stream.event import SentimentEvent

HALF = 0.5  # of the fall that noise brings in the end: trust has reacted
BACK = 0.9  # of the clean run's trust: it has recovered
FELT = 0.02  # a smaller fall of trust is no reaction
ABSENT = 1e-6  # trust that counts as 0

Events = Sequence[SentimentEvent]


@dataclass(frozen=True, slots=True)
class TrustResponse:
    """Trust of one modality. before, during, after: its means; `during` is over windows that lie in the span.

    clean: the mean of the clean run over the windows of `during`. react: seconds of event time from the onset to the
    end of the first window whose trust is 0 (gone) or has lost half of what it loses in the end (noise). recover: from
    the end of the span to the end of the first window with 90 % of the clean run's trust. None: never.
    """

    modality: Modality
    before: float | None
    during: float | None
    clean: float | None
    after: float | None
    react: float | None
    recover: float | None


@dataclass(frozen=True, slots=True)
class Deviation:
    """Mean absolute difference of scores in the windows that the span touches.

    fused: disturbed and clean run. even: the unimodal scores of both, averaged evenly over what is present. oracle: the
    clean run with the hurt modalities left out, and the clean run.
    """

    fused: float | None
    even: float | None
    oracle: float | None


def even_score(event: SentimentEvent) -> float | None:
    """What a line without trust would say: the mean of the unimodal scores that are there."""
    scores = [report.score for report in event.modalities.values() if report.score is not None]
    return fmean(scores) if scores else None


def deviation(clean: Events, disturbed: Events, oracle: Events, span: Span) -> Deviation:
    """How far the lines leave what they say of the clean run."""
    fused = {event.window.index: event.sentiment.score for event in clean}
    even = {event.window.index: even_score(event) for event in clean}
    return Deviation(
        fused=_apart(fused, {e.window.index: e.sentiment.score for e in touched(disturbed, span)}),
        even=_apart(even, {e.window.index: even_score(e) for e in touched(disturbed, span)}),
        oracle=_apart(fused, {e.window.index: e.sentiment.score for e in touched(oracle, span)}),
    )


def respond(clean: Events, disturbed: Events, modality: Modality, gone: bool, span: Span) -> TrustResponse:
    """The trust of one modality before, during and after a span."""
    reference = {event.window.index: event.trust[modality] for event in clean}
    inside = [e for e in disturbed if e.window.start >= span.start - 1e-6 and e.window.end <= span.end + 1e-6]
    level = mean([e.trust[modality] for e in inside])
    usual = mean([reference[e.window.index] for e in inside if e.window.index in reference])
    fall = (usual or 0.0) - (level or 0.0)
    return TrustResponse(
        modality=modality,
        before=mean([e.trust[modality] for e in disturbed if e.window.end <= span.start + 1e-6]),
        during=level,
        clean=usual,
        after=mean([e.trust[modality] for e in disturbed if e.window.start >= span.end - 1e-6]),
        react=_react(disturbed, reference, modality, None if gone else fall, span),
        recover=_recover(disturbed, reference, modality, span),
    )


def touched(events: Events, span: Span) -> list[SentimentEvent]:
    """The events whose windows reach into a span."""
    return [e for e in events if e.window.end > span.start + 1e-6 and e.window.start < span.end - 1e-6]


def mean(values: Sequence[float]) -> float | None:
    """The mean; None of nothing."""
    return fmean(values) if values else None


def _react(
    events: Events, reference: Mapping[int, float], modality: Modality, fall: float | None, span: Span
) -> float | None:
    """fall: what the trust loses in the end; None when it must become 0."""
    if fall is not None and fall < FELT:
        return None
    for event in events:
        usual = reference.get(event.window.index, 0.0)
        if not span.start + 1e-6 < event.window.end <= span.end + 1e-6 or usual <= ABSENT:
            continue
        trust = event.trust[modality]
        if trust <= ABSENT if fall is None else usual - trust >= HALF * fall:
            return event.window.end - span.start
    return None


def _recover(events: Events, reference: Mapping[int, float], modality: Modality, span: Span) -> float | None:
    for event in events:
        usual = reference.get(event.window.index, 0.0)
        if event.window.end > span.end + 1e-6 and usual > ABSENT and event.trust[modality] >= BACK * usual:
            return event.window.end - span.end
    return None


def _apart(reference: Mapping[int, float | None], scores: Mapping[int, float | None]) -> float | None:
    pairs = ((reference.get(index), score) for index, score in scores.items())
    return mean([abs(a - b) for a, b in pairs if a is not None and b is not None])


def trust_row(event: SentimentEvent) -> tuple[float, ...]:
    """Trust in the order of the modalities."""
    return tuple(event.trust[modality] for modality in MODALITIES)
