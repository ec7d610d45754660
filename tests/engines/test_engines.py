"""What every engine in the table promises, and what happens when a checkpoint is not what it says."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ebmc_core.batch import FeatureBatch
from ebmc_core.checkpoint import CONFIG, GRAPH, WEIGHTS, read_checkpoint
from ebmc_core.errors import CheckpointError, FeatureError
from ebmc_core.modality import Modality
from engines.errors import EngineError, EngineUnavailable
from engines.export import OUTPUTS
from engines.selection import make_engine, open_engine
from engines.verify import golden_batch


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Path:
    return shutil.copytree(exported, tmp_path / "copy")


def without(batch: FeatureBatch, modality: Modality) -> FeatureBatch:
    values = {m: v for m, v in batch.values.items() if m is not modality}
    return FeatureBatch(values, batch.present, batch.quality, batch.age, batch.valid)


@pytest.mark.parametrize("name", ["onnx", "torch"])
def test_an_engine_says_what_it_is_and_checks_what_it_gets(name: str, exported: Path) -> None:
    files = read_checkpoint(exported)
    batch = golden_batch(files.config, 2)
    engine = make_engine(name, exported)
    assert (engine.model, engine.digest, engine.context) == ("small-1", files.digest, 6)
    with pytest.raises(EngineError, match="is not open"):
        engine.infer(batch)
    with engine:
        fused = engine.infer(batch)
        assert all(getattr(fused, output).dtype == np.float32 for output in OUTPUTS)
        with pytest.raises(FeatureError, match="needs the modalities"):
            engine.infer(without(batch, Modality.AUDIO))
        longer = golden_batch(read_checkpoint("live-en").config, 2)
        with pytest.raises(FeatureError):
            engine.infer(longer)
        values = {m: np.concatenate((v, v), axis=1) for m, v in batch.values.items()}
        rest = (np.concatenate((a, a), axis=1) for a in (batch.present, batch.quality, batch.age, batch.valid))
        with pytest.raises(FeatureError, match="looks at 6 windows at most, the batch has 12"):
            engine.infer(FeatureBatch(values, *rest))
    with pytest.raises(EngineError, match="is not open"):
        engine.infer(batch)


def test_auto_takes_onnx_runtime(exported: Path) -> None:
    assert open_engine("auto", exported).backend == "onnxruntime-cpu"
    assert open_engine("torch", exported).backend == "torch-cpu"
    assert open_engine().model.startswith("live-en")


def test_auto_says_why_it_skips_an_engine(copied: Path, caplog: pytest.LogCaptureFixture) -> None:
    (copied / GRAPH).unlink()
    assert open_engine("auto", copied).backend == "torch-cpu"
    assert "engine onnx skipped" in caplog.text
    assert "model.onnx is missing: make it with `ebmc engine export" in caplog.text
    with pytest.raises(EngineUnavailable, match=r"model\.onnx is missing"):
        open_engine("onnx", copied)


def test_a_name_that_does_not_exist_lists_those_that_do(exported: Path) -> None:
    with pytest.raises(EngineError, match=r"no engine is called 'abacus': choose auto, tensorrt, .*onnx, .*torch$"):
        open_engine("abacus", exported)


def test_a_precision_can_be_asked_for_where_there_is_a_choice(exported: Path) -> None:
    with pytest.raises(
        EngineError, match="the onnx engine runs in float32 only; tensorrt and tensorrt-rtx have a choice"
    ):
        open_engine("onnx:float16", exported)
    with pytest.raises(EngineError, match="no precision 'int3': choose float32 or float16"):
        open_engine("tensorrt:int3", exported)


def test_a_damaged_graph_is_one_clear_line(copied: Path) -> None:
    content = (copied / GRAPH).read_bytes()
    (copied / GRAPH).write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match=r"model.onnx is damaged: .*") as caught, open_engine("onnx", copied):
        pass
    assert "\n" not in str(caught.value)


def test_a_graph_of_other_weights_is_refused(copied: Path) -> None:
    content = json.loads((copied / CONFIG).read_text())
    (copied / CONFIG).write_text(json.dumps({**content, "digest": "0" * 64}))
    with pytest.raises(CheckpointError, match="was made from other weights"), open_engine("onnx", copied):
        pass


def test_damaged_weights_are_one_clear_line(copied: Path) -> None:
    (copied / WEIGHTS).write_bytes(b"not weights")
    with pytest.raises(CheckpointError, match="does not match the sha256"), open_engine("torch", copied):
        pass


def test_onnx_runtime_engine_imports_no_torch() -> None:
    code = (
        "import sys; from engines.selection import open_engine\n"
        "with open_engine('onnx') as engine: print(engine.backend, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["onnxruntime-cpu", "False"]
