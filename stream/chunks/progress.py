"""How far the work on one partition has come, so that any worker can take it up from there. Pure.

The offset that is committed is that of the oldest chunk which a window that is not written yet still needs; which
windows are written travels in the metadata of the commit:

    chunks     40   41   42   43   44   45        committed: offset 41, {"done": 45, "written": {"cam-1, run": 83}}
    windows          |=== 84 ===|                 a worker that takes over reads 41 to 44 again to have what window 84
                         |=== 85 ===|             needs, writes window 84 next, and reports no dead letter before 45
"""

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

MOST = 3500  # bytes of metadata; brokers take 4096 unless told otherwise
NONE = -1
FARTHEST = 2**63 - 1  # offset or index


@dataclass(frozen=True, slots=True)
class Commit:
    """offset: where to read on from. done: chunks before it need not be reported as dead letters again.

    written: per run of a stream (`name_of`) the index of the newest window that is written.
    """

    offset: int
    done: int
    written: dict[str, int]

    @property
    def metadata(self) -> str:
        """As it travels with the commit. What does not fit is left out: those windows may be written again."""
        written = dict(self.written)
        while len(text := json.dumps({"done": self.done, "written": written}, separators=(",", ":"))) > MOST:
            written.pop(next(iter(written)))
        return text


def commit_from(offset: int, metadata: str) -> Commit:
    """What a commit says. Metadata that is not ours says nothing."""
    try:
        found = json.loads(metadata)
        done, written = int(found["done"]), {str(key): int(value) for key, value in found["written"].items()}
        if all(NONE <= number <= FARTHEST for number in (done, *written.values())):
            return Commit(offset, done, written)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        pass
    return Commit(offset, offset, {})


def name_of(stream: str, run: str) -> str:
    """A short name for one run of a stream."""
    return sha256(f"{stream}\n{run}".encode()).hexdigest()[:10]


@dataclass(slots=True)
class _Written:
    """One run of a stream. needed: offset and end of the chunks that a window still needs, oldest first."""

    index: int
    needed: deque[tuple[int, float]] = field(default_factory=deque[tuple[int, float]])
    newest: int = NONE
    over: bool = False


class PartitionProgress:
    """One partition, from what was committed on.

    need: gives the event time from which on the window after `index` needs chunks, seconds.
    """

    def __init__(self, begin: Commit, need: Callable[[int], float]) -> None:
        self._need, self._done = need, begin.done
        self.next = begin.offset
        """The offset of the next chunk to take."""
        self._runs = {name: _Written(index) for name, index in begin.written.items()}
        self._unread: set[int] = set()

    def written(self, run: str) -> int:
        """The newest window of a run that is written; -1 for none."""
        return self._runs[run].index if run in self._runs else NONE

    def reported(self, offset: int) -> bool:
        """Whether a chunk that cannot be used was reported before, by us or by who had the partition before us."""
        return offset < self._done

    def skip(self, offset: int) -> None:
        """A record was done with at once."""
        self.next = offset + 1

    def take(self, offset: int, run: str, end: float) -> None:
        """A chunk that ends at event time `end` is being worked on."""
        self.next = offset + 1
        mine = self._runs.setdefault(run, _Written(NONE))
        mine.needed.append((offset, end))
        mine.newest, mine.over = offset, False
        self._unread.add(offset)

    def read(self, offset: int) -> None:
        """The media of a chunk was read, or reported."""
        self._unread.discard(offset)

    def write(self, run: str, index: int) -> None:
        """A window is on the topic, and so are all before it."""
        mine = self._runs[run]
        mine.index = max(mine.index, index)
        self._drop(mine)

    def end(self, run: str) -> None:
        """All windows of a run are written, the last ones included."""
        mine = self._runs[run]
        mine.needed.clear()
        mine.over = True

    def commit(self) -> Commit:
        """What to commit now."""
        waiting = [mine.needed[0][0] for mine in self._runs.values() if mine.needed]
        offset = min([*waiting, self.next])
        # a run that is over may be read again for the sake of others, and must not begin anew
        self._runs = {
            name: mine for name, mine in self._runs.items() if not mine.over or mine.newest >= offset or mine.needed
        }
        self._done = max(self._done, min([*self._unread, self.next]))
        written = {name: mine.index for name, mine in self._runs.items() if mine.index != NONE}
        return Commit(offset, max(self._done, offset), written)

    def _drop(self, mine: _Written) -> None:
        since = self._need(mine.index + 1)
        while mine.needed and mine.needed[0][1] <= since:
            mine.needed.popleft()
