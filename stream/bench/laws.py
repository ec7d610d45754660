"""The laws that hold whatever happens, checked on what came out. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from jsonschema import ValidationError

from stream.event import SentimentEvent
from stream.records import State

ROUNDING = 1e-6  # seconds
GROWTH = 150.0  # MB that the memory of a run may grow after its first quarter

Events = Sequence[SentimentEvent]


@dataclass(frozen=True, slots=True)
class Law:
    """Whether a law held. detail: where it was broken first, or on how much it was checked."""

    name: str
    held: bool
    detail: str


def law(name: str, broken: Sequence[str], checked: str) -> Law:
    """A law with what broke it."""
    if broken:
        return Law(name, False, f"{broken[0]}{f' and {len(broken) - 1} more' if len(broken) > 1 else ''}")
    return Law(name, True, checked)


def once_and_in_order(events: Events, streams: Sequence[str]) -> Law:
    """Each stream has the windows 0, 1, 2, … once and in order."""
    broken: list[str] = []
    found = _by_stream(events)
    for stream in streams:
        if not found[stream]:
            broken.append(f"{stream} had no event")
        for due, event in enumerate(found[stream]):
            if event.window.index != due:
                broken.append(f"{stream}: window {event.window.index} came where {due} was due")
                break
    return law("each window once and in order", broken, f"{len(events)} events")


def in_its_place(events: Events, hop: float, size: float) -> Law:
    """A window begins at its number times the hop."""
    broken = [
        f"{event.event_id} is {event.window.start:.3f} to {event.window.end:.3f} s"
        for event in events
        if abs(event.window.start - event.window.index * hop) > ROUNDING
        or abs(event.window.end - event.window.start - size) > ROUNDING
    ]
    return law("windows stand where their number says", broken, f"{len(events)} events")


def valid(events: Events) -> Law:
    """Each event fits the schema."""
    broken: list[str] = []
    for event in events:
        try:
            event.as_json()
        except (ValidationError, ValueError) as error:  # a value that is no number cannot be written at all
            broken.append(f"{event.event_id}: {str(error).splitlines()[0]}")
    return law("each event fits the schema", broken, f"{len(events)} events")


def trust_shared(events: Events) -> Law:
    """Trust is 0 for what is missing and sums to 1 over the rest."""
    broken: list[str] = []
    for event in events:
        present = {m for m, report in event.modalities.items() if report.state is not State.MISSING}
        total = sum(event.trust.values())
        if any(event.trust[m] for m in event.trust if m not in present) or abs(total - bool(present)) > 1e-4:
            broken.append(f"{event.event_id}: trust {dict(event.trust)} with {sorted(present)} present")
    return law("trust is 0 for what is missing, 1 in sum", broken, f"{len(events)} events")


def never_silent(
    events: Events, moments: Sequence[float], spans: Mapping[str, tuple[float, float]], allowed: float
) -> Law:
    """No stream is silent for longer than `allowed` seconds.

    moments: when each event came. spans: when the first event of each stream was due, and when its source ended.
    """
    came = {stream: [first] for stream, (first, _) in spans.items()}
    for event, moment in zip(events, moments, strict=True):
        came[event.window.stream].append(moment)
    for stream, (_, last) in spans.items():
        came[stream].append(max(last, *came[stream]))
    gaps = [(b - a, stream) for stream, times in came.items() for a, b in pairwise(times)]
    worst = max(gaps, default=(0.0, ""))
    broken = [f"{stream} was silent for {gap:.1f} s" for gap, stream in sorted(gaps, reverse=True) if gap > allowed]
    return law("no stream falls silent", broken, f"{worst[0]:.1f} s at most, {allowed:.1f} s allowed")


def bounded(memory: Sequence[float]) -> Law:
    """Resident memory, MB, of a run: its last quarter is not far above its second."""
    quarter = len(memory) // 4
    if not quarter:
        return Law("memory is bounded", True, "too short to tell")
    grown = median(memory[-quarter:]) - median(memory[quarter : 2 * quarter])
    broken = [f"it grew by {grown:.0f} MB"] if grown > GROWTH else []
    return law("memory is bounded", broken, f"{grown:+.0f} MB, {GROWTH:.0f} allowed")


def counted(fed: Mapping[str, int], ends: Mapping[str, int]) -> Law:
    """Everything fed came to one of the ends: it was used, or dropped and counted."""
    broken: list[str] = []
    for kind, number in fed.items():
        if number > ends.get(kind, 0):
            broken.append(f"{number - ends.get(kind, 0)} of {number} {kind} are unaccounted for")
    return law("every drop is counted", broken, ", ".join(f"{number} {kind}" for kind, number in fed.items()))


def _by_stream(events: Events) -> dict[str, list[SentimentEvent]]:
    found: dict[str, list[SentimentEvent]] = defaultdict(list)
    for event in events:
        found[event.window.stream].append(event)
    return found
