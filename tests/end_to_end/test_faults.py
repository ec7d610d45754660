"""Bad input is one line and exit code 2; a person who has seen enough gets what was there."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream.cli import app
from tests.end_to_end.conftest import Ebmc


def one_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.startswith("ebmc:")]
    assert len(lines) == 1, text
    assert "Traceback" not in text
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.mp4"], "there is no such file"),
        (["clip", "--engine", "warp"], "warp"),
        (["clip", "--asr", "huge"], "huge"),
        (["clip", "--faces", "telescope"], "'near', 'far' or 'yunet'"),
        (["clip", "--hop", "0"], "hop"),
        (["clip", "--checkpoint", "nothing"], "nothing"),
        (["clip", "--sink", "mqtt:x"], "jsonl"),
        (["gopher://camera/stream"], "file:"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_argument_is_one_line_and_2(arguments: list[str], message: str) -> None:
    refused = CliRunner().invoke(app, ["run", *arguments])
    assert refused.exit_code == 2
    assert message in one_line(refused.stderr)
    assert refused.stdout == ""


def test_what_is_not_media_is_one_line_and_2(ebmc: Ebmc, tmp_path: Path) -> None:
    for name, content in (("empty.mp4", b""), ("text.txt", b"hello\n" * 5000)):
        path, out = tmp_path / name, tmp_path / f"{name}.jsonl"
        path.write_bytes(content)
        refused = CliRunner().invoke(app, ["run", str(path), "--sink", f"jsonl:{out}"])
        assert refused.exit_code == 2
        assert str(path) in one_line(refused.stderr)
        assert not out.exists() or out.read_text() == ""
    (path := tmp_path / "text.mp4").write_bytes(b"hi\n")
    finished = ebmc(path)  # the same as a process of its own
    assert finished.code == 2
    assert str(path) in one_line(finished.err)
    assert finished.events == []


def test_a_truncated_file_gives_what_it_held(ebmc: Ebmc, clip: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.mp4"
    half.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    finished = ebmc(half, "--asr", "none")
    assert finished.code == 2
    assert "half.mp4" in one_line(finished.err)
    assert len(finished.events) > 5
    assert [event["window"]["index"] for event in finished.events] == list(range(len(finished.events)))


def test_a_checkpoint_that_is_damaged_is_one_line_and_2(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    refused = CliRunner().invoke(app, ["run", "clip", "--checkpoint", str(tmp_path)])
    assert refused.exit_code == 2
    one_line(refused.stderr)


@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_ends_quickly_and_keeps_what_was_there(tmp_path: Path, presses: int) -> None:
    out = tmp_path / "events.jsonl"
    command = [
        sys.executable,
        "-m",
        "stream.cli",
        "run",
        "clip",
        "--realtime",
        "--window",
        "1",
        "--sink",
        f"jsonl:{out}",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while not (out.exists() and out.read_text().count("\n") >= 2):
            assert time.monotonic() < deadline and process.poll() is None, "no event came"
            time.sleep(0.05)  # the process has no other sign of life to wait for
        for _ in range(presses):
            process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    indices = [json.loads(line)["window"]["index"] for line in out.read_text().splitlines()]
    assert indices == list(range(len(indices)))
    assert 2 <= len(indices) < 47


def test_json_lines_go_to_standard_output_when_piped(clip: Path) -> None:
    command = [sys.executable, "-m", "stream.cli", "run", str(clip), "--asr", "none", "--without", "video"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(events) == 47
    assert all(event["modalities"]["text"]["reason"] == "switched off" for event in events)


def test_a_reader_that_goes_away_ends_the_run(clip: Path) -> None:
    # three times 47 events are more than a pipe holds, so that some are still to be written when the reader has gone
    command = [sys.executable, "-m", "stream.cli", "run", *[str(clip)] * 3, "--asr", "none", "--without", "video"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stderr
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 3
    assert "Traceback" not in err
