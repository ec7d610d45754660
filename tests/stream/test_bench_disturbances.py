"""Each disturbance does what its name says, inside its span and nowhere else."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from stream.bench.deaf import DeafRecogniser
from stream.bench.disturbances import (
    Span,
    babble_from,
    babbled,
    blackened,
    blurred,
    frozen,
    muted,
    without_camera,
    without_microphone,
)
from stream.bench.pace import PaceClock
from stream.bench.played import PlayedSource
from stream.bench.reel import decoded_reel, due, remembered
from stream.bench.take import clean_take, sound_of
from stream.records import AUDIO_RATE, AudioFrame, Frame, VideoFrame
from tests.stream.speech_clips import read_sound, recogniser

SPAN = Span(3.02, 6.0)  # begins inside a piece of sound
FIRST, LAST = round(SPAN.start * AUDIO_RATE), round(SPAN.end * AUDIO_RATE)


@pytest.fixture(scope="module")
def take() -> list[Frame]:
    """Eight clean seconds of the bundled clip."""
    return clean_take("clip", 8.0, 10.0)


def images(frames: list[Frame], inside: bool) -> list[np.ndarray]:
    """The pictures inside or outside the span."""
    return [f.image for f in frames if isinstance(f, VideoFrame) and (f.pts in SPAN) == inside]


def check_outside(before: list[Frame], after: list[Frame]) -> None:
    """Nothing outside the span has changed."""
    old, new = sound_of(before), sound_of(after)
    assert np.array_equal(old[:FIRST], new[:FIRST])
    assert np.array_equal(old[LAST:], new[LAST:])
    for left, right in zip(images(before, False), images(after, False), strict=True):
        assert np.array_equal(left, right)


def decibels(samples: np.ndarray) -> float:
    """Power in dB."""
    return 10 * np.log10(np.mean(np.square(samples.astype(float))))


def test_mute_is_silence(take: list[Frame]) -> None:
    spoiled = muted(take, SPAN)
    check_outside(take, spoiled)
    assert not sound_of(spoiled)[FIRST:LAST].any()
    assert len(spoiled) == len(take)


@pytest.mark.parametrize("ratio", [10.0, 5.0, 0.0])
def test_babble_is_as_loud_as_it_says(take: list[Frame], ratio: float) -> None:
    clean = sound_of(take)
    spoiled = babbled(babble_from([clean], seed=3), ratio)(take, SPAN)
    check_outside(take, spoiled)
    added = sound_of(spoiled)[FIRST:LAST] - clean[FIRST:LAST]
    assert decibels(clean[FIRST:LAST]) - decibels(added) == pytest.approx(ratio, abs=0.5)


def test_babble_is_other_speech_than_that_beneath_it(take: list[Frame]) -> None:
    clean = sound_of(take)
    babble = babble_from([clean], seed=3)[: len(clean)]
    assert abs(np.corrcoef(clean, babble)[0, 1]) < 0.1
    assert np.array_equal(babble_from([clean], seed=3), babble_from([clean], seed=3))
    assert not np.array_equal(babble_from([clean], seed=3), babble_from([clean], seed=4))


def test_black_is_black(take: list[Frame]) -> None:
    spoiled = blackened(take, SPAN)
    check_outside(take, spoiled)
    assert len(images(spoiled, True)) == 30 - 1  # from 3.1 on
    assert not any(image.any() for image in images(spoiled, True))


def test_a_frozen_picture_is_the_last_one_before(take: list[Frame]) -> None:
    spoiled = frozen(take, SPAN)
    check_outside(take, spoiled)
    last = [f.image for f in take if isinstance(f, VideoFrame) and f.pts < SPAN.start][-1]
    assert all(np.array_equal(image, last) for image in images(spoiled, True))
    assert not np.array_equal(images(take, True)[-1], last)


def test_blur_takes_the_edges_away(take: list[Frame]) -> None:
    spoiled = blurred(take, SPAN)
    check_outside(take, spoiled)
    for before, after in zip(images(take, True), images(spoiled, True), strict=True):
        assert cv2.Laplacian(after, cv2.CV_64F).var() < 0.2 * cv2.Laplacian(before, cv2.CV_64F).var()
        assert after.mean() == pytest.approx(before.mean(), rel=0.05)


def test_gone_is_gone_and_comes_back(take: list[Frame]) -> None:
    blind, silent = without_camera(take, SPAN), without_microphone(take, SPAN)
    assert not images(blind, True)
    assert len(images(blind, False)) == len(images(take, False))
    assert np.array_equal(sound_of(blind), sound_of(take))
    assert not any(isinstance(f, AudioFrame) and f.pts in SPAN for f in silent)
    assert any(isinstance(f, AudioFrame) and f.pts >= SPAN.end for f in silent)
    assert len(images(silent, True)) == len(images(take, True))


def test_a_deaf_recogniser_fails_in_its_span_and_nowhere_else(clip: Path) -> None:
    samples = read_sound(clip)[: 3 * AUDIO_RATE]
    source = PlayedSource("s", decoded_reel(clip, 10.0), PaceClock(), 10.0)
    source.condition.begun = source.moment(-5.0)  # it has played 5 s
    hearing = DeafRecogniser(recogniser(), source, Span(100.0, 110.0))
    assert hearing.read(samples) == recogniser().read(samples)
    with pytest.raises(RuntimeError, match="is off"):
        DeafRecogniser(recogniser(), source, Span(4.0, 60.0)).read(samples)


def test_the_clean_take_holds_no_covered_picture_and_no_noise(clip: Path) -> None:
    take = clean_take("clip", 60.0, 10.0)
    moments = [due(frame) for frame in take]
    assert moments == sorted(moments)
    assert moments[-1] == pytest.approx(60.0, abs=0.11)
    for kind in (AudioFrame, VideoFrame):
        times = [frame.pts for frame in take if isinstance(frame, kind)]
        assert max(np.diff(times)) < 0.21
    covered = [
        f.image.mean() for f in remembered(decoded_reel(clip, 10.0)) if isinstance(f, VideoFrame) and 10 < f.pts < 14
    ]
    assert min(image.mean() for image in (f.image for f in take if isinstance(f, VideoFrame))) > 2 * max(covered)
