"""What the program says while it runs: lines for a person or JSON for a machine, each thing once and then counted."""

import logging
import re
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TextIO

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from stream.errors import SettingsError
from stream.printable import printable

OURS = ("stream", "engines", "ebmc_core")
LEVELS = ("debug", "info", "warning", "error")
PERIOD = 60.0  # seconds in which the same message is said once
REMEMBERED = 256  # different messages
ALONE = re.compile(r"(?<![\w-])\d+(?:\.\d+)?")  # "in 1.3 s" changes from time to time; "cam-1" is a name


class LogStyle(StrEnum):
    """How a line looks."""

    TEXT = "text"
    JSON = "json"


@contextmanager
def logging_to(style: LogStyle, level: str, out: TextIO | None = None) -> Generator[None]:
    """Log to `out` (standard error) while the block runs; at its end, what was held back is counted out.

    level: one of `LEVELS`, for what is ours; libraries speak from `warning` on. Raises `SettingsError`.
    """
    if level not in LEVELS:
        raise SettingsError(f"--log-level {level}: there is no such level; take one of {', '.join(LEVELS)}")
    target = logging.StreamHandler(out or sys.stderr)
    target.setFormatter(_json() if style is LogStyle.JSON else TextFormatter())
    handler, root = Repeats(target), logging.getLogger()
    before = root.level, [(logger, logger.level) for logger in map(logging.getLogger, OURS)]
    root.addHandler(handler)
    root.setLevel(max(logging.WARNING, _number(level)))
    for logger, _ in before[1]:
        logger.setLevel(_number(level))
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
        root.setLevel(before[0])
        for logger, was in before[1]:
            logger.setLevel(was)


@dataclass(slots=True)
class _Said:
    """A message that was said at `since` (Unix seconds) and `count` times more after it, last as `record`."""

    record: logging.LogRecord
    since: float
    count: int = 0


class Repeats(logging.Handler):
    """Passes a message on once a `period`; the same one from the same place is held back and counted.

    Messages are the same when they differ only in numbers that stand alone, and their extra fields that are words are
    the same. Time is that of the records. The count follows with the first thing that is logged after the period, or at
    the end.
    """

    def __init__(self, target: logging.Handler, period: float = PERIOD) -> None:
        super().__init__()
        self._target, self._period = target, period
        self._said: dict[tuple[object, ...], _Said] = {}  # oldest first

    def emit(self, record: logging.LogRecord) -> None:
        """Say it, or count it."""
        key, over = _identity(record), record.created - self._period
        known = self._said.get(key)
        if known and (known.count or known.since > over):
            known.record, known.count = record, known.count + 1
        for said in self._said.values():
            if said.since <= over:
                self._count_out(said, record.created)
        self._said = {one: said for one, said in self._said.items() if said.since > over}
        if key not in self._said:
            if len(self._said) >= REMEMBERED:
                self._count_out(self._said.pop(next(iter(self._said))), record.created)
            self._said[key] = _Said(record, record.created)
            self._target.handle(record)

    def close(self) -> None:
        """Count out what was held back."""
        self.acquire()
        try:
            for said in self._said.values():
                self._count_out(said, said.since)
            self._said.clear()
        finally:
            self.release()
        self._target.close()
        super().close()

    def _count_out(self, said: _Said, now: float) -> None:
        """Say how often it came again, if it did; what did begins a new period."""
        if said.count:
            times = "time" if said.count == 1 else "times"
            again = logging.makeLogRecord(said.record.__dict__)
            again.msg, again.args = f"{said.record.getMessage()} (repeated {said.count} {times})", None
            again.exc_info = again.exc_text = again.stack_info = None  # they came with the first
            again.repeated = said.count
            self._target.handle(again)
            said.since, said.count = now, 0


class TextFormatter(logging.Formatter):
    """`2026-05-01 12:00:00 WARNING stream.session: the message  stream=cam-1`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%d %H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line, extra fields after it. What was said by others begins no line of its own."""
        extra = "".join(f"  {name}={value}" for name, value in _extra(record).items() if name != "repeated")
        return printable(super().formatMessage(record) + extra)


def _json() -> logging.Formatter:
    return JsonFormatter(
        ["levelname", "name", "message"], rename_fields={"levelname": "level", "name": "logger"}, timestamp="time"
    )


def _identity(record: logging.LogRecord) -> tuple[object, ...]:
    words = tuple(value for value in _extra(record).values() if isinstance(value, str))
    return record.name, record.levelno, record.pathname, record.lineno, ALONE.sub("#", record.getMessage()), words


def _extra(record: logging.LogRecord) -> Mapping[str, object]:
    """The fields that the one who logged has added."""
    return {name: value for name, value in record.__dict__.items() if name not in RESERVED_ATTRS}


def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level.upper()]
