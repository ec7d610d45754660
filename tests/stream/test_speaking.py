"""Which of two real faces is read: the one whose mouth moves with the sound, else the larger.

No clip with sound shows two people, so speech is laid where a man talks who was filmed without sound.

    franck.mp4 from 39 s    |listens 39 .. 43|talks 43 .. 50|
    sound                   |silence 0 ... 4 |speech 4 ..11 |
"""

from itertools import pairwise
from pathlib import Path

from stream.records import FaceChoice, VideoFrame
from stream.speech.vad import SpeechChunk
from stream.watching import VideoReading
from tests.stream.couples import Picture, beside, dubbed, images, scaled, watched

LENGTH = 10.0  # seconds


def sides(read: list[VideoReading]) -> list[str]:
    """Where the face is that was read in each window."""
    found = [one.face for one in read]
    return ["-" if face is None else "left" if face.box[0] + face.box[2] < 1 else "right" for face in found]


def both_orders(talking: list[Picture], silent: list[Picture]) -> list[tuple[str, list[VideoFrame]]]:
    """The side of the one who talks, and the pictures."""
    return [("left", beside(talking, silent)), ("right", beside(silent, talking))]


def check_speaker(landmarker: Path, film: list[VideoFrame], speech: list[SpeechChunk], side: str, after: float) -> None:
    """From `after` on, the face on that side is the one that speaks; it is chosen once, and both faces are there."""
    windows = watched(landmarker, film, speech)
    read = [one for _, one in windows]
    late = [one for window, one in windows if window.end >= after]
    assert sides(late) == [side] * len(late) and len(late) >= 4
    assert all(one.face and one.face.chosen is FaceChoice.SPEAKING for one in late)
    assert {one.faces for one in read} == {2}
    assert all(one.features.present for one in read)
    assert len({one.face.id for one in late if one.face}) == 1
    assert sum(before != now for before, now in pairwise(sides(read))) <= 1


def test_the_one_who_talks_is_read_and_not_the_one_who_listens(landmarker: Path, clip: Path) -> None:
    """The bundled clip twice, mirrored: still from 15 s on, talking from 25 s on."""
    talking = images(clip, 15, 19) + images(clip, 25, 27) * 2
    for side, film in both_orders(talking, images(clip, 14.6, 22.6, mirrored=True)):
        check_speaker(landmarker, film, dubbed(clip, 4, 4, 8), side, after=5.5)


def test_someone_else_moves_the_mouth_but_not_with_the_sound(landmarker: Path, media: Path) -> None:
    talking = images(media / "franck.mp4", 39, 39 + LENGTH)
    film = beside(talking, images(media / "single_face.mp4", 0, LENGTH))
    check_speaker(landmarker, film, dubbed(media / "jfk.flac", 4, 7, LENGTH), "left", after=7.0)


def test_a_larger_face_that_is_silent_is_not_read(landmarker: Path, media: Path) -> None:
    """A woman who sobs and then laughs openly."""
    talking = scaled(images(media / "franck.mp4", 39, 39 + LENGTH), 216)
    larger = images(media / "crying_woman.mp4", 7, 7 + LENGTH)
    film = beside(larger, talking)
    read = [one for _, one in watched(landmarker, film[:45], [])]
    assert set(sides(read)) == {"left"}  # the larger one, before anyone speaks
    check_speaker(landmarker, film, dubbed(media / "jfk.flac", 4, 7, LENGTH), "right", after=7.0)


def test_without_a_sound_the_larger_face_is_read(landmarker: Path, clip: Path) -> None:
    small = scaled(images(clip, 25, 27) * 3, 216)
    for side, film in both_orders(small, images(clip, 15, 21)):
        windows = watched(landmarker, film, [])
        assert set(sides([one for _, one in windows])) == {"left" if side == "right" else "right"}
        assert all(one.face and one.face.chosen is FaceChoice.LARGEST for _, one in windows)


def test_a_voice_of_nobody_in_the_picture_chooses_nobody(landmarker: Path, media: Path) -> None:
    """Two who listen while Kennedy speaks."""
    film = beside(images(media / "franck.mp4", 60, 69), images(media / "franck.mp4", 21, 30, mirrored=True))
    windows = watched(landmarker, film, dubbed(media / "jfk.flac", 2, 7, 9))
    assert all(one.face and one.face.chosen is FaceChoice.LARGEST for _, one in windows)
    assert len(set(sides([one for _, one in windows]))) == 1


def test_who_speaks_changes_with_the_turn(landmarker: Path, media: Path) -> None:
    """left talks 4 .. 9 s, right from 9 s on"""
    left = images(media / "franck.mp4", 39, 48) + images(media / "franck.mp4", 60, 66)
    right = images(media / "franck.mp4", 60, 69) + images(media / "franck.mp4", 83.5, 89.5)
    windows = watched(landmarker, beside(left, right), dubbed(media / "jfk.flac", 4, 11, 15))
    told = {window.end: side for (window, _), side in zip(windows, sides([one for _, one in windows]), strict=True)}
    assert {told[end] for end in (7.0, 8.0, 9.0)} == {"left"}
    assert {told[end] for end in (13.5, 14.0, 14.5)} == {"right"}
