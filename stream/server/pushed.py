"""Sound and pictures out of the binary messages of a session: 16 bytes of header, then PCM or JPEG.

u8 kind (1 sound, 2 picture) · 3 bytes 0 · u32 rate, Hz · f64 time, seconds      little endian
"""

import io
import math
import struct
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from stream.errors import SourceError
from stream.server.messages import Code, VisitError
from stream.sources.feed import FeedSource

HEADER = struct.Struct("<BxxxId")
SOUND, PICTURE = 1, 2
SCAN = b"\xff\xda"  # where a pass begins
LONGEST = 1.0  # seconds of sound in one message
LARGEST = 1920 * 1080  # pixels
SCANS = 64  # passes of a progressive JPEG; encoders write ten
LATEST = 2.0**40  # seconds; what is later is no time


class PushedMedia:
    """Puts what a client sends into a feed. rate: pictures that are decoded per second, at most.

    `take` raises `VisitError` for what is neither sound nor a picture, or cannot be decoded.
    """

    def __init__(self, feed: FeedSource, rate: float) -> None:
        self._feed, self._interval = feed, 1.0 / rate
        self._next = -math.inf
        self.sounds = self.pictures = 0

    def take(self, message: bytes) -> None:
        """One message. Decoding a picture takes some milliseconds: call it in a thread, one message after the other."""
        if len(message) <= HEADER.size:
            raise VisitError(Code.BAD_MEDIA, f"{len(message)} bytes: a header has {HEADER.size}, then come the media")
        kind, rate, moment = HEADER.unpack_from(message)
        if not math.isfinite(moment) or abs(moment) > LATEST:
            raise VisitError(Code.BAD_MEDIA, f"time {moment}: say seconds on any clock that both kinds share")
        body = memoryview(message)[HEADER.size :]
        try:
            match kind:
                case 1:
                    self._sound(body, rate, moment)
                case 2:
                    self._picture(body, moment)
                case _:
                    raise VisitError(Code.BAD_MEDIA, f"kind {kind}: is neither sound ({SOUND}) nor picture ({PICTURE})")
        except SourceError as error:  # the feed has no such kind, or no such rate
            raise VisitError(Code.BAD_MEDIA, str(error)) from None

    def _sound(self, body: memoryview, rate: int, moment: float) -> None:
        if len(body) % 2:
            raise VisitError(Code.BAD_MEDIA, f"{len(body)} bytes of sound: a sample has two")
        if rate and len(body) // 2 > rate * LONGEST:
            raise VisitError(Code.BAD_MEDIA, f"more than {LONGEST:g} s of sound in one message: send shorter pieces")
        self._feed.push_audio(np.frombuffer(body, "<i2").astype(np.int16), moment, rate)
        self.sounds += 1

    def _picture(self, body: memoryview, moment: float) -> None:
        self.pictures += 1
        if moment < self._next and self._next - moment < 2 * self._interval:  # too many a second; a clock that jumped
            return
        self._next = moment + 0.9 * self._interval  # a camera's pictures are not quite even
        self._feed.push_video(picture_from(body), moment)


def picture_from(body: memoryview) -> NDArray[np.uint8]:
    """A JPEG as uint8 `[H, W, 3]`, RGB; raises `VisitError`. Its size is read before its pixels are.

    A pass over a picture can be 34 bytes long and takes 9 ms at this size: in one message there is room for minutes.
    """
    if bytes(body).count(SCAN) > SCANS:
        raise VisitError(Code.BAD_MEDIA, f"a JPEG of more than {SCANS} passes: send a plain one")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pictures that claim to be huge; they are refused here
            picture = Image.open(io.BytesIO(body), formats=("JPEG",))
            width, height = picture.size
            if width * height > LARGEST:
                raise VisitError(Code.BAD_MEDIA, f"a picture of {width}x{height}: send at most 1920x1080")
            return np.asarray(picture.convert("RGB"))
    except Image.DecompressionBombError:  # it looks at the size before we can
        raise VisitError(Code.BAD_MEDIA, "a picture of far too many pixels: send at most 1920x1080") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, struct.error) as error:
        raise VisitError(Code.BAD_MEDIA, f"not a JPEG that can be read ({error})") from None
