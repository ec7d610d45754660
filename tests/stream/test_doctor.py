"""`ebmc doctor`: every engine with its reason, the cache, versions, and where the packages come from."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from engines.engine import ENGINES
from engines.errors import EngineAbsent
from engines.gpu import probe_gpu
from stream.cli import app
from stream.doctor.engines import engines
from stream.doctor.finding import homeless
from stream.doctor.program import models, packages
from stream.settings import load_settings
from stream.weights import DEFAULTS, WEIGHTS


def test_it_lists_every_engine_and_model(landmarker: Path) -> None:
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code in {0, 2}, done.output
    for name in (*ENGINES, *WEIGHTS, "auto", "cameras", "onnxruntime", "ebmc_core"):
        assert f" {name} " in done.stdout, name
    assert "takes onnx" in done.stdout or "takes tensorrt" in done.stdout


def test_an_engine_that_is_skipped_says_how_to_get_it() -> None:
    told = {finding.name: finding.told for finding in engines("live-en")}
    try:
        probe_gpu()
    except EngineAbsent:
        assert "pip install 'ebmc-stream[tensorrt]'" in told["tensorrt-rtx"]
        assert "JetPack" in told["tensorrt"]
        assert "onnxruntime-gpu" in told["onnx-cuda"]
        assert told["auto"] == "takes onnx"
    else:
        pytest.skip("this machine has a GPU")


def test_what_is_missing_is_the_exit_code_and_says_its_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EBMC_CACHE", str(tmp_path))
    missing = {finding.name: finding for finding in models(load_settings()) if finding.good is False}
    assert set(missing) == set(DEFAULTS)
    assert missing["face-landmarker"].told == "missing: ebmc models pull face-landmarker"
    told = {finding.name: finding.told for finding in models(load_settings())}
    assert told["whisper-base"] == "optional, not here: ebmc models pull whisper-base"
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 2
    assert "a stream lacks:" in done.stderr


def test_where_the_packages_come_from() -> None:
    rooms = {finding.name: finding for finding in packages()}
    for room in ("stream", "engines", "ebmc_core"):
        assert rooms[room].told.split(" (from ")[0] == homeless(Path(__file__).parents[2] / room)
    assert rooms["ebmc-stream"].told
