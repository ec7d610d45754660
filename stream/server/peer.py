"""A browser's camera and microphone by WebRTC: one peer connection, at most one sound and one picture track.

No server on the way helps the two to find each other, so nothing leaves this machine but to the browser itself: only
addresses from which the offer came are tried, and a server that listens on this machine alone answers on it alone.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import cast

import aioice.ice
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av.audio.frame import AudioFrame as DecodedAudio
from av.video.frame import VideoFrame as DecodedVideo
from numpy.typing import NDArray

from ebmc_core.modality import Modality
from stream.server.messages import Code, VisitError
from stream.sources.converting import PictureConverter
from stream.sources.feed import FeedSource

log = logging.getLogger(__name__)

KINDS = {"audio": Modality.AUDIO, "video": Modality.VIDEO}
CANDIDATES = 32  # addresses of a browser that are tried, at most
LOOPBACK = ("127.0.0.1", "::1")
# The audio track holds its first packets back until four are there, pictures are handed on at once (aiortc 1.16).
HELD_BACK = 0.06  # seconds

_every_address = aioice.ice.get_host_addresses


def listen_on(host: str) -> None:
    """Offer browsers this address of the machine alone, or all of them for `0.0.0.0` and `::`. For the whole process.

    aioice leaves loopback out, the only address that a page on this machine needs, and has no option for it.
    """

    def addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        if host in ("0.0.0.0", "::"):
            return _every_address(use_ipv4, use_ipv6)
        return ["127.0.0.1"] if host in ("localhost", *LOOPBACK) else [host]

    aioice.ice.get_host_addresses = addresses


def own_addresses() -> list[str]:
    """The addresses that this machine has."""
    return [*LOOPBACK, *_every_address(True, True)]


class Peer:
    """One connection. Its tracks are put into a feed once it is answered.

    rate: pictures per second that are handed on, at most. sounds, pictures: how many frames came.
    """

    def __init__(self, rate: float) -> None:
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._pictures = PictureConverter(rate)
        self._tracks: dict[Modality, MediaStreamTrack] = {}
        self._connection.on("track", self._offered)
        self.sounds = self.pictures = 0

    @property
    def kinds(self) -> frozenset[Modality]:
        """What the browser sends."""
        return frozenset(self._tracks)

    async def answer(self, offer: str, client: str) -> str:
        """The answer to an offer (SDP). client: the address it came from. Raises `VisitError`."""
        try:
            description = RTCSessionDescription(sdp=reachable(offer, client), type="offer")
            await self._connection.setRemoteDescription(description)
            if not self._tracks:
                raise VisitError(Code.BAD_OFFER, "the offer has no track that is sent: add a camera or a microphone")
            await self._connection.setLocalDescription(await self._connection.createAnswer())
        except VisitError:
            raise
        except Exception as error:  # hostile SDP fails in many ways inside the library
            log.debug("an offer was not understood: %r", error)
            raise VisitError(Code.BAD_OFFER, f"the offer cannot be answered ({type(error).__name__})") from None
        return self._connection.localDescription.sdp

    async def listen(self, feed: FeedSource) -> None:
        """Hand sound and pictures to the feed until the browser ends both."""
        async with asyncio.TaskGroup() as tasks:
            for kind, track in self._tracks.items():
                tasks.create_task(self._hear(track, feed) if kind is Modality.AUDIO else self._watch(track, feed))

    async def close(self) -> None:
        """End it, and everything that it holds."""
        await self._connection.close()

    def _offered(self, track: MediaStreamTrack) -> None:
        self._tracks.setdefault(KINDS[track.kind], track)

    async def _hear(self, track: MediaStreamTrack, feed: FeedSource) -> None:
        clock = TrackClock(HELD_BACK)
        while (frame := await _next(track)) is not None:
            sound = cast("DecodedAudio", frame)
            feed.push_audio(mono(sound), clock.event(sound), sound.sample_rate)
            self.sounds += 1

    async def _watch(self, track: MediaStreamTrack, feed: FeedSource) -> None:
        clock = TrackClock(0.0)
        while (frame := await _next(track)) is not None:
            picture, self.pictures = cast("DecodedVideo", frame), self.pictures + 1
            for thinned in self._pictures.push(clock.event(picture), picture):
                feed.push_video(thinned.image, thinned.pts)


class TrackClock:
    """A track's timestamps on this machine's clock. Each track begins at 0, so the two share nothing but their arrival.

    late: how much later than the other kind its first frame is handed over, seconds.
    """

    def __init__(self, late: float, now: Callable[[], float] = time.monotonic) -> None:
        self._late, self._now = late, now
        self._begin: float | None = None

    def event(self, frame: DecodedAudio | DecodedVideo) -> float:
        """When a frame began, monotonic seconds."""
        at = frame.time or 0.0
        if self._begin is None:
            self._begin = self._now() - self._late - at
        return self._begin + at


async def _next(track: MediaStreamTrack) -> object | None:
    try:
        return await track.recv()
    except MediaStreamError:
        return None


def mono(frame: DecodedAudio) -> NDArray[np.float32]:
    """Samples `[n]` of a decoded frame, the mean of its channels."""
    samples = frame.to_ndarray()
    channels = frame.layout.nb_channels
    if samples.shape[0] == 1 and channels > 1:  # interleaved
        samples = samples.reshape(-1, channels).T
    scaled = samples.astype(np.float32) / (32_768.0 if samples.dtype == np.int16 else 1.0)
    return np.ascontiguousarray(scaled.mean(axis=0), np.float32)


def reachable(offer: str, client: str) -> str:
    """An offer with those candidates alone that are at the client's own address.

    Any other address is somebody else's: to try it would send packets to where a stranger wants them. Names (mDNS) are
    not asked for in the network either.
    """
    own = {client, *own_addresses()} if client in own_addresses() else {client}
    lines, tried = [], 0
    for line in offer.splitlines():
        if line.startswith("a=candidate:"):
            parts = line.split()
            if len(parts) < 8 or parts[4] not in own or tried >= CANDIDATES:
                continue
            tried += 1
        lines.append(line)
    return "\r\n".join(lines) + "\r\n"
