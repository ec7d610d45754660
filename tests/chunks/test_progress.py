"""What a worker commits: whoever takes over writes every window, and reports no dead letter twice."""

from hypothesis import given
from hypothesis import strategies as st

from stream.chunks.progress import MOST, Commit, PartitionProgress, commit_from, name_of

HOP, SIZE, REACH = 0.5, 4.0, 4.0
FRESH = Commit(0, 0, {})


def progress(begin: Commit = FRESH) -> PartitionProgress:
    return PartitionProgress(begin, lambda index: index * HOP - REACH)


def test_nothing_is_committed_away_while_no_window_is_written() -> None:
    one = progress()
    for offset in range(6):
        one.take(offset, "cam", offset + 1.0)
    assert one.commit().offset == 0


def test_the_oldest_chunk_that_the_next_window_needs() -> None:
    one = progress()
    for offset in range(20):
        one.take(offset, "cam", offset + 1.0)
        one.read(offset)
    one.write("cam", 19)  # the next one begins at 10 s, and what reaches into it at 6 s: in the chunk that ends at 7 s
    assert one.commit() == Commit(6, 20, {"cam": 19})


def test_a_stream_that_is_over_holds_nothing_back() -> None:
    one = progress()
    one.take(0, "over", 1.0)
    one.take(1, "cam", 1.0)
    one.write("over", 0)
    one.end("over")
    assert one.commit().offset == 1
    assert "over" not in one.commit().written  # its chunk is not read again


def test_a_stream_that_is_over_does_not_begin_anew_when_its_chunks_are_read_again() -> None:
    one = progress()
    one.take(0, "cam", 1.0)
    one.take(1, "over", 1.0)
    one.write("over", 0)
    one.end("over")
    assert progress(one.commit()).written("over") == 0


def test_a_letter_is_reported_once_the_chunk_was_read() -> None:
    one = progress()
    one.take(0, "cam", 1.0)
    one.take(1, "cam", 2.0)
    one.read(0)
    again = progress(one.commit())
    assert again.reported(0)
    assert not again.reported(1)


def test_metadata_fits_and_comes_back() -> None:
    many = Commit(5, 9, {name_of(f"cam-{n}", "run"): n for n in range(500)})
    assert len(many.metadata) <= MOST
    assert commit_from(5, many.metadata).written.items() <= many.written.items()
    few = Commit(5, 9, {name_of("cam", "run"): 3})
    assert commit_from(5, few.metadata) == few


@given(st.text())
def test_strange_metadata_says_nothing(text: str) -> None:
    assert commit_from(7, text).offset == 7


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3)), max_size=60), st.data())
def test_who_takes_over_has_all_that_the_next_windows_need(chunks: list[tuple[str, int]], data: st.DataObject) -> None:
    """Chunks of three streams of several lengths; windows are written in order, some way behind them."""
    one, ends, written = progress(), dict.fromkeys("abc", 0.0), dict.fromkeys("abc", -1)
    spans: list[tuple[str, float, float]] = []
    for offset, (name, length) in enumerate(chunks):
        spans.append((name, ends[name], ends[name] + length))
        ends[name] += length
        one.take(offset, name, ends[name])
        one.read(offset)
        whole = int((ends[name] - SIZE) / HOP)
        if whole > written[name] and data.draw(st.booleans()):
            written[name] = data.draw(st.integers(written[name] + 1, whole))
            one.write(name, written[name])
        commit = one.commit()
        for stream in "abc":
            assert commit.written.get(stream, -1) == written[stream]
            begin = (written[stream] + 1) * HOP - REACH
            needed = [at for at, (owner, _, end) in enumerate(spans) if owner == stream and end > begin]
            assert commit.offset <= min(needed, default=len(spans))
