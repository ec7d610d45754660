"""The images' health check, asked of the program's own health pages."""

import os
import subprocess
import sys

import pytest

from stream.health import Address, Health, serving
from stream.metrics import Metrics
from tests.deploy.dockerfiles import DOCKER


def _checked(url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(DOCKER / "healthcheck.py")]
    environment = {**os.environ, "HEALTH_URL": url, "no_proxy": "*"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("beat", "code"), [(99.0, 0), (0.0, 1)], ids=["it lives", "its loop is stuck"])
def test_it_says_what_the_program_says(beat: float, code: int) -> None:
    health = Health(bound=5.0, now=lambda: 100.0)
    health._beat = beat
    with serving(Address("127.0.0.1", 0), Metrics(), health) as address:
        done = _checked(f"http://{address}/health/live")
    assert done.returncode == code, done.stderr
    assert ("answers 503" in done.stderr) == (code == 1)


def test_where_nothing_answers_it_names_the_mend() -> None:
    with serving(Address("127.0.0.1", 0), Metrics(), Health()) as address:
        pass
    done = _checked(f"http://{address}/health/live")
    assert done.returncode == 1
    assert "--metrics 0.0.0.0:9464" in done.stderr and len(done.stderr.splitlines()) == 1
