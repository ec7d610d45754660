"""A hundred ways to send what is no chunk."""

import io
import random
import struct
import zipfile
import zlib
from dataclasses import replace
from itertools import count

from stream.chunks.chunk import Chunk

Poison = tuple[str, bytes | None, bytes | None, list[tuple[str, bytes]]]
PLAYLISTS = {
    "hls": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n",
    "concat": b"ffconcat version 1.0\nfile /etc/hostname\n",
    "dash": b'<?xml version="1.0"?><MPD><Period><BaseURL>file:///etc/hostname</BaseURL></Period></MPD>',
    "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
    "text": b"Ask not what your country can do for you.\n" * 40,
    "subtitles": b"1\n00:00:00,000 --> 00:00:01,000\nhello\n\n",
    "html": b"<html><body>502 Bad Gateway</body></html>",
    "json": b'{"media": null}',
}


def poison(good: Chunk) -> list[Poison]:
    """Name, key, value and headers of records that no worker can use; `good` is what they are made of."""
    numbers = count(good.sequence)
    key, headers, dice = good.stream.encode(), list(good.headers), random.Random(7)

    def with_media(name: str, media: bytes) -> Poison:
        return name, key, media, list(replace(good, sequence=next(numbers)).headers)  # the same again would be a repeat

    def with_header(name: str, value: bytes | None) -> Poison:
        kept = [(each, old) for each, old in headers if each != name]
        return f"{name}={value!r:.30}", key, good.media, kept if value is None else [*kept, (name, value)]

    found = [with_media(f"random {n}", dice.randbytes(1 + n * n * 7)) for n in range(40)]
    found += [with_media(f"cut off at {n}", good.media[:n]) for n in (1, 4, 16, 25, 32, 48, 64, 80)]
    found += [with_media(f"zeros {n}", bytes(n)) for n in (1, 100, 100_000)]
    found += [with_media(name, data) for name, data in PLAYLISTS.items()]
    found += [
        with_media("zip", _zipped(good.media)),
        with_media("compressed", zlib.compress(good.media)),
        with_media("backwards", good.media[::-1]),
        with_media("upside down", bytes(255 - byte for byte in good.media)),
        with_media("huge noise", dice.randbytes(500_000)),
        with_media("a picture of 60,000 by 60,000", _png(60_000, 60_000)),
        with_media("wav without samples", b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0"),
        with_media("mp4 without an index", struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0) + bytes(2000)),
    ]
    for name in ("schema", "ebmc_run", "ebmc_sequence", "ebmc_kinds", "ebmc_start", "ebmc_end", "ebmc_last"):
        found += [with_header(name, value) for value in (None, b"", b"\xff\xfe", b"nonsense")]
        if name in ("ebmc_sequence", "ebmc_start", "ebmc_end"):
            found += [with_header(name, value) for value in (b"nan", b"inf", b"-1", b"-1e300", b"1e999")]
    found.append(("no key", None, good.media, headers))
    found.append(("a key that is no text", b"\xff\xff", good.media, headers))
    found.append(("no headers", key, good.media, []))
    found.append(("it lasts for an hour", key, good.media, list(replace(good, end=good.start + 3600).headers)))
    # any text is the name of a run
    return [each for each in found if each[0] not in ("ebmc_run=b'nonsense'",)]


def _zipped(media: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("chunk.nut", media)
    return out.getvalue()


def _png(width: int, height: int) -> bytes:
    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", rows) + part(b"IEND", b"")
