"""The one protocol of all sources, and the table they are registered in."""

import importlib
from collections import Counter
from collections.abc import AsyncGenerator
from collections.abc import Set as AbstractSet
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from ebmc_core.modality import Modality
from stream.errors import SourceError
from stream.inbox import Arrival, Mark
from stream.records import Frame
from stream.settings import Settings

BUNDLED_CLIP = "clip"
STANDARD_INPUT = "-"


class Link(StrEnum):
    """Whether frames can come."""

    OPEN = "open"
    WAITING = "waiting"


@dataclass(slots=True)
class Condition:
    """How a source is doing; it changes while frames are read.

    state: waiting while the source is away. reconnects: how often it came back. gaps: breaks in its event time (it
    was away, or its timestamps jumped). dropped: frames that were thrown away, by reason. skew: seconds by which its
    sound runs ahead of its pictures since it was opened, before correction. last: why it was lost the last time.
    origin: `time.monotonic()` at event time 0 of a live source, seconds; None until it is known, and for recordings.
    windows: the index after that of its newest window; the pipeline says it.
    """

    state: Link = Link.OPEN
    reconnects: int = 0
    gaps: int = 0
    dropped: Counter[str] = field(default_factory=Counter[str])
    skew: float = 0.0
    last: str | None = None
    origin: float | None = None
    windows: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Media:
    """An opened source.

    kinds: audio, video or both. duration: seconds, None when it cannot be known. frames: `pts` rises per kind; ends
    when the source ends; raises `SourceError` when it breaks, after the frames that could be decoded, and `SourceLost`
    when a live source is gone for good. condition: how it is doing, for the metrics. stamped: the frames are arrivals
    that were stamped when they were recorded, or come with marks (`Mark`) how far they are complete. first: index of
    the first window that is wanted; frames before it are there for what reaches back. off: modalities that are not
    given to the model; whoever owns the source may change it while it runs.
    """

    kinds: frozenset[Modality]
    duration: float | None
    frames: AsyncGenerator[Frame | Mark | Arrival]
    condition: Condition = field(default_factory=Condition)
    stamped: bool = False
    first: int = 0
    off: AbstractSet[Modality] = frozenset()


class Source(Protocol):
    """Where frames come from. `name` becomes the stream id.

    A `live` source sets the pace itself and never waits for the pipeline; whether a web address is live is known once
    it is open, so read `live` inside of `open()`.
    """

    name: str
    live: bool

    def open(self) -> AbstractAsyncContextManager[Media]:
        """Open it; leaving closes it. Raises `SourceError`."""
        ...


# scheme -> module of a function `from_uri(uri, settings)`, imported only when that source is made
SOURCES: dict[str, str] = {
    "file": "stream.sources.file",
    STANDARD_INPUT: "stream.sources.pipe",
    "webcam": "stream.sources.device",
    "mic": "stream.sources.device",
    "rtsp": "stream.sources.network",
    "rtsps": "stream.sources.network",
    "rtmp": "stream.sources.network",
    "http": "stream.sources.network",
    "https": "stream.sources.network",
    "udp": "stream.sources.network",
    "srt": "stream.sources.network",
    "replay": "stream.sources.replay",
}


def source_from(uri: str, settings: Settings) -> Source:
    """The source that a command line argument names: `clip`, a path, `-`, or `scheme:rest`. Raises `SourceError`."""
    if uri == BUNDLED_CLIP:
        return _make("file", str(bundled_clip()), settings)
    scheme = uri if uri == STANDARD_INPUT else uri.partition(":")[0]
    if scheme in SOURCES and (uri == STANDARD_INPUT or ":" in uri):
        return _make(scheme, uri, settings)
    if "://" in uri:
        known = ", ".join(f"{name}:" for name in SOURCES if name != STANDARD_INPUT)
        raise SourceError(
            f"cannot read {uri!r}: sources are a path to a media file, {BUNDLED_CLIP!r}, {STANDARD_INPUT!r} for "
            f"standard input, or {known}"
        )
    return _make("file", uri, settings)


def bundled_clip() -> Path:
    """The clip inside the package: a face and speech, with a covered and a noisy stretch (see ASSETS.md)."""
    return Path(__file__).parent.parent / "assets" / "clip.mp4"


def _make(scheme: str, uri: str, settings: Settings) -> Source:
    return importlib.import_module(SOURCES[scheme]).from_uri(uri, settings)
