"""Packets of live sources into chunks: what is decoded from them is what the source had, and what cannot be is told."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from ebmc_core.modality import Modality
from stream.chunks.chunk import Chunk
from stream.chunks.live_cutting import LiveCutter
from stream.chunks.packet_cutting import GROUP, PacketCutter, Uncopyable
from stream.chunks.reading import ChunkReader
from stream.records import AudioFrame, Frame, VideoFrame
from stream.sources.packets import MediaPacket, PacketReader, can_be_copied
from tests.chunks.films import SHORT_GROUPS, remade

BOTH = frozenset({Modality.AUDIO, Modality.VIDEO})
ALL = 240.0  # pictures a second: none is left out
H264 = {"g": "24", "preset": "ultrafast", "tune": "zerolatency", "sc_threshold": "0"}
CAMERAS = [
    ("libx264", H264, "aac", "ts"),
    ("libx264", SHORT_GROUPS, "aac", "ts"),  # with pictures that need later ones
    ("libx264", SHORT_GROUPS, "aac", "mkv"),
    ("libx264", H264, "pcm_mulaw", "nut"),
    ("libx265", {"preset": "ultrafast"}, "aac", "ts"),
    ("libvpx", {"g": "24", "deadline": "realtime", "cpu-used": "8"}, "libopus", "mkv"),
    ("libvpx-vp9", {"g": "24", "deadline": "realtime", "cpu-used": "8"}, "libopus", "mkv"),
]


class Plain:
    """Event time is the timestamp."""

    jumps = 0

    def place(self, kind: Modality, pts: float | None, duration: float, arrival: float) -> float | None:
        return pts


def packets_of(path: Path, shift: float = 0.0) -> list[MediaPacket]:
    with av.open(str(path)) as container:
        assert can_be_copied(container)
        reader = PacketReader(container, Plain())
        found = [packet for each in reader.packets() if (packet := reader.placed(each, lambda: 0.0))]
    return [replace(packet, pts=packet.pts + shift, dts=packet.dts + shift) for packet in found]


def cut(packets: Sequence[MediaPacket], kinds: frozenset[Modality] = BOTH, length: float = 1.0) -> list[Chunk]:
    cutter = PacketCutter("cam-1", "run", kinds, length, 1.0, 10.0)
    chunks = [*(chunk for packet in packets for chunk in cutter.push(packet)), *cutter.finish()]
    assert cutter.late == 0
    return chunks


def read(chunks: Sequence[Chunk]) -> list[Frame]:
    reader = ChunkReader(ALL)
    return [*(frame for chunk in chunks for frame in reader.frames(chunk)), *reader.rest()]


def pictures(frames: Sequence[Frame]) -> list[VideoFrame]:
    return [frame for frame in frames if isinstance(frame, VideoFrame)]


def seconds_of_sound(frames: Sequence[Frame]) -> float:
    return sum(len(frame.samples) / frame.rate for frame in frames if isinstance(frame, AudioFrame))


def decoded(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def check_row(chunks: Sequence[Chunk], length: float = 1.0) -> None:
    assert [chunk.sequence for chunk in chunks] == list(range(len(chunks)))
    assert all(one.end == two.start for one, two in itertools.pairwise(chunks))
    assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert all(chunk.end - chunk.start <= length + GROUP for chunk in chunks)


@pytest.mark.parametrize(("codec", "options", "sound", "ending"), CAMERAS)
def test_what_is_copied_is_decoded_to_the_bit(
    codec: str, options: dict[str, str], sound: str, ending: str, clip: Path, tmp_path: Path
) -> None:
    if not {codec, sound} <= av.codecs_available:
        pytest.skip(f"this PyAV has no {codec} or no {sound}")
    path = remade(clip, tmp_path / f"film.{ending}", codec, options, sound)
    chunks = cut(packets_of(path))
    check_row(chunks)
    assert len(chunks) >= 5
    back, film = read(chunks), decoded(path)
    assert len(pictures(back)) == len(film)
    assert all(np.array_equal(one.image, two) for one, two in zip(pictures(back), film, strict=True))
    assert seconds_of_sound(back) == pytest.approx(6.0, abs=0.15)


def test_each_chunk_can_be_read_alone(clip: Path, tmp_path: Path) -> None:
    for chunk in cut(packets_of(remade(clip, tmp_path / "film.ts")))[:-1]:
        found = pictures(ChunkReader(ALL).frames(chunk))
        assert len(found) == pytest.approx(24 * (chunk.end - chunk.start), abs=2)


def test_sound_alone_is_cut_anywhere(clip: Path, tmp_path: Path) -> None:
    packets = [one for one in packets_of(remade(clip, tmp_path / "film.ts")) if one.track.kind is Modality.AUDIO]
    chunks = cut(packets, frozenset({Modality.AUDIO}))
    check_row(chunks)
    assert len(chunks) in (6, 7)
    assert seconds_of_sound(read(chunks)) == pytest.approx(6.0, abs=0.15)


def test_key_frames_too_far_apart_are_told_and_nothing_is_lost(
    clip: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The first two groups are short; what comes then is encoded."""
    path = remade(clip, tmp_path / "film.ts", options=H264 | {"g": "250"}, seconds=12.0)
    packets = packets_of(path)
    with pytest.raises(Uncopyable, match="more than 4 s apart"):
        cut(packets)
    keyed = packets_of(remade(clip, tmp_path / "keyed.ts", options=H264, seconds=2.0))
    cutter = LiveCutter("cam-1", "run", BOTH, 1.0, 1.0, 10.0)
    tracks = {one.track.kind: one.track for one in keyed}  # the same opening goes on
    row = [*keyed, *(replace(p, pts=p.pts + 2, dts=p.dts + 2, track=tracks[p.track.kind]) for p in packets)]
    chunks = [*(chunk for packet in row for chunk in cutter.push(packet)), *cutter.finish()]
    check_row(chunks)
    assert not cutter.copied
    assert caplog.text.count("cannot be copied") == 1
    found = read(chunks)
    assert len(pictures(found)) == pytest.approx(24 * 2 + 10 * 12, abs=14)  # the picture rate of what is encoded is 10
    assert seconds_of_sound(found) == pytest.approx(14.0, abs=0.3)


def test_pictures_that_need_those_before_a_key_frame_are_told(clip: Path, tmp_path: Path) -> None:
    options = SHORT_GROUPS | {"x264-params": "open-gop=1", "preset": "medium"}
    with pytest.raises(Uncopyable, match="before a key frame"):
        cut(packets_of(remade(clip, tmp_path / "film.ts", options=options)))


def test_pictures_begin_at_a_key_frame_and_begin_anew_after_a_loss(clip: Path, tmp_path: Path) -> None:
    packets = packets_of(remade(clip, tmp_path / "film.ts", options=H264))
    film = [n for n, one in enumerate(packets) if one.track.kind is Modality.VIDEO]
    lost = film[60]
    cutter = PacketCutter("cam-1", "run", BOTH, 1.0, 1.0, 10.0)
    row = [one for n, one in enumerate(packets) if n >= film[5] and n != lost]
    row = [replace(one, whole=False) if one is packets[film[61]] else one for one in row]
    chunks = [*(chunk for packet in row for chunk in cutter.push(packet)), *cutter.finish()]
    assert cutter.late == 19 + 11  # before the first key frame, and from the one that is lost to the next
    found = pictures(read(chunks))
    assert len(found) == len(film) - 5 - 19 - 1 - 11


def test_another_opening_of_the_source_is_never_mixed_with_the_one_before(clip: Path, tmp_path: Path) -> None:
    small = remade(clip, tmp_path / "film.ts", options=H264, seconds=2.5)
    other = remade(clip, tmp_path / "other.mkv", "libvpx", CAMERAS[4][1], "libopus", seconds=2.5)
    chunks = cut([*packets_of(small), *packets_of(other, shift=30.0)])
    assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    gaps = [two.start - one.end for one, two in itertools.pairwise(chunks)]
    assert sum(gap > 1e-9 for gap in gaps) == 1
    assert max(gaps) > 25
    assert len(pictures(read(chunks))) == len(decoded(small)) + len(decoded(other))


def test_pictures_that_stop_do_not_hold_the_sound_up(clip: Path, tmp_path: Path) -> None:
    packets = packets_of(remade(clip, tmp_path / "film.ts", options=H264, seconds=20.0))
    chunks = cut([one for one in packets if one.track.kind is Modality.AUDIO or one.pts < 3.0])
    check_row(chunks, length=1.0 + 1.0 + 0.1)
    assert seconds_of_sound(read(chunks)) == pytest.approx(20.0, abs=0.3)


def test_nothing_at_all_is_one_empty_chunk() -> None:
    (chunk,) = PacketCutter("cam-1", "run", BOTH, 1.0, 1.0, 10.0).finish()
    assert chunk.last
    assert chunk.media == b""


def test_packets_of_one_moment_are_written_all_the_same(clip: Path, tmp_path: Path) -> None:
    """A machine that stalls, or clocks that are steered, may put two packets of a live source at the same time."""
    packets = packets_of(remade(clip, tmp_path / "film.ts", options=H264))
    row = [
        replace(one, pts=packets[n - 2].pts, dts=packets[n - 2].dts) if n % 50 == 49 else one
        for n, one in enumerate(packets)
    ]
    same = [n for n, one in enumerate(row) if n % 50 == 49 and one.track is packets[n - 2].track]
    assert same
    chunks = cut([one for n, one in enumerate(row) if n % 50 != 49 or n in same])
    assert len(pictures(read(chunks))) >= 6 * 24 - 5
