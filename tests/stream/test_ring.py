"""The ring gives back what was heard, by event time."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream.records import AUDIO_RATE, AudioFrame
from stream.ring import SoundRing


def frame(start: int, length: int) -> AudioFrame:
    """Samples that carry their own sample number."""
    return AudioFrame(start / AUDIO_RATE, np.arange(start, start + length, dtype=np.float32))


@given(st.lists(st.integers(0, 3000), max_size=30), st.integers(0, 20_000), st.integers(0, 9_000))
def test_what_is_still_there_is_what_was_pushed(lengths: list[int], first: int, count: int) -> None:
    ring, position = SoundRing(0.5), 0
    for length in lengths:
        ring.push(frame(position, length))
        position += length
    oldest = max(0, position - 8000)
    expected = np.arange(min(max(first, oldest), position), min(max(first + count, oldest), position))
    np.testing.assert_array_equal(ring.cut(first / AUDIO_RATE, (first + count) / AUDIO_RATE), expected)


def test_a_gap_reads_as_silence_and_an_overlap_is_dropped() -> None:
    ring = SoundRing(1.0)
    ring.push(AudioFrame(0.0, np.full(100, 1.0, np.float32)))
    ring.push(AudioFrame(200 / AUDIO_RATE, np.full(100, 2.0, np.float32)))
    ring.push(AudioFrame(250 / AUDIO_RATE, np.full(100, 3.0, np.float32)))
    got = ring.cut(0.0, 350 / AUDIO_RATE)
    np.testing.assert_array_equal(got, np.repeat([1.0, 0.0, 2.0, 3.0], [100, 100, 100, 50]).astype(np.float32))


def test_a_gap_longer_than_the_ring_leaves_silence_only() -> None:
    ring = SoundRing(0.01)
    ring.push(AudioFrame(0.0, np.ones(50, np.float32)))
    ring.push(AudioFrame(5.0, np.full(10, 2.0, np.float32)))
    got = ring.cut(0.0, 6.0)
    assert len(got) == 160
    assert got[:150].max() == 0.0
    assert got[150:].min() == 2.0


def test_a_stretch_knows_how_far_sound_was_received() -> None:
    """received ##__## at 0..1, 2..3 s"""
    ring = SoundRing(10.0)
    assert (ring.stretch(0.0, 1.0).newest, len(ring.stretch(0.0, 1.0).samples)) == (None, 0)
    for start in (0.0, 0.25, 0.5, 0.75, 2.0, 2.5):
        ring.push(AudioFrame(start, np.zeros(4000 if start < 2 else 8000, np.float32)))
    newest = [ring.stretch(end - 0.5, end).newest for end in (0.5, 1.0, 1.5, 2.0, 2.25, 3.0, 4.0)]
    assert newest == [0.5, 1.0, 1.0, 1.0, 2.25, 3.0, 3.0]
    assert ring.stretch(1.5, 2.5).start == 1.5 and len(ring.stretch(1.5, 2.5).samples) == AUDIO_RATE


def test_a_stretch_begins_where_the_ring_does() -> None:
    ring = SoundRing(1.0)
    for start in range(5):
        ring.push(AudioFrame(start * 1.5, np.ones(AUDIO_RATE, np.float32)))
    found = ring.stretch(0.0, 8.0)
    assert (found.start, found.newest, len(found.samples)) == (6.0, 7.0, AUDIO_RATE)
    assert ring.stretch(0.0, 5.0).newest is None  # it is not remembered for longer than the sound itself


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 900)), max_size=30), st.integers(1, 30_000))
def test_newest_is_the_last_sample_that_was_pushed(parts: list[tuple[int, int]], end: int) -> None:
    """parts: a hole and the samples after it"""
    ring, position, received = SoundRing(4.0), 0, list[int]()
    for hole, length in parts:
        position += hole
        ring.push(frame(position, length))
        received += range(position, position + length)
        position += length
    before = [sample for sample in received if sample < end]
    newest = ring.stretch(0.0, end / AUDIO_RATE).newest
    assert newest == (None if not before else (before[-1] + 1) / AUDIO_RATE)
