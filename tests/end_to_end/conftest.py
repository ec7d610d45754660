"""The command, run as a user runs it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    code: int
    out: str
    err: str
    events: list[dict[str, Any]]


Ebmc = Callable[..., Finished]


@pytest.fixture(scope="session")
def ebmc(tmp_path_factory: pytest.TempPathFactory) -> Ebmc:
    """`ebmc run …` in its own process and folder; events come from its JSON lines file."""

    def call(*arguments: str | Path, verb: str = "run") -> Finished:
        folder = tmp_path_factory.mktemp("run")
        out = folder / "events.jsonl"
        sink = ["--sink", f"jsonl:{out}"] if verb == "run" else []
        command = [sys.executable, "-m", "stream.cli", verb, *map(str, arguments), *sink]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=os.environ, check=False)
        events = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
        return Finished(done.returncode, done.stdout, done.stderr, events)

    return call
