"""Ctrl-C while the writer of a source is stopped: the end comes at once, and what was heard and seen is all written."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.end_to_end.slowness import Slowness
from tests.stream.listening import free_port

LEAVING = 3.0  # seconds that the program may take for itself, on a machine that does nothing else
EVENTS = 8  # that come from the half of the clip that is sent

# each sends the first half of a recording and then nothing more
PIPE = """
import pathlib, sys, time
data = pathlib.Path(sys.argv[1]).read_bytes()
sys.stdout.buffer.write(data[: len(data) // 2])
sys.stdout.buffer.flush()
time.sleep(600)
"""
HTTP = """
import http.server, pathlib, sys, time
data = pathlib.Path(sys.argv[1]).read_bytes()

class Half(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "video/mp4")
        self.end_headers()
        self.wfile.write(data[: len(data) // 2])
        self.wfile.flush()
        time.sleep(600)

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Half).serve_forever()
"""


@contextmanager
def writer(script: str, *arguments: str) -> Generator["subprocess.Popen[bytes]"]:
    quiet = subprocess.DEVNULL
    command = [sys.executable, "-c", script, *arguments]
    with subprocess.Popen(command, stdin=quiet, stdout=subprocess.PIPE, stderr=quiet) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
@pytest.mark.parametrize("kind", ["pipe", "http"])
def test_ctrl_c_does_not_wait_for_a_writer_that_is_stopped(clip: Path, tmp_path: Path, kind: str) -> None:
    out, again, port = tmp_path / "events.jsonl", tmp_path / "again.jsonl", free_port()
    script, arguments = (PIPE, (str(clip),)) if kind == "pipe" else (HTTP, (str(clip), str(port)))
    source = "-" if kind == "pipe" else f"http://127.0.0.1:{port}/talk.mp4"
    sinks = ["--sink", f"jsonl:{out}", "--sink", f"jsonl:{again}"]
    command = [sys.executable, "-m", "stream.cli", "run", source, "--asr", "none", *sinks]
    with writer(script, *arguments) as sender:
        given = sender.stdout if kind == "pipe" else subprocess.DEVNULL
        environment = os.environ | {"EBMC_OPEN_PATIENCE": "60"}  # the server may not listen yet
        with subprocess.Popen(command, stdin=given, stderr=subprocess.PIPE, text=True, env=environment) as process:
            deadline = time.monotonic() + 120
            while not (out.exists() and out.read_text().count("\n") >= EVENTS):
                assert time.monotonic() < deadline and process.poll() is None, "no event came"
                time.sleep(0.05)
            sender.send_signal(signal.SIGSTOP)
            with Slowness() as slowness:
                pressed = time.monotonic()
                process.send_signal(signal.SIGINT)
                _, said = process.communicate(timeout=60)
                took = time.monotonic() - pressed
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert took < LEAVING * slowness.factor, f"slower by {slowness.factor:.2f}"
    events = [json.loads(line) for line in out.read_text().splitlines()]
    assert [event["window"]["index"] for event in events] == list(range(len(events)))
    assert again.read_text() == out.read_text()
