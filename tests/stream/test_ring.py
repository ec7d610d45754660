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
