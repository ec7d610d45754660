"""Audio features and measured quality on real speech, made worse in known steps."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torchaudio import functional

from stream.features.audio import AudioFrontEnd
from stream.features.noise import clipping, level
from stream.features.prosody import PROSODY
from stream.features.voice import STATISTICS
from stream.records import AudioFrame, ModalityFeatures, State, Window
from stream.ring import SoundRing
from stream.speech.vad import SpeechChunk, VoiceActivity
from tests.stream.speech_clips import Samples, noise, noisy, read_sound, voice_encoder

RATE = 16_000
LENGTH = 4 * RATE
PLACES = (0, 4 * RATE, 7 * RATE, 12 * RATE, 15 * RATE)  # windows of clean speech in the bundled clip


@pytest.fixture(scope="module")
def front() -> AudioFrontEnd:
    return AudioFrontEnd(voice_encoder())


@pytest.fixture(scope="module")
def windows(clip: Path) -> list[Samples]:
    return [read_sound(clip)[place : place + LENGTH] for place in PLACES]


def heard(front: AudioFrontEnd, samples: Samples, start: float = 0.0) -> ModalityFeatures:
    """One window as a stream would hear it."""
    chunks = VoiceActivity().push(AudioFrame(start, samples))
    return front.window(samples, chunks, Window("test", 0, start, start + 4.0))


def prosody(features: ModalityFeatures) -> dict[str, float]:
    return dict(zip(PROSODY, features.values[-len(PROSODY) :].tolist(), strict=True))


def test_clean_speech_is_ok_and_the_same_each_time(front: AudioFrontEnd, windows: list[Samples]) -> None:
    for samples in windows:
        features, again = heard(front, samples), heard(front, samples)
        assert features.state is State.OK and features.reason is None and 0.5 <= features.quality <= 1.0
        assert features.values.shape == (AudioFrontEnd.WIDTH,) and features.values.dtype == np.float32
        assert np.isfinite(features.values).all() and np.array_equal(features.values, again.values)


@pytest.mark.parametrize("kind", ["white", "pink"])
def test_quality_falls_with_every_step_of_noise(front: AudioFrontEnd, windows: list[Samples], kind: str) -> None:
    for samples in windows:
        steps = [samples, *(noisy(samples, noise(kind, LENGTH), ratio) for ratio in (20, 10, 5, 0))]
        found = [heard(front, step) for step in steps]
        assert all(a.quality > b.quality for a, b in pairwise(found)), [one.quality for one in found]
        assert found[-1].state is State.DEGRADED and found[-1].reason and "noise" in found[-1].reason


def test_quality_falls_with_every_step_of_babble(front: AudioFrontEnd, clip: Path, windows: list[Samples]) -> None:
    speech = read_sound(clip)[11 * RATE : 19 * RATE]
    voices = sum(np.roll(speech, shift * 7919) * (-1) ** shift for shift in range(16))
    babble = (voices / np.sqrt(np.mean(np.square(voices))))[:LENGTH].astype(np.float32)
    for samples in windows[:3]:
        steps = [samples, *(noisy(samples, babble, ratio) for ratio in (20, 10, 5, 0))]
        qualities = [heard(front, step).quality for step in steps]
        assert all(a > b for a, b in pairwise(qualities)), qualities
        assert qualities[-1] < 0.5


def test_the_measure_needs_no_pause(front: AudioFrontEnd, windows: list[Samples]) -> None:
    samples = windows[4]
    chunks = VoiceActivity().push(AudioFrame(0.0, samples))
    spoken = np.concatenate([samples[int(c.start * RATE) : int(c.end * RATE)] for c in chunks if c.speech])
    dense = np.tile(spoken, 2)[:LENGTH]
    steps = [dense, *(noisy(dense, noise("pink", LENGTH), ratio) for ratio in (20, 10, 0))]
    qualities = [heard(front, step).quality for step in steps]
    assert all(a > b for a, b in pairwise(qualities)) and qualities[0] > 0.5 > qualities[-1]


def test_noise_that_pauses_with_the_speech_is_heard(front: AudioFrontEnd, windows: list[Samples]) -> None:
    """A gate lets noise through with the speech alone: ____/noisy speech\\____, digital silence around it."""
    chunks = [chunk for chunk in VoiceActivity().push(AudioFrame(0.0, windows[1])) if chunk.speech]
    said = np.concatenate([windows[1][int(c.start * RATE) : int(c.end * RATE)] for c in chunks])[: 2 * RATE]
    for kind in ("white", "pink"):
        steps = [said, *(noisy(said, noise(kind, len(said)), ratio) for ratio in (20, 10, 5, 0))]
        found = [heard(front, np.pad(step, (LENGTH - len(step)) // 2)) for step in steps]
        qualities = [one.quality for one in found]
        assert all(a > b for a, b in pairwise(qualities)) and qualities[0] > 0.8, qualities
        assert found[-1].state is State.DEGRADED and found[-1].reason and "noise" in found[-1].reason


def test_clipping_lowers_quality(front: AudioFrontEnd, windows: list[Samples]) -> None:
    loud = [np.clip(windows[0] * gain / np.abs(windows[0]).max(), -1, 1) for gain in (0.9, 2.0, 4.0, 10.0)]
    found = [heard(front, samples) for samples in loud]
    assert all(a.quality > b.quality for a, b in pairwise(found))
    assert found[-1].reason == "clipped"


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(0, np.float32), "no sound"),
        (np.zeros(LENGTH, np.float32), "silence"),
        (0.0003 * noise("white", LENGTH), "silence"),
        (np.full(LENGTH, np.nan, np.float32), "silence"),
        (0.05 * noise("white", LENGTH), "no speech"),
        (np.full(1, 0.5, np.float32), "no speech"),
        (np.full(100, 0.5, np.float32), "no speech"),
    ],
)
def test_what_is_missing_says_why(front: AudioFrontEnd, samples: Samples, reason: str) -> None:
    features = heard(front, samples)
    assert (features.state, features.reason, features.quality) == (State.MISSING, reason, 0.0)
    assert features.values.shape == (AudioFrontEnd.WIDTH,) and not features.values.any()


@pytest.mark.parametrize("count", [1, 100, 400, 700, 8_000])
def test_a_stream_that_has_just_begun(front: AudioFrontEnd, windows: list[Samples], count: int) -> None:
    # speech all over, however short: what is asked for is only that nothing breaks
    window = Window("test", 0, 0.0, count / RATE)
    features = front.window(windows[1][RATE : RATE + count], [SpeechChunk(0.0, window.end, 1.0)], window)
    assert features.present and np.isfinite(features.values).all() and 0.0 <= features.quality <= 1.0


def test_age_counts_from_the_last_speech(front: AudioFrontEnd, windows: list[Samples]) -> None:
    samples = windows[0].copy()
    samples[2 * RATE :] = 0.0
    assert 1.5 < heard(front, samples, start=30.0).age < 2.5
    window = Window("test", 9, 30.0, 34.0)
    assert front.window(np.zeros(LENGTH, np.float32), [], window, last_speech=29.0).age == 5.0
    assert front.window(np.zeros(LENGTH, np.float32), [], window).age == 34.0


def test_samples_that_are_not_numbers_are_silence(front: AudioFrontEnd, windows: list[Samples]) -> None:
    broken, quiet = windows[1].copy(), windows[1].copy()
    broken[:3000], quiet[:3000] = np.nan, 0.0
    broken[3000:6000], quiet[3000:6000] = -np.inf, 0.0
    assert np.array_equal(heard(front, broken).values, heard(front, quiet).values)


def test_the_states_do_not_depend_on_gain_and_prosody_knows_it(front: AudioFrontEnd, windows: list[Samples]) -> None:
    chunks = VoiceActivity().push(AudioFrame(0.0, windows[1]))
    window = Window("test", 0, 0.0, 4.0)
    loud, soft = (front.window(windows[1] * np.float32(gain), chunks, window) for gain in (1.0, 0.25))
    assert np.allclose(loud.values[:STATISTICS], soft.values[:STATISTICS], atol=0.05)
    assert prosody(loud)["energy_median"] - prosody(soft)["energy_median"] == pytest.approx(0.6, abs=0.01)  # 12 dB


def test_a_higher_voice_has_a_higher_pitch(front: AudioFrontEnd, windows: list[Samples]) -> None:
    samples = windows[3]
    # a quarter faster, and higher
    faster = functional.resample(torch.from_numpy(samples.copy()), 20_000, RATE).numpy()
    low, high = prosody(heard(front, samples)), prosody(heard(front, np.resize(faster, LENGTH)))
    assert high["pitch_median"] - low["pitch_median"] == pytest.approx(np.log2(1.25), abs=0.1)
    assert high["centroid_mean"] > low["centroid_mean"]
    assert 70 < 150 * 2 ** low["pitch_median"] < 260


def test_level_and_clipping_by_hand() -> None:
    square = np.array([0.1, -0.1] * 50, np.float32)
    assert level(square) == pytest.approx(-20.0) and clipping(square) == 0.0
    assert clipping(np.array([1.0, -1.0, 0.5, 0.0], np.float32)) == 0.5
    assert level(np.zeros(5, np.float32)) == -120.0 and level(np.zeros(0, np.float32)) == -120.0


def streamed(front: AudioFrontEnd, frames: Sequence[AudioFrame], ends: Sequence[float]) -> list[ModalityFeatures]:
    """The windows of a live stream that close at `ends`, each with what had been received by then."""
    ring, activity, chunks = SoundRing(60.0), VoiceActivity(), list[SpeechChunk]()
    waiting, found = list(frames), list[ModalityFeatures]()
    for end in ends:
        while waiting and waiting[0].pts < end:
            frame = waiting.pop(0)
            ring.push(frame)
            chunks += activity.push(frame)
        window = Window("test", 0, end - 4.0, end)
        sound = ring.stretch(window.start, end)
        inside = [chunk for chunk in chunks if chunk.end > window.start and chunk.start < end]
        found.append(front.window(sound.samples, inside, window, start=sound.start, newest=sound.newest))
    return found


def framed(samples: Samples) -> list[AudioFrame]:
    return [AudioFrame(first / RATE, samples[first : first + 320]) for first in range(0, len(samples), 320)]


def test_sound_that_stops_coming_is_missing_and_comes_back(front: AudioFrontEnd, clip: Path) -> None:
    """frames ####____######  and  #### ####: half a second without any is too long, a hole of 0.2 s is not."""
    speech = framed(read_sound(clip)[: 12 * RATE])
    gone = [frame for frame in speech if not 5.0 <= frame.pts < 8.0]
    ends = [4.5, 5.2, 5.5, 6.0, 8.0, 8.5, 9.0, 9.5]
    found = streamed(front, gone, ends)
    reasons = [None if one.present else one.reason for one in found]
    assert reasons[:5] == [None, None, "no sound for 0.5 s", "no sound for 1.0 s", "no sound for 3.0 s"]
    assert reasons[6:] == [None, None]  # within two windows of its return
    hole = [frame for frame in speech if not 5.0 <= frame.pts < 5.2]
    assert all(one.present for one in streamed(front, hole, [5.2, 5.5, 6.0]))


def test_a_microphone_that_is_muted_is_missing_and_comes_back(front: AudioFrontEnd, clip: Path) -> None:
    """speech ####0000000000000000####, for longer than a window"""
    samples = read_sound(clip)[6 * RATE : 14 * RATE].copy()  # speech at 2.2 to 4.5 and from 5.6 s
    samples = np.concatenate([samples[: 4 * RATE], np.full(6 * RATE, 0.4 / 32768, np.float32), samples[2 * RATE :]])
    found = streamed(front, framed(samples), [4.0, 4.3, 4.5, 5.0, 8.0, 9.5, 10.5, 11.0])
    reasons = [None if one.present else one.reason for one in found]
    assert reasons[:4] == [None, None, "muted for 0.5 s", "muted for 1.0 s"] and not found[3].values.any()
    assert reasons[4:6] == ["muted for 4.0 s", "muted for 4.0 s"]  # a window tells of no more than it holds
    assert reasons[7] is None  # within two windows of the speech's return


def test_a_quiet_room_is_not_muted(front: AudioFrontEnd, clip: Path) -> None:
    """One step of a 16-bit converter is the quietest noise that a microphone which is on can make."""
    samples = read_sound(clip)[: 8 * RATE].copy()
    samples[5 * RATE :] = np.random.default_rng(0).choice([-1, 0, 1], 3 * RATE).astype(np.float32) / 32768
    assert [one.reason for one in streamed(front, framed(samples), [6.0, 7.0])] == [None, None]


def test_a_window_that_did_not_wait_for_its_sound_is_missing(front: AudioFrontEnd, windows: list[Samples]) -> None:
    chunks, window = VoiceActivity().push(AudioFrame(0.0, windows[1])), Window("test", 0, 0.0, 4.0)
    found = front.window(windows[1], chunks, window, newest=3.8, dropped=True)
    assert (found.state, found.reason) == (State.MISSING, "no sound for 0.2 s")
    assert front.window(windows[1][:0], [], window, dropped=True).reason == "no sound"


def test_the_end_of_a_source_is_not_a_sound_that_stopped(front: AudioFrontEnd, windows: list[Samples]) -> None:
    """A clip of 2.5 s has one window of 4 s."""
    samples = windows[1][: 5 * RATE // 2]
    chunks, window = VoiceActivity().push(AudioFrame(0.0, samples)), Window("test", 0, 0.0, 4.0)
    whole = front.window(samples, chunks, window, start=0.0, newest=2.5, ended=2.5)
    assert whole.present and prosody(whole)["voiced"] > 0.3
    assert front.window(samples, chunks, window, start=0.0, newest=2.5).reason == "no sound for 1.5 s"
    assert front.window(samples, chunks, window, start=0.0, newest=2.5, ended=3.2).reason == "no sound for 0.7 s"


def test_gain_costs_no_quality_until_there_is_no_signal(front: AudioFrontEnd, windows: list[Samples]) -> None:
    clean = heard(front, windows[1]).quality
    for decibels in (-6, -12, -20, -30):
        softer = windows[1] * np.float32(10 ** (decibels / 20))
        assert heard(front, softer).quality == pytest.approx(clean, abs=0.05), decibels
    assert heard(front, windows[1] * np.float32(1e-3)).reason == "silence"


@pytest.mark.parametrize("kind", ["pink", "babble"])
def test_quality_falls_while_noise_comes_and_is_back_when_it_has_gone(
    front: AudioFrontEnd, clip: Path, windows: list[Samples], kind: str
) -> None:
    """noise ____########____ over the same four seconds of speech, heard again and again"""
    speech = np.tile(windows[1], 5)
    other = read_sound(clip)[11 * RATE : 19 * RATE]
    voices = np.sum([np.roll(other, shift * 7919) * (-1) ** shift for shift in range(16)], axis=0)
    sound = noise("pink", 8 * RATE) if kind == "pink" else voices / np.sqrt(np.mean(np.square(voices)))
    worse = speech.copy()
    worse[6 * RATE : 14 * RATE] += sound.astype(np.float32) * np.float32(np.sqrt(np.mean(np.square(speech))))  # 0 dB
    ends = [5.0, 7.5, 8.5, 10.0, 14.0, 15.0, 16.0, 18.0]
    found = [one.quality for one in streamed(front, framed(worse), ends)]
    clean = [one.quality for one in streamed(front, framed(speech), ends)]
    assert found[0] == clean[0] and found[-1] == pytest.approx(clean[-1], abs=0.02)
    assert all(a > b for a, b in pairwise(found[:4])) and found[3] < 0.5, found
    assert found[4] < min(found[5:7]) and max(found[5:7]) < found[7], found  # as the noise leaves the window
