"""Faults of sources, at random moments, done to what a source hands on. The same seed gives the same faults."""

import heapq
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import cv2
import numpy as np

from ebmc_core.modality import Modality
from stream.bench.reel import Reel
from stream.records import AudioFrame, Frame, VideoFrame

REST = (1.0, 3.0)  # seconds without a fault, at least and at most
LENGTH = (0.5, 4.0)  # seconds that a fault lasts
SHUFFLE = 0.5  # seconds by which a frame may come later than it should
FORWARD, BACK = 6.0, 3.0  # seconds that timestamps jump, at most


class FaultKind(StrEnum):
    """What can happen to a source; `stalled` and `burst` frames all come at the end of the fault."""

    GONE = "source gone and back"
    CAMERA_GONE = "camera gone and back"
    MICROPHONE_GONE = "microphone gone and back"
    BURST = "burst"
    SHUFFLED = "frames out of order"
    FORWARD = "timestamps jump forward"
    BACKWARD = "timestamps jump back"
    UNSTAMPED = "no timestamps"
    BLACK = "black pictures"
    ONE_PIXEL = "pictures of one pixel"
    RESIZED = "pictures of changing size"
    NOT_A_NUMBER = "sound that is not a number"


@dataclass(frozen=True, slots=True)
class Fault:
    """kind, from `start` to `end`, seconds since the source began. size: how far timestamps jump, seconds."""

    kind: FaultKind
    start: float
    end: float
    size: float = 0.0

    def __contains__(self, moment: float) -> bool:
        return self.start <= moment < self.end


def schedule(seconds: float, kinds: Sequence[FaultKind], rng: np.random.Generator) -> list[Fault]:
    """Faults one after the other, with rests between; every kind comes before any comes again."""
    faults: list[Fault] = []
    moment, waiting = float(rng.uniform(*REST)), list[FaultKind]()
    while kinds:
        waiting = waiting or [kinds[place] for place in rng.permutation(len(kinds))]
        kind, length = waiting.pop(), float(rng.uniform(*LENGTH))
        if moment + length > seconds - REST[0]:
            break
        most = {FaultKind.FORWARD: FORWARD, FaultKind.BACKWARD: -BACK}.get(kind, 0.0)
        faults.append(Fault(kind, moment, moment + length, float(rng.uniform(0.3, 1.0)) * most))
        moment += length + float(rng.uniform(*REST))
    return faults


class FaultyReel:
    """A reel with faults. touched: frames that each kind of fault spoiled, moved or kept back."""

    def __init__(self, reel: Reel, faults: Sequence[Fault], seed: int) -> None:
        self.kinds: frozenset[Modality] = reel.kinds
        self.faults, self.touched = faults, Counter[FaultKind]()
        self._reel, self._rng = reel, np.random.default_rng(seed)

    def handed(self) -> Iterator[tuple[float, Frame]]:
        """What the source hands on; frames that come late do so in the order of their new moments."""
        late: list[tuple[float, int, Frame]] = []
        for number, (moment, frame) in enumerate(self._reel.handed()):
            while late and late[0][0] <= moment:
                then, _, kept = heapq.heappop(late)
                yield then, kept
            jumped = sum(fault.size for fault in self.faults if fault.start <= moment)
            frame = replace(frame, pts=max(0.0, frame.pts + jumped))
            fault = next((fault for fault in self.faults if moment in fault), None)
            if fault is None:
                heapq.heappush(late, (moment, number, frame))
            else:
                for then, changed in self._changed(moment, frame, fault):
                    self.touched[fault.kind] += then != moment or changed is not frame or fault.size != 0
                    heapq.heappush(late, (then, number, changed))

    def _changed(self, moment: float, frame: Frame, fault: Fault) -> list[tuple[float, Frame]]:
        """When and what comes of a frame during a fault; nothing if it is lost."""
        kind = fault.kind
        if _lost(frame, kind):
            self.touched[kind] += 1
            return []
        if kind is FaultKind.BURST:
            return [(fault.end, frame)]
        if kind is FaultKind.SHUFFLED:
            return [(moment + float(self._rng.uniform(0, SHUFFLE)), frame)]
        if kind is FaultKind.UNSTAMPED:
            return [(moment, replace(frame, pts=math.nan))]
        return [(moment, self._spoiled(frame, kind))]

    def _spoiled(self, frame: Frame, kind: FaultKind) -> Frame:
        if isinstance(frame, AudioFrame):
            spoils = kind is FaultKind.NOT_A_NUMBER
            return replace(frame, samples=np.full_like(frame.samples, np.nan)) if spoils else frame
        match kind:
            case FaultKind.BLACK:
                return VideoFrame(frame.pts, np.zeros_like(frame.image))
            case FaultKind.ONE_PIXEL:
                return VideoFrame(frame.pts, frame.image[:1, :1].copy())
            case FaultKind.RESIZED:
                width, height = (int(side) for side in self._rng.integers(8, 720, 2))
                return VideoFrame(frame.pts, np.asarray(cv2.resize(frame.image, (width, height)), np.uint8))
            case _:
                return frame


def _lost(frame: Frame, kind: FaultKind) -> bool:
    if isinstance(frame, VideoFrame):
        return kind in (FaultKind.GONE, FaultKind.CAMERA_GONE)
    return kind in (FaultKind.GONE, FaultKind.MICROPHONE_GONE)
