"""Presentation timestamps to event time. Pure: no clock, no loop, no sleep.

Event time is in seconds, 0 at the first frame, and rises per kind of frames. A recording has its own time: timestamps
less their origin. A live source is mapped to the wall clock once, at the least delay that was seen, and from then on
its clocks are steered, each so slowly that nobody hears it:

    event time = timestamp + anchor + common + (apart, for pictures)

    anchor   where the timestamps began on the wall clock; anew when the source is opened anew or its timestamps jump
    common   what its clock has drifted against the wall clock
    apart    what its sound and picture clocks have drifted against each other: the skew

Drift is read from the floor of (arrival - timestamp) per kind: see `stream/floor.py`.
"""

from typing import Protocol

from ebmc_core.modality import Modality
from stream.floor import REACH, Floor

CLOCKS = (90_000, 48_000, 44_100, 32_000, 16_000, 8_000)  # Hz; the clocks of RTP, whose timestamps have 32 bits
PERIODS = (2**33 / 90_000, *(2**32 / rate for rate in CLOCKS))  # seconds after which timestamps begin again at 0
NEAR = 10.0  # seconds; a step this close to a period is a wrap

GAP = 60.0  # seconds; a longer step in a recording is a jump of its clock, a shorter one is a gap
BACK = 1.0  # seconds; a longer step back is a jump, a shorter one is an overlap

SETTLE = 0.3  # seconds; what a live source sends first may be old (a server's cache): only its delay is looked at
AHEAD = 1.0  # seconds; timestamps this far ahead of the wall clock have jumped
OVERLAP = 0.02  # seconds; a frame that begins this much before the newest of its kind is dropped
BEHIND = 1.0  # seconds; so far behind for seconds on end, a source will not catch up again
PAUSE = 0.25  # seconds; without timestamps, a longer break between frames is a gap
RATE = 500e-6  # a source's clock is steered by at most half a millisecond a second; quartz is within 100 ppm
APART_RATE = 300e-6  # two clocks of one source are steered apart by no more than this
EVERY = 0.25  # seconds between two steps
BAND = 0.002  # seconds; smaller errors are left alone
WARM = 5.0  # seconds of frames before a clock is steered


class Timeline(Protocol):
    """Where frames go on the event clock."""

    jumps: int
    """How often timestamps jumped."""

    def place(self, kind: Modality, pts: float | None, duration: float, arrival: float) -> float | None:
        """Event time of the next frame of a kind, or None for a frame that must not be used.

        pts: its timestamp, None when it has none. duration: of the frame, 0 for a picture. arrival: when it came in,
        on the wall clock; not falling. All in seconds.
        """
        ...


class Timestamps:
    """One kind's timestamps without wraps; a missing one is the end of the frame before."""

    def __init__(self) -> None:
        self._end: float | None = None
        self._turns = 0.0

    def follow(self, pts: float | None, duration: float) -> float | None:
        """The next timestamp, or None when nothing is known yet."""
        if pts is None and self._end is None:
            return None
        time = self._unwrapped(pts) if pts is not None else self._end or 0.0
        self._end = time + duration
        return time

    def restart(self, end: float) -> None:
        """Go on from here when a timestamp is missing."""
        self._end = end

    def _unwrapped(self, pts: float) -> float:
        time = pts + self._turns
        if self._end is not None and abs(time - self._end) > NEAR:
            turns = (turn for period in PERIODS for turn in (period, -period))
            turn = next((turn for turn in turns if abs(time + turn - self._end) < NEAR), 0.0)
            self._turns += turn
            time += turn
        return time


class RecordedTimeline:
    """The time of a recording. origin: the least timestamp it begins with, seconds."""

    def __init__(self, origin: float) -> None:
        self.jumps = 0
        self._anchor = -origin
        self._anchors: dict[Modality, float] = {}
        self._stamps: dict[Modality, Timestamps] = {}
        self._ends: dict[Modality, float] = {}

    def place(self, kind: Modality, pts: float | None, duration: float, arrival: float = 0.0) -> float:
        """Event time of the next frame; `arrival` says nothing here."""
        stamps = self._stamps.setdefault(kind, Timestamps())
        anchor = self._anchors.setdefault(kind, self._anchor)
        time = stamps.follow(pts, duration)
        if time is None:
            time = self._ends.get(kind, 0.0) - anchor
            stamps.restart(time + duration)
        if not self._plausible(kind, time + anchor):
            if not self._plausible(kind, time + self._anchor):  # else the other kind has jumped before
                self._anchor = max(self._ends.values(), default=0.0) - time
                self.jumps += 1
            self._anchors[kind] = anchor = self._anchor
        event = max(time + anchor, 0.0)
        self._ends[kind] = max(event + duration, self._ends.get(kind, 0.0))
        return event

    def _plausible(self, kind: Modality, event: float) -> bool:
        newest = max(self._ends.values(), default=0.0)
        return self._ends.get(kind, 0.0) - BACK <= event <= newest + GAP


class _Track:
    """One kind of a live source."""

    def __init__(self) -> None:
        self.stamps, self.floor = Timestamps(), Floor()
        self.anchor: float | None = None
        self.usual = 0.0  # seconds by which these frames usually come later than the sound of the same moment
        self.based = False  # whether `usual` is known, so that a change of it is skew
        self.event = -1.0


class LiveTimeline:
    """The time of a live source, steered to the wall clock. The kinds of one timeline share one time base.

    settle: seconds from the first frame on in which frames are only timed. origin: wall clock at event time 0, seconds;
    None until it is known.
    """

    def __init__(self, settle: float = SETTLE, origin: float | None = None) -> None:
        self.jumps = 0
        self.origin = origin
        self._settle = settle
        self._events: dict[Modality, float] = {}
        self.restart()

    def restart(self) -> None:
        """The source was opened anew: new timestamps, the same event time."""
        self._tracks: dict[Modality, _Track] = {}
        self._until: float | None = None
        self._least = float("inf")
        self._anchor: float | None = None
        self._common = self._apart = 0.0
        self._steered: float | None = None

    @property
    def settled(self) -> bool:
        """Whether frames are given event times yet."""
        return self._anchor is not None

    @property
    def skew(self) -> float:
        """Seconds by which sound runs ahead of pictures since the source was opened, before correction."""
        return self._apart + self._apart_error(self._errors())

    @property
    def drift(self) -> float:
        """Seconds by which the wall clock runs ahead of the source's since it was opened, as far as it is corrected."""
        return self._common

    def place(self, kind: Modality, pts: float | None, duration: float, arrival: float) -> float | None:
        """Event time of the next frame.

        None while settling, for what comes from before event time 0, and for what overlaps frames that were placed.
        """
        track = self._tracks.setdefault(kind, _Track())
        time = self._time(track, kind, pts, duration, arrival)
        delay = arrival - (time + duration)
        if self._anchor is None and not self._settles(time, delay, arrival):
            return None
        if track.anchor is None:
            track.anchor = self._anchor
        if not self._plausible(track, kind, time, delay):
            self._jump(track, kind, time, delay)
        track.floor.push(arrival, delay)
        self._steer(arrival)
        event = track.event = time + self._offset(track, kind)
        newest = self._events.get(kind, 0.0)
        if event < newest - OVERLAP or event < 0.0:
            return None
        event = max(event, newest + 1e-6 if kind is Modality.VIDEO and kind in self._events else newest)
        self._events[kind] = event
        return event

    def _time(self, track: _Track, kind: Modality, pts: float | None, duration: float, arrival: float) -> float:
        """The unwrapped timestamp; where there is none, the end of the frame before, or now after a pause."""
        time = track.stamps.follow(pts, duration)
        if time is not None and pts is not None:
            return time
        now = 0.0
        if self._anchor is not None and self.origin is not None:
            now = arrival - self.origin - duration - self._offset(track, kind)
        if time is None or (self.settled and now - time > PAUSE):
            time = now
            track.stamps.restart(time + duration)
        return time

    def _offset(self, track: _Track, kind: Modality) -> float:
        anchor = self._anchor if track.anchor is None else track.anchor
        return (anchor or 0.0) + self._common + (self._apart if kind is Modality.VIDEO else 0.0)

    def _settles(self, time: float, delay: float, arrival: float) -> bool:
        """Whether this frame is the first to be used: the least delay so far is what the source has when it is live."""
        if self._until is None:
            self._until = arrival + self._settle
        self._least = min(self._least, delay)
        if arrival < self._until:
            return False
        if self.origin is None:
            self.origin = time + self._least
        self._anchor = self._least - self.origin
        return True

    def _plausible(self, track: _Track, kind: Modality, time: float, delay: float) -> bool:
        """Neither ahead of the wall clock nor far before the frame before."""
        offset = self._offset(track, kind)
        return delay - (self.origin or 0.0) - offset > -AHEAD and time + offset > track.event - BACK

    def _jump(self, track: _Track, kind: Modality, time: float, delay: float) -> None:
        """Anchor the track anew: where the other kind has jumped to if that fits, else at the wall clock."""
        track.anchor, before = self._anchor, track.anchor
        track.event = -1.0
        late = delay - (self.origin or 0.0) - self._offset(track, kind)
        if before == self._anchor or not -AHEAD < late < GAP:
            self._anchor = track.anchor = (track.anchor or 0.0) + late
            self.jumps += 1
        track.floor.clear()
        track.based = False

    def _errors(self) -> dict[Modality, float]:
        """Seconds by which each clock that can be read is behind where it ought to be."""
        newest = max((track.floor.newest for track in self._tracks.values()), default=0.0)
        return {
            kind: track.floor.value - (self.origin or 0.0) - self._offset(track, kind) - track.usual
            for kind, track in self._tracks.items()
            if track.floor.span >= WARM and newest - track.floor.newest < WARM and track.anchor == self._anchor
        }

    def _apart_error(self, errors: dict[Modality, float]) -> float:
        based = all(track.based for track in self._tracks.values())
        return errors[Modality.VIDEO] - errors[Modality.AUDIO] if len(errors) == 2 and based else 0.0

    def _steer(self, arrival: float) -> None:
        """Move the two corrections towards what the floors say, a little."""
        elapsed = arrival - self._steered if self._steered is not None else 0.0
        if self._steered is not None and elapsed < EVERY:
            return
        self._steered = arrival
        errors = self._errors()
        if not errors:
            return
        if len(errors) == 2:
            self._base(errors)
            self._apart += _limited(self._apart_error(errors), APART_RATE * elapsed)
        error = errors.get(Modality.AUDIO, errors.get(Modality.VIDEO, 0.0))
        self._common += _limited(error, RATE * elapsed)
        self._catch_up()

    def _base(self, errors: dict[Modality, float]) -> None:
        """For the first minute, learn how much later than sound pictures come: that is delay, and not skew."""
        if all(track.based for track in self._tracks.values()):
            return
        self._tracks[Modality.VIDEO].usual += errors[Modality.VIDEO] - errors[Modality.AUDIO]
        errors[Modality.VIDEO] = errors[Modality.AUDIO]
        if all(track.floor.span >= REACH for track in self._tracks.values()):
            for track in self._tracks.values():
                track.based = True

    def _catch_up(self) -> None:
        """A source that was held up and then goes on where it was is late from then on: that is a gap, not drift."""
        late = min(
            track.floor.recent - (self.origin or 0.0) - self._offset(track, kind) - track.usual
            for kind, track in self._tracks.items()
        )
        if late > BEHIND:
            self._common += late
            self.jumps += 1


def _limited(error: float, step: float) -> float:
    return max(-step, min(step, error)) if abs(error) > BAND else 0.0
