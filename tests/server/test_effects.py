"""What the switches do to frames, and how many messages a client may send. Pure."""

import numpy as np
import pytest

from stream.records import AUDIO_RATE, AudioFrame, VideoFrame
from stream.server.allowance import BURST, Allowance
from stream.server.effects import Effects
from stream.server.messages import Switches


def pictures(count: int) -> list[VideoFrame]:
    rng = np.random.default_rng(1)
    return [VideoFrame(i / 10, rng.integers(0, 255, (90, 160, 3), np.uint8)) for i in range(count)]


def speech(seconds: float, level: float) -> list[AudioFrame]:
    rng = np.random.default_rng(2)
    length = AUDIO_RATE * 32 // 1000
    return [
        AudioFrame(i * length / AUDIO_RATE, (level * rng.standard_normal(length)).astype(np.float32))
        for i in range(round(seconds * AUDIO_RATE / length))
    ]


def test_without_switches_nothing_is_changed() -> None:
    effects = Effects()
    for frame in pictures(3):
        changed = effects.picture(frame)
        assert changed is not None
        assert changed.image is frame.image
    for frame in speech(0.2, 0.1):
        assert effects.sound(frame).samples is frame.samples


def test_a_frozen_picture_is_the_last_one_before_with_the_time_of_the_new_one() -> None:
    effects, shown = Effects(), pictures(4)
    effects.picture(shown[0])
    effects.picture(shown[1])
    effects.switches = Switches(frozen=True)
    for frame in shown[2:]:
        changed = effects.picture(frame)
        assert changed is not None
        assert (changed.pts, changed.image is shown[1].image) == (frame.pts, True)
    effects.switches = Switches()
    again = effects.picture(shown[2])
    assert again is not None
    assert again.image is shown[2].image


def test_covered_pictures_are_black_and_blurred_ones_have_no_detail() -> None:
    effects, (frame,) = Effects(), pictures(1)
    effects.switches = Switches(covered=True)
    black = effects.picture(frame)
    effects.switches = Switches(blurred=True)
    blurred = effects.picture(frame)
    assert black is not None
    assert blurred is not None
    assert not black.image.any()
    assert np.diff(blurred.image.astype(int), axis=1).std() < 0.3 * np.diff(frame.image.astype(int), axis=1).std()
    assert frame.image.any(), "the frame itself is somebody else's"


def test_one_of_ten_pictures_is_left() -> None:
    effects = Effects()
    effects.switches = Switches(dropping=True)
    assert sum(effects.picture(frame) is not None for frame in pictures(40)) == 4


@pytest.mark.parametrize("level", [0.03, 0.2])
def test_babble_is_as_loud_as_the_speech(level: float) -> None:
    effects = Effects()
    for frame in speech(6.0, level):
        effects.sound(frame)
    effects.switches = Switches(babble=True)
    added = np.concatenate([effects.sound(frame).samples - frame.samples for frame in speech(8.0, level)])
    ratio = 20 * np.log10(level / np.sqrt(np.mean(np.square(added))))
    assert abs(ratio) < 3, "0 dB, as far as voices in a short stretch are even"


def test_muted_sound_is_silence_of_the_same_length() -> None:
    effects, (frame, *_) = Effects(), speech(0.1, 0.1)
    effects.switches = Switches(muted=True)
    muted = effects.sound(frame)
    assert len(muted.samples) == len(frame.samples)
    assert not muted.samples.any()


def test_an_allowance_lets_a_burst_in_and_then_its_rate() -> None:
    now = [0.0]
    allowance = Allowance(10.0, lambda: now[0])
    assert sum(allowance.take(1) for _ in range(100)) == 10 * BURST
    now[0] = 1.0
    assert sum(allowance.take(1) for _ in range(100)) == 10
    now[0] = 1000.0
    assert not allowance.take(10 * BURST + 1)
    assert allowance.take(10 * BURST)
