"""The ways in: how the frames of a session come, each as a source for the pipeline.

clip     the bundled clip, played here        ─▶ FileSource ─┐
socket   binary messages ─▶ PushedMedia       ─▶ FeedSource ─┼─▶ GuestSource
webrtc   a peer connection ─▶ Peer            ─▶ FeedSource ─┘
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from stream.server.guest import GuestSource
from stream.server.hub import Hub
from stream.server.messages import Code, Configure, VisitError
from stream.server.peer import Peer
from stream.server.pushed import PushedMedia
from stream.settings import Settings
from stream.sources.feed import FeedSource
from stream.sources.file import FileSource
from stream.sources.source import bundled_clip

CLIP = "/clip.mp4"


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """An open way in. pushed, peer: what takes the frames, if they come from the client. told: what it is told.

    feed: where a peer is to put them.
    """

    source: GuestSource
    pushed: PushedMedia | None = None
    peer: Peer | None = None
    feed: FeedSource | None = None
    told: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def came(self) -> tuple[int, int] | None:
        """How many pieces of sound and pictures came from the client; None where it sends none."""
        media = self.pushed or self.peer
        return (media.sounds, media.pictures) if media else None

    async def listen(self) -> None:
        """Take what comes by WebRTC; when the browser has ended it, the stream ends with its open windows."""
        if self.peer and self.feed:
            await self.peer.listen(self.feed)
            self.feed.close()


def entry(name: str, asked: Configure, client: str, hub: Hub, settings: Settings) -> AbstractAsyncContextManager[Entry]:
    """Open what a client asked for; leaving frees it. client: its address. Raises `VisitError`."""
    match asked.source:
        case "clip":
            return _clip(name, asked, hub, settings)
        case "socket":
            return _socket(name, asked, hub, settings)
        case "webrtc":
            return _webrtc(name, asked, client, hub, settings)


@asynccontextmanager
async def _clip(name: str, asked: Configure, hub: Hub, settings: Settings) -> AsyncGenerator[Entry]:
    clip = FileSource(str(bundled_clip()), settings.video_rate)
    clip.name = name
    yield Entry(GuestSource(clip, hub, asked.begin), told={"media": CLIP, "begin": asked.begin})


@asynccontextmanager
async def _socket(name: str, asked: Configure, hub: Hub, settings: Settings) -> AsyncGenerator[Entry]:
    feed = FeedSource(name, frozenset(asked.kinds), settings.live_buffer)
    try:
        yield Entry(GuestSource(feed, hub), pushed=PushedMedia(feed, settings.video_rate))
    finally:
        feed.close()


@asynccontextmanager
async def _webrtc(name: str, asked: Configure, client: str, hub: Hub, settings: Settings) -> AsyncGenerator[Entry]:
    if not asked.offer:
        raise VisitError(Code.BAD_OFFER, "say `offer`: the SDP of the browser, with its candidates")
    peer = Peer(settings.video_rate)
    try:
        answer = await peer.answer(asked.offer, client)
        feed = FeedSource(name, peer.kinds, settings.live_buffer)
        try:
            yield Entry(GuestSource(feed, hub), peer=peer, feed=feed, told={"answer": answer})
        finally:
            feed.close()
    finally:
        await peer.close()
