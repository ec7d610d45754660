"""Every shell script under `deploy/`, held against shellcheck."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploy.program import DEPLOY


@pytest.mark.parametrize("script", sorted(DEPLOY.rglob("*.sh")), ids=lambda path: str(path.relative_to(DEPLOY)))
def test_the_shell_scripts_are_clean(script: Path, shellcheck: Callable[[Path], str]) -> None:
    assert shellcheck(script) == ""


def test_a_fault_in_a_shell_script_would_be_found(tmp_path: Path, shellcheck: Callable[[Path], str]) -> None:
    (tmp_path / "bad.sh").write_text("#!/bin/bash\nrm -rf $1/\n")
    assert "SC2086" in shellcheck(tmp_path / "bad.sh")


@pytest.fixture
def shellcheck() -> Callable[[Path], str]:
    """What shellcheck says of a script."""
    beside = Path(sys.executable).with_name("shellcheck")
    program = str(beside) if beside.is_file() else shutil.which("shellcheck")
    if not program:
        pytest.skip("shellcheck is not here; make tools unpacks it, or: sudo apt-get install shellcheck")

    def said(script: Path) -> str:
        command = [program, "-x", "--source-path", str(DEPLOY.parent), str(script)]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=DEPLOY.parent).stdout

    return said
