"""`ebmc demo` as a program of its own, on a free port, and what a client of it needs."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

START, END = 90.0, 20.0  # seconds that a start and an end may take on a machine that is busy


@dataclass(slots=True)
class Served:
    """A server that runs. address: of its page, `http://127.0.0.1:PORT/…`. said: its lines so far."""

    process: subprocess.Popen[str]
    address: str
    said: list[str]

    @property
    def port(self) -> int:
        return int(re.findall(r":(\d+)/", self.address)[0])

    @property
    def web(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def socket(self) -> str:
        """Address of sessions."""
        return f"ws://127.0.0.1:{self.port}/v1/stream"


@contextmanager
def served(*arguments: str, environment: Mapping[str, str] | None = None, cwd: Path | None = None) -> Generator[Served]:
    """Start a server and end it as Ctrl-C does; it must then leave in time and with the exit code of that."""
    command = [sys.executable, "-m", "stream.cli", "demo", "--no-browser", "--stay", *arguments]
    if "--port" not in arguments:
        command += ["--port", "0"]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}, cwd=cwd
    )
    lines: Queue[str] = Queue()
    said: list[str] = []
    Thread(target=_copy, args=(process, lines), daemon=True).start()
    try:
        yield Served(process, _address(lines, said), said)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            code = process.wait(END)
        finally:
            process.kill()
            process.wait()
            assert process.stderr
            process.stderr.close()
        assert code in (130, 0), said


def _copy(process: "subprocess.Popen[str]", lines: "Queue[str]") -> None:
    assert process.stderr
    try:
        for line in process.stderr:
            lines.put(line)
    except ValueError:  # closed
        pass


def _address(lines: "Queue[str]", said: list[str]) -> str:
    deadline = time.monotonic() + START
    while time.monotonic() < deadline:
        try:
            said.append(lines.get(timeout=0.5).strip())
        except Empty:
            continue
        if found := re.search(r"the page is at (\S+)", said[-1]):
            return found.group(1)
    raise AssertionError(f"the server did not start: {said}")


def until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Wait until something is so; fails when it is not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
