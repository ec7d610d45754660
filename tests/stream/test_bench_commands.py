"""The commands, over a few seconds of the bundled clip and the real models; alone where they go by the clock."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from stream.bench.clips import Clip
from stream.bench.trial import Trial, attempt
from stream.cli import app
from stream.settings import load_settings

SHORT = ["--asr", "none", "--engine", "onnx"]


def bench(*arguments: object, code: int = 0) -> str:
    """Run `ebmc bench …`; its standard output."""
    result = CliRunner().invoke(app, ["bench", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.stdout


def written(path: Path, picture: Path) -> dict[str, Any]:
    """The JSON of a report, whose picture is there too."""
    assert picture.read_bytes()[:4] == b"\x89PNG"
    content = json.loads(path.read_text("utf-8"))
    assert "Python" in content["machine"]
    return content


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "deep" / "report.json", tmp_path / "report.png"


@pytest.mark.alone
def test_latency_measures_every_window_of_its_time(places: tuple[Path, Path], camera_clip: Clip) -> None:
    what = ["--media", camera_clip.path, "--json", places[0], "--plot", places[1]]
    out = bench("latency", "--seconds", 3, "--warmup", 4, *SHORT, *what)
    assert "window end to event" in out
    assert "640x360, 30 fps" in out
    report = written(*places)
    assert (report["due"], report["came"]) == (6, 6)
    assert report["total"]["p50"] > 0
    assert report["total"]["p50"] <= report["total"]["p95"] <= report["total"]["worst"]
    assert len(report["delays"]) == 6
    assert report["fast"] > 0


@pytest.mark.alone
def test_streams_tries_and_says_what_it_held(places: tuple[Path, Path], camera_clip: Clip) -> None:
    seldom = ["--media", str(camera_clip.path), "--seconds", "2", "--warmup", "4", "--most", "2", "--asr", "none"]
    result = CliRunner().invoke(app, ["bench", "streams", *seldom, "--json", str(places[0]), "--plot", str(places[1])])
    report = written(*places)
    assert result.exit_code == (0 if report["held"]["none"] else 1)  # how many it holds is the machine's business
    assert report["tries"][0]["streams"] == 1
    for tried in report["tries"]:
        assert tried["due"] == 4 * tried["streams"]
        assert tried["memory_mb"] > 100
        held = tried["delay"]["p95"] < 1000 and tried["came"] == tried["due"] and tried["lost"] == 0
        assert held == (report["held"]["none"] >= tried["streams"])


@pytest.mark.alone
def test_soak_takes_the_slopes(places: tuple[Path, Path], camera_clip: Clip) -> None:
    what = ["--media", str(camera_clip.path), "--minutes", "0.1", "--warmup", "0.05", "--speed", "2", *SHORT]
    result = CliRunner().invoke(app, ["bench", "soak", *what, "--json", str(places[0])])
    report = json.loads(places[0].read_text("utf-8"))
    assert result.exit_code == (1 if "grows" in result.stdout and "nothing grows" not in result.stdout else 0)
    assert report["due"] == report["came"] == 24
    assert report["memory_slope"] is not None
    assert len(report["memory"]) >= 2


def test_degradation_sees_the_camera_go(places: tuple[Path, Path]) -> None:
    what = ["--only", "black", "--before", 5, "--during", 6, "--after", 5, "--speed", 0]
    bench("degradation", *what, "--asr", "none", "--json", places[0], "--plot", places[1])
    report = written(*places)
    assert [found["name"] for found in report["found"]] == ["black"]
    black = report["found"][0]
    assert (black["onset"], black["end"]) == (5, 11)
    (trust,) = black["trust"]
    assert trust["modality"] == "video"
    assert trust["clean"] > 0.1
    assert trust["during"] < 0.5 * trust["clean"]
    assert trust["react"] is not None
    assert black["deviation"]["fused"] > 0
    assert len(black["disturbed"]["ends"]) == len(report["clean"]["ends"])


@pytest.mark.alone
def test_chaos_holds_the_laws_under_some_faults(places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.bench.chaos.SLACK", 8.0)  # seconds; less may be a stall of the machine
    faults = ["camera gone and back", "burst", "black pictures", "pictures of one pixel", "sound that is not a number"]
    chosen = [part for name in faults for part in ("--fault", name)]
    out = bench("chaos", "--seconds", 14, "--streams", 1, *chosen, *SHORT, "--json", places[0], "--plot", places[1])
    assert "BROKEN" not in out
    report = written(*places)
    assert sum(report["injected"].values()) >= 3
    assert all(law["held"] for law in report["laws"])


def test_ctrl_c_ends_a_long_run_with_what_was_measured(clip: Path) -> None:
    settings = load_settings(asr="none", engine="onnx")
    trial = Trial((Clip(clip, "the clip"),), streams=1, seconds=600.0, warmup=4.0, settings=settings, speed=2.0)
    sent: list[float] = []

    def interrupt(reached: float) -> None:
        if reached > 7 and not sent:
            sent.append(reached)
            signal.raise_signal(signal.SIGINT)

    outcome = attempt(trial, interrupt)
    assert sent
    assert outcome.interrupted
    assert not outcome.overdue
    assert 7 < outcome.played < 60
    assert outcome.came >= 5
    assert outcome.delay.p50 is not None


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["degradation", "--only", "rain"], "rain"),
        (["chaos", "--fault", "rain"], "rain"),
        (["latency", "--plot", "x.txt"], "x.txt"),
        (["latency", "--media", "nowhere.mp4"], "nowhere.mp4"),
    ],
)
def test_wrong_input_is_one_line_and_code_2(arguments: list[str], named: str) -> None:
    result = CliRunner().invoke(app, ["bench", *arguments])
    assert result.exit_code == 2
    assert named in result.stderr


@pytest.mark.parametrize("verb", ["latency", "streams", "soak", "degradation", "chaos"])
def test_help_has_examples(verb: str) -> None:
    assert f"ebmc bench {verb} --" in bench(verb, "--help").replace("\n", " ")
