"""What waits on disk while the brokers are away: one SQLite file (WAL) per topic, capped by size and by age."""

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from threading import Lock

from stream.errors import SinkError
from stream.kafka.address import Address
from stream.kafka.message import Message

SLOTS = 16  # processes of one machine that write to the same topic, each with a file of its own
TABLE = """
CREATE TABLE IF NOT EXISTS waiting (
  seq INTEGER PRIMARY KEY, key BLOB NOT NULL, value BLOB NOT NULL, headers TEXT NOT NULL,
  timestamp_ms INTEGER NOT NULL, size INTEGER NOT NULL)
"""
# a row that is none of ours could neither be sent nor dropped
FOREIGN = """
DELETE FROM waiting WHERE typeof(key) != 'blob' OR typeof(value) != 'blob' OR typeof(headers) != 'text'
  OR typeof(timestamp_ms) != 'integer' OR typeof(size) != 'integer' OR size < 0 OR NOT json_valid(headers)
"""
PORTION = 32 * 1024 * 1024  # bytes that are read at once
Row = tuple[int, Message]  # a message with its place in the order
Dropped = Counter[tuple[str, str]]  # by stream and reason


class Spill:
    """Messages by their place in the order. Any thread may call; the file is ours alone until it is closed.

    Raises `sqlite3.Error` when the disk does, `BlockingIOError` when another process has the file.
    """

    def __init__(self, path: Path, cap: float, age: float) -> None:
        """cap: bytes of messages. age: seconds."""
        self._path, self._cap, self._age, self._lock = path, cap, age, Lock()
        self.count, self.bytes, self.last = 0, 0.0, 0
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)  # transcripts are nobody else's business
        os.close(descriptor)
        self._file = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            self._file.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=NORMAL")
            self._file.execute("BEGIN IMMEDIATE")  # from here on the lock is held
            self._file.execute(TABLE)
            self._file.execute(FOREIGN)
            self._file.execute("COMMIT")
            self._measure()
        except sqlite3.OperationalError as error:
            self._file.close()
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise BlockingIOError(path) from error
            raise
        except BaseException:
            self._file.close()
            raise

    def write(self, rows: Sequence[Row]) -> None:
        """Keep messages; those that are there already stay as they are."""
        with self._lock, self._transaction():
            for seq, message in rows:
                headers = json.dumps([(name, value.decode("latin-1")) for name, value in message.headers])
                values = (seq, message.key, message.value, headers, message.timestamp_ms, message.size)
                done = self._file.execute("INSERT OR IGNORE INTO waiting VALUES (?, ?, ?, ?, ?, ?)", values)
                self.count += done.rowcount
                self.bytes += message.size * done.rowcount
                self.last = max(self.last, seq)

    def read(self, after: int, most: int) -> list[Row]:
        """Up to `most` messages in order, those behind the place `after`; no more once they are `PORTION` bytes."""
        wanted = "SELECT seq, key, value, headers, timestamp_ms FROM waiting WHERE seq > ? ORDER BY seq LIMIT ?"
        with self._lock:
            found, held = list[Row](), 0
            for seq, key, value, headers, at in self._file.execute(wanted, (after, most)):
                found.append((seq, Message(key, value, _headers(headers), at)))
                held += len(value)
                if held >= PORTION:
                    break
        return found

    def delete(self, rows: Sequence[Row]) -> None:
        """Forget messages that are here."""
        with self._lock, self._transaction():
            for seq, message in rows:
                done = self._file.execute("DELETE FROM waiting WHERE seq = ?", (seq,))
                self.count -= done.rowcount
                self.bytes -= message.size * done.rowcount

    def trim(self, now: float, after: int) -> Dropped:
        """Drop what is too old, then the oldest until the rest fits, behind the place `after`. now: Unix seconds."""
        dropped: Dropped = Counter()
        with self._lock, self._transaction():
            before = round((now - self._age) * 1000)
            old = "SELECT seq, key, size FROM waiting WHERE seq > ? AND timestamp_ms < ? ORDER BY seq"
            self._drop(self._file.execute(old, (after, before)).fetchall(), "expired", dropped)
            while self.bytes > self._cap:
                oldest = "SELECT seq, key, size FROM waiting WHERE seq > ? ORDER BY seq LIMIT 500"
                rows = self._file.execute(oldest, (after,)).fetchall()
                if not rows:
                    break
                surplus, taken = self.bytes - self._cap, 0
                while taken < len(rows) and surplus > 0:
                    surplus -= rows[taken][2]
                    taken += 1
                self._drop(rows[:taken], "spill-full", dropped)
        return dropped

    def close(self) -> None:
        """Let go of the file; it is deleted if nothing waits in it."""
        with self._lock:
            self._file.close()
        if self.count <= 0:
            for ending in ("", "-wal", "-shm"):
                Path(f"{self._path}{ending}").unlink(missing_ok=True)

    def _drop(self, rows: Sequence[tuple[int, bytes, int]], reason: str, dropped: Dropped) -> None:
        for seq, key, size in rows:
            self._file.execute("DELETE FROM waiting WHERE seq = ?", (seq,))
            self.count -= 1
            self.bytes -= size
            dropped[key.decode(errors="replace"), reason] += 1

    @contextmanager
    def _transaction(self) -> Generator[None]:
        """All of a block or nothing of it."""
        self._file.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._file.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # a full disk has undone it already
                self._file.execute("ROLLBACK")
            with suppress(sqlite3.Error):
                self._measure()
            raise

    def _measure(self) -> None:
        found = self._file.execute("SELECT COUNT(*), TOTAL(size), COALESCE(MAX(seq), 0) FROM waiting").fetchone()
        self.count, self.bytes, self.last = int(found[0]), float(found[1]), max(self.last, int(found[2]))


def open_spill(folder: Path, address: Address, cap: float, age: float) -> Spill:
    """A file for this topic that no other process has, with all that earlier runs left for it. Raises `SinkError`."""
    where = sha256(",".join(sorted(address.brokers)).encode()).hexdigest()[:8]
    name = f"{address.topic}-{where}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        own = next(_free((folder / f"{name}.{slot}.sqlite" for slot in range(SLOTS)), cap, age), None)
        if own is None:
            raise SinkError(f"{folder}: {SLOTS} processes write to {address} already; choose another EBMC_KAFKA_SPILL")
        for other in _free(folder.glob(f"{name}.*.sqlite"), cap, age):
            with closing(other):
                _move(other, own)
        return own
    except (OSError, sqlite3.Error) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise SinkError(f"{folder}: events cannot be kept there ({why}); choose another EBMC_KAFKA_SPILL") from error


def _free(paths: Iterable[Path], cap: float, age: float) -> Iterator[Spill]:
    """The files that no process has, ours included."""
    for path in paths:
        with suppress(BlockingIOError):
            yield Spill(path, cap, age)


def _move(source: Spill, target: Spill) -> None:
    while rows := source.read(0, 500):
        target.write([(target.last + 1 + place, message) for place, (_, message) in enumerate(rows)])
        source.delete(rows)


def _headers(text: str) -> tuple[tuple[str, bytes], ...]:
    try:
        found = tuple((name, value.encode("latin-1")) for name, value in json.loads(text))
        if all(isinstance(name, str) for name, _ in found):
            return found
    except (ValueError, TypeError, AttributeError, RecursionError):
        pass
    raise sqlite3.DatabaseError("the headers of a message are damaged")
