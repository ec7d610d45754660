"""`ebmc models` as a person runs it: processes, a mirror on this machine, the real face model."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stream.cli import app
from stream.weights import DEFAULTS, WEIGHTS
from tests.stream.web import Web

NAME, FILE = "face-landmarker", "face_landmarker.task"
Ebmc = Callable[..., Result]


@pytest.fixture
def ebmc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ebmc:
    """`ebmc models WORDS`, with an empty cache and without a package index."""
    monkeypatch.setenv("EBMC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing listens there: the web is out of reach
    return lambda *words: CliRunner().invoke(app, ["models", *words])


@pytest.fixture
def mirror(landmarker: Path, web: Web) -> Web:
    """A web server that holds the face model as a mirror does."""
    web.put(f"{NAME}/{FILE}", landmarker.read_bytes())
    return web


def pulling(*words: str) -> subprocess.Popen[str]:
    """`ebmc models pull` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "stream.cli", "models", "pull", *words],
        stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "1000"},
    )  # fmt: skip


def line_of(process: subprocess.Popen[str], wanted: str) -> str:
    """The first line that holds these words."""
    assert process.stderr
    return next(line for line in process.stderr if wanted in line)


def test_list_tells_what_is_here_and_what_is_optional(ebmc: Ebmc, mirror: Web) -> None:
    assert ebmc("pull", NAME, "--from", mirror.address).exit_code == 0
    table = ebmc("list").stdout
    for name, entry in WEIGHTS.items():
        row = next(line for line in table.splitlines() if f" {name} " in line)
        assert re.search("default" if name in DEFAULTS else "optional", row), row
        assert f"{entry.size / 1e6:.1f}" in row and (" here " if name == NAME else " missing ") in row
    told = {each["name"]: each for each in json.loads(ebmc("list", "--json").stdout)}
    assert set(told) == set(WEIGHTS)
    assert told[NAME]["state"] == "here" and told["whisper-base"]["state"] == "missing"
    assert told["whisper-base"]["optional"] and not told[NAME]["optional"]
    assert told[NAME]["sha256"] == WEIGHTS[NAME].files and told[NAME]["bytes"] == WEIGHTS[NAME].size


def test_verify_names_what_is_damaged_and_its_mend_and_the_mend_mends(ebmc: Ebmc, mirror: Web, tmp_path: Path) -> None:
    ebmc("pull", NAME, "--from", mirror.address)
    whole = ebmc("verify")
    assert whole.exit_code == 0 and whole.stdout == f"{NAME}: whole (1 files, 3.8 MB)\n"
    path = tmp_path / "cache" / "weights" / NAME / FILE
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    damaged = ebmc("verify")
    assert damaged.exit_code == 2
    assert f"{NAME} is damaged ({FILE} has other bytes): ebmc models pull --again {NAME}" in damaged.stderr
    path.write_bytes(content[:-1])
    cut = ebmc("verify", NAME)
    assert cut.exit_code == 2 and f"absent or cut: {FILE}" in cut.stderr
    assert " damaged " in ebmc("list").stdout
    assert ebmc("pull", "--again", NAME, "--from", mirror.address).exit_code == 0
    assert ebmc("verify").exit_code == 0 and path.read_bytes() == content


def test_verify_of_what_is_not_here_and_of_nothing(ebmc: Ebmc) -> None:
    missing = ebmc("verify", "whisper-base")
    assert missing.exit_code == 2 and "whisper-base is missing: ebmc models pull whisper-base" in missing.stderr
    nothing = ebmc("verify")
    assert nothing.exit_code == 0 and "no weights are in" in nothing.stderr


def test_one_that_cannot_be_had_does_not_keep_the_others(
    ebmc: Ebmc, mirror: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EBMC_MODELS_MIRROR", mirror.address)
    done = ebmc("pull", "whisper-base.en", NAME)
    assert done.exit_code == 2
    assert "whisper-base.en could not be fetched" in done.stderr and "HTTP 404" in done.stderr
    assert f"{NAME}: " in done.stderr and ebmc("verify", NAME).exit_code == 0


@pytest.mark.parametrize("where", ["/no/such/folder", "s3://bucket/models"])
def test_a_mirror_that_is_none_is_one_line(ebmc: Ebmc, where: str) -> None:
    done = ebmc("pull", NAME, "--from", where)
    assert done.exit_code == 2 and where in done.stderr
    assert len([line for line in done.stderr.splitlines() if "ebmc:" in line]) == 1


def test_names_that_do_not_exist(ebmc: Ebmc) -> None:
    for verb in (["pull"], ["verify"], ["export", "somewhere"]):
        done = ebmc(*verb, "whisper-huge")
        assert done.exit_code == 2 and "whisper-large-v3-turbo" in done.stderr


def test_an_export_is_pulled_where_there_is_no_network(ebmc: Ebmc, mirror: Web, tmp_path: Path) -> None:
    ebmc("pull", NAME, "--from", mirror.address)
    assert ebmc("export", str(tmp_path / "stick"), NAME).exit_code == 0
    (tmp_path / "cache").rename(tmp_path / "before")
    assert ebmc("pull", NAME).exit_code == 2
    assert ebmc("pull", NAME, "--from", str(tmp_path / "stick")).exit_code == 0


def test_after_control_c_the_same_command_goes_on(ebmc: Ebmc, mirror: Web, tmp_path: Path) -> None:
    mirror.holds.append(1_000_000)
    process = pulling(NAME, "--from", mirror.address)
    partial = tmp_path / "cache" / "weights"
    line_of(process, "fetching")
    while sum(path.stat().st_size for path in partial.rglob("*.part")) < 786_432:  # it writes blocks of 262,144
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and "MB of face-landmarker are kept" in said and "Traceback" not in said
    mirror.gate.set()
    mirror.asked.clear()
    assert ebmc("pull", NAME, "--from", mirror.address).exit_code == 0
    assert re.fullmatch(rf"/{NAME}/{FILE} bytes=\d{{6,7}}-", mirror.asked[0]) and len(mirror.asked) == 1
    assert ebmc("verify").exit_code == 0


def test_of_two_processes_one_fetches_and_both_have_it(ebmc: Ebmc, mirror: Web) -> None:
    mirror.holds.append(1_000_000)
    first = pulling(NAME, "--from", mirror.address)
    line_of(first, "fetching")
    second = pulling(NAME, "--from", mirror.address)
    line_of(second, "another process is fetching face-landmarker: waiting")
    mirror.gate.set()
    ends = [process.communicate(timeout=120)[1] for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], ends
    assert mirror.asked == [f"/{NAME}/{FILE}"]
    assert ebmc("verify").exit_code == 0
