"""Log lines for people and machines, and a message that comes a thousand times."""

import io
import json
import logging
from datetime import datetime
from typing import Any

import pytest

from stream.errors import SettingsError
from stream.logs import LogStyle, Repeats, logging_to

log = logging.getLogger("stream.test")


class Kept(logging.Handler):
    """Keeps what reaches it."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def at(time: float, message: str, **extra: object) -> logging.LogRecord:
    record = logging.LogRecord("stream.test", logging.WARNING, "here.py", 7, message, None, None)
    record.created = time
    record.__dict__.update(extra)
    return record


def said(*records: logging.LogRecord) -> list[str]:
    """What a person reads of them, the end of the run included."""
    kept = Kept()
    repeats = Repeats(kept, period=60.0)
    for record in records:
        repeats.handle(record)
    repeats.close()
    return kept.lines


def written(style: LogStyle, level: str = "info") -> str:
    out = io.StringIO()
    with logging_to(style, level, out):
        log.debug("a detail")
        log.warning("%s came back after %.1f s", "cam-1", 2.5, extra={"stream": "cam-1", "attempt": 3})
        logging.getLogger("some.library").info("its own business")
        try:
            raise ValueError("a fault")
        except ValueError:
            log.exception("it broke")
    return out.getvalue()


def test_json_lines_have_time_level_logger_message_and_fields() -> None:
    first, second = (json.loads(line) for line in written(LogStyle.JSON).splitlines())
    moment = datetime.fromisoformat(first.pop("time"))
    assert moment.tzinfo and abs(moment.timestamp() - datetime.now().timestamp()) < 60
    assert first == {
        "level": "WARNING",
        "logger": "stream.test",
        "message": "cam-1 came back after 2.5 s",
        "stream": "cam-1",
        "attempt": 3,
    }
    assert second["level"] == "ERROR" and "ValueError: a fault" in second["exc_info"]


def test_a_line_for_a_person() -> None:
    first, *rest = written(LogStyle.TEXT).splitlines()
    assert first[20:] == "WARNING stream.test: cam-1 came back after 2.5 s  stream=cam-1  attempt=3"
    assert rest[-1] == "ValueError: a fault"


def test_the_level_is_for_what_is_ours() -> None:
    assert "a detail" in written(LogStyle.TEXT, "debug") and "business" not in written(LogStyle.TEXT, "debug")
    assert "came back" not in written(LogStyle.TEXT, "error")
    with pytest.raises(SettingsError, match="--log-level loud: there is no such level; take one of debug, info"):
        written(LogStyle.TEXT, "loud")


def test_everything_is_as_before_afterwards() -> None:
    root = logging.getLogger()
    before = root.level, list(root.handlers), logging.getLogger("stream").level
    written(LogStyle.JSON, "debug")
    assert (root.level, list(root.handlers), logging.getLogger("stream").level) == before


def test_what_repeats_is_said_once_and_counted() -> None:
    """said ________x57_________ | end: the count"""
    lines = said(*(at(0.1 * second, f"no picture, again in {1.5 * second} s") for second in range(58)))
    assert lines == ["no picture, again in 0.0 s", "no picture, again in 85.5 s (repeated 57 times)"]


def test_what_goes_on_is_counted_once_a_period() -> None:
    lines = said(*(at(float(second), "no picture") for second in range(130)))
    assert lines == ["no picture", *["no picture (repeated 60 times)"] * 2, "no picture (repeated 9 times)"]


def test_the_count_comes_with_whatever_is_logged_next() -> None:
    lines = said(at(0, "no picture"), at(1, "no picture"), at(70, "no sound"), at(140, "no picture"))
    assert lines == ["no picture", "no picture (repeated 1 time)", "no sound", "no picture"]


def test_other_streams_other_names_and_other_words_are_said() -> None:
    lines = said(
        at(0, "no picture", stream="a"),
        at(1, "no picture", stream="b"),
        at(2, "no sound"),
        at(3, "cam-1"),
        at(4, "cam-2"),
    )
    assert lines == ["no picture", "no picture", "no sound", "cam-1", "cam-2"]


def test_a_thousand_different_messages_are_not_remembered_for_ever() -> None:
    def word(number: int) -> str:
        return "".join(chr(97 + int(digit)) for digit in str(number))

    records: list[Any] = [at(0, word(number)) for number in range(1000)]
    assert len(said(*records, at(1, word(999)), at(1, word(0)))) == 1002  # the newest is known, the oldest is said anew
