"""The one protocol of all sources, and the table they are registered in."""

import importlib
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from ebmc_core.modality import Modality
from stream.errors import SourceError
from stream.records import Frame

BUNDLED_CLIP = "clip"


@dataclass(frozen=True, slots=True, eq=False)
class Media:
    """An opened source.

    kinds: audio, video or both. duration: seconds, None when it cannot be known. frames: `pts` rises per kind; ends
    when the source ends; raises `SourceError` when it breaks, after the frames that could be decoded.
    """

    kinds: frozenset[Modality]
    duration: float | None
    frames: AsyncGenerator[Frame]


class Source(Protocol):
    """Where frames come from. `name` becomes the stream id. `live` sources set the pace themselves."""

    name: str
    live: bool

    def open(self) -> AbstractAsyncContextManager[Media]:
        """Open it; leaving closes it. Raises `SourceError`."""
        ...


# scheme -> module:class, imported only when that source is made
SOURCES: dict[str, str] = {"file": "stream.sources.file:FileSource"}


def source_from(uri: str, video_rate: float) -> Source:
    """The source that a command line argument names: `clip`, a path, or `scheme:rest`."""
    if uri == BUNDLED_CLIP:
        return _make("file", str(bundled_clip()), video_rate)
    scheme = urlsplit(uri).scheme
    if scheme in SOURCES:
        return _make(scheme, uri.removeprefix(f"{scheme}:").removeprefix("//"), video_rate)
    if "://" in uri:
        known = ", ".join(f"{name}:" for name in SOURCES)
        raise SourceError(f"cannot read {uri!r}: sources are a path to a media file, {BUNDLED_CLIP!r}, or {known}")
    return _make("file", uri, video_rate)


def bundled_clip() -> Path:
    """The clip inside the package: a face and speech, with a covered and a noisy stretch (see ASSETS.md)."""
    return Path(__file__).parent.parent / "assets" / "clip.mp4"


def _make(scheme: str, rest: str, video_rate: float) -> Source:
    module, _, kind = SOURCES[scheme].partition(":")
    return getattr(importlib.import_module(module), kind)(rest, video_rate)
