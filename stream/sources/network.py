"""Sources on a network: RTSP, RTMP, SRT, UDP, HTTP and HLS, through FFmpeg's protocols."""

import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

from stream.apart.decoders import Decoders
from stream.errors import SourceError
from stream.records import AudioFrame, Frame, VideoFrame
from stream.settings import Settings
from stream.sources.connection import Input
from stream.sources.decoding import open_container
from stream.sources.live import LiveSource
from stream.sources.packets import Packets
from stream.sources.reading import read_recording
from stream.sources.recording import Recording
from stream.sources.source import Media

PLAYLISTS = (".m3u8", ".mpd")
SEGMENT = 12.0  # seconds; the next segment of a playlist may be this long in coming
WEB = ("http", "https")  # what these serve may be a finished recording
LOOK = {"analyzeduration": "1000000"}  # microseconds; what is live takes so long to open
PROMPT = {"flags": "low_delay", "analyzeduration": "1000000", "probesize": "500000"}
FRESH = PROMPT | {"fflags": "nobuffer"}  # what was read to find out what there is, is not shown
NEWEST = PROMPT | {"live_start_index": "-1"}  # HLS: from the newest segment on; FFmpeg itself begins two before it
OPTIONS: dict[str, dict[str, str]] = {
    "rtsp": FRESH | {"rtsp_flags": "prefer_tcp"},  # packets that UDP loses are pictures that tear
    "rtsps": FRESH | {"rtsp_transport": "tcp"},
    "http": NEWEST,
    "https": NEWEST,
    "udp": FRESH | {"overrun_nonfatal": "1"},
}
HINTS = {
    "rtsp": "is the camera on, the path right, and user:password@ in front of the host if it asks for one?",
    "rtsps": "is the camera on, the path right, and user:password@ in front of the host if it asks for one?",
    "udp": "is anything sending to this address and port?",
    "srt": "PyAV from PyPI has no SRT: build it against an FFmpeg that has, or let ffmpeg turn the stream into udp",
}
HINT = "is the server on and the address right?"


class NetworkSource:
    """A stream at an address. Opened again for as long as it takes when it is lost.

    A web address of a finished recording (it has a duration) is read like a file, from its first frame to its last, and
    not opened again; `live` says which it is, once it is open.
    """

    def __init__(self, uri: str, settings: Settings) -> None:
        try:
            parts = urlsplit(uri)
        except ValueError as error:  # brackets that close nowhere; nothing of it is repeated: it may hold a password
            raise SourceError(f"a {uri.partition(':')[0]}: address that is none: {error}") from None
        if not parts.hostname and parts.scheme != "udp":
            raise SourceError(f"{redacted(uri)}: names no host; write {parts.scheme}://HOST/PATH")
        self.live = True
        self.decoders: Decoders | None = None  # processes that read it where it is live
        self.name = named(uri)
        self._uri, self._settings, self._scheme = uri, settings, parts.scheme
        self._called, self._hint = redacted(uri), HINTS.get(parts.scheme, HINT)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Media]:
        """Open it. Raises `SourceError` when nothing answers, or what answers has neither sound nor pictures."""
        if self._scheme in WEB:
            async with AsyncExitStack() as stack:
                media = await self._finished(stack)
                if media:
                    yield media
                    return
        async with self._live_source().open() as media:
            yield media

    @asynccontextmanager
    async def open_packets(self) -> AsyncGenerator[Packets]:
        """Open it for its packets, as `open` does for its frames. A finished recording gives frames all the same."""
        if self._scheme in WEB:
            async with AsyncExitStack() as stack:
                media = await self._finished(stack)
                if media:
                    yield Packets(media.kinds, _frames(media), media.condition)
                    return
        async with self._live_source().open_packets() as packets:
            yield packets

    def _live_source(self) -> LiveSource:
        options = OPTIONS.get(self._scheme, FRESH)
        silence = SEGMENT if urlsplit(self._uri).path.endswith(PLAYLISTS) else 0.0
        source = Input(self._called, self._uri, self._hint, options=options, silence=silence)
        return LiveSource(self.name, [source], self._settings, self.decoders)

    async def _finished(self, stack: AsyncExitStack) -> Media | None:
        """The recording that a web address is, opened; None for what is live."""
        try:
            media = await stack.enter_async_context(read_recording(self.name, self._recording))
        except _NotFinished:
            self.live = True
        except SourceError:
            if not self._settings.open_patience:
                raise
            self.live = True  # what has an end would have been there
        else:
            self.live = False
            return media
        return None

    def _recording(self) -> Recording:
        timeout = (self._settings.open_timeout, self._settings.read_timeout)
        container = open_container(self._called, self._uri, self._hint, timeout=timeout, options=dict(LOOK))
        if not container.duration:
            container.close()
            raise _NotFinished
        return Recording(self._called, container, self._settings.video_rate)


async def _frames(media: Media) -> AsyncGenerator[Frame]:
    """What a recording has, which comes without marks."""
    async with aclosing(media.frames) as frames:
        async for frame in frames:
            if isinstance(frame, AudioFrame | VideoFrame):
                yield frame


class _NotFinished(Exception):
    """What the address serves has no end: it is live."""


def redacted(uri: str) -> str:
    """The address without the password in it."""
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))


def named(uri: str) -> str:
    """A stream id: host and path in letters, digits, dots and dashes."""
    parts = urlsplit(uri)
    where = parts.hostname or f"{parts.scheme}-{parts.netloc.rpartition(':')[2]}"
    return re.sub(r"[^A-Za-z0-9.]+", "-", f"{where}{parts.path}").strip("-.") or parts.scheme


def from_uri(uri: str, settings: Settings) -> NetworkSource:
    """An address."""
    return NetworkSource(uri, settings)
