"""Silero VAD as a stream: real speech, real pauses, cut into frames of every size."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.errors import SourceError
from stream.records import AudioFrame
from stream.sources.source import bundled_clip
from stream.speech.vad import CHUNK, SpeechChunk, VoiceActivity, speech_fraction
from tests.stream.speech_clips import Samples, noise, read_sound

CHUNK_SECONDS = CHUNK / 16_000


def heard(samples: Samples, start: float = 0.0) -> list[SpeechChunk]:
    return VoiceActivity().push(AudioFrame(start, samples))


def test_speech_is_found_where_kennedy_speaks_and_not_where_he_pauses(clip: Path) -> None:
    #   0.3 ..... 2.2    3.3 3.8   4.0 .. 4.7    5.4 .......... 7.9 ...
    #   And so my ...    ask       not           what your country
    chunks = heard(read_sound(clip)[: 8 * 16_000])
    assert speech_fraction(chunks, 0.5, 2.0) > 0.9
    assert speech_fraction(chunks, 2.6, 3.1) == 0.0
    assert speech_fraction(chunks, 5.6, 7.4) > 0.9


@pytest.mark.parametrize("sound", [np.zeros(64_000, np.float32), 0.05 * noise("white", 64_000)], ids=["zeros", "noise"])
def test_neither_silence_nor_noise_is_speech(sound: Samples) -> None:
    assert speech_fraction(heard(sound), 0.0, 4.0) == 0.0


@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(1, 6000), min_size=1, max_size=40))
def test_the_chunks_do_not_depend_on_how_the_sound_was_cut(sizes: list[int]) -> None:
    samples = read_sound(bundled_clip())[: sum(sizes)]
    activity, chunks, place = VoiceActivity(), [], 0
    for size in sizes:
        chunks += activity.push(AudioFrame(place / 16_000, samples[place : place + size]))
        place += size
    whole = heard(samples)
    assert [(c.start, c.end) for c in chunks] == [(c.start, c.end) for c in whole]
    # the network is run over other batches, so the last bits may differ
    assert np.allclose([c.probability for c in chunks], [c.probability for c in whole], atol=1e-4)


def test_chunks_follow_each_other_on_the_event_clock(clip: Path) -> None:
    chunks = heard(read_sound(clip)[:48_000], start=100.0)
    assert chunks[0].start == 100.0 and len(chunks) == 48_000 // CHUNK
    assert all(b.start == a.end and b.end > b.start for a, b in pairwise(chunks))


def test_after_a_gap_the_clock_is_right_and_the_past_forgotten(clip: Path) -> None:
    samples = read_sound(clip)
    activity = VoiceActivity()
    activity.push(AudioFrame(0.0, samples[:20_000]))
    after = activity.push(AudioFrame(30.0, samples[:32_000]))
    assert after == heard(samples[:32_000], start=30.0)


def test_sound_that_comes_twice_is_heard_once(clip: Path) -> None:
    samples = read_sound(clip)[:64_000]
    activity = VoiceActivity()
    chunks = activity.push(AudioFrame(0.0, samples[:40_000])) + activity.push(AudioFrame(1.0, samples[16_000:]))
    assert len(chunks) == 64_000 // CHUNK
    assert np.allclose([c.probability for c in chunks], [c.probability for c in heard(samples)], atol=1e-4)


@pytest.mark.parametrize("together", [1, 3, 12])
def test_frames_that_are_heard_together_are_heard_as_one_by_one(clip: Path, together: int) -> None:
    #   sound  |---- 0 .. 2 ----|      gap      |-- 5 .. 6 --|
    #                                              |-- 5.5 .. 6.5 --|   half of it again
    samples = read_sound(clip)
    places = [*range(0, 32_000, 1_000), *range(80_000, 96_000, 1_000), *range(88_000, 104_000, 1_000)]
    frames = [AudioFrame(place / 16_000, samples[place : place + 1_000]) for place in places]
    alone, joined = VoiceActivity(), VoiceActivity()
    one_by_one = [chunk for frame in frames for chunk in alone.push(frame)]
    groups = [frames[first : first + together] for first in range(0, len(frames), together)]
    at_once = [chunk for group in groups for chunk in joined.push(*group)]
    assert [(c.start, c.end) for c in at_once] == [(c.start, c.end) for c in one_by_one]
    assert np.allclose([c.probability for c in at_once], [c.probability for c in one_by_one], atol=1e-4)
    assert at_once[-1].end == pytest.approx(6.5, abs=CHUNK_SECONDS)


def test_samples_that_are_not_numbers_are_silence(clip: Path) -> None:
    samples = read_sound(clip)[:32_000].copy()
    samples[8_000:16_000], quiet = np.nan, samples.copy()
    quiet[8_000:16_000] = 0.0
    assert heard(samples) == heard(quiet)


@pytest.mark.parametrize("count", [0, 1, 100, 511])
def test_less_than_a_chunk_is_kept_for_later(count: int) -> None:
    assert heard(np.ones(count, np.float32)) == []


def test_another_sample_rate_is_refused() -> None:
    with pytest.raises(SourceError, match="44100 Hz"):
        VoiceActivity().push(AudioFrame(0.0, np.zeros(10, np.float32), rate=44_100))
