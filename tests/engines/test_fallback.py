"""An engine that cannot start or that dies is replaced, no window is lost, and the backend is the one that answered."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ebmc_core.batch import FeatureBatch, FusedBatch
from ebmc_core.checkpoint import read_checkpoint
from ebmc_core.errors import FeatureError
from engines.engine import ENGINES, Engine
from engines.errors import EngineAbsent, EngineError
from engines.fallback import Candidate, FallbackEngine
from engines.onnxruntime_engine import OnnxRuntimeEngine
from engines.selection import PREFERENCE, engine_states, open_engine
from engines.torch_engine import TorchEngine
from engines.verify import TOLERANCE, difference, golden_batch


class Dying(OnnxRuntimeEngine):
    """A real engine whose GPU is lost after a chosen number of answers."""

    backend = "gpu-of-the-test"

    def __init__(self, folder: Path, answers: int, error: Exception, closes: bool = True) -> None:
        super().__init__(folder)
        self._left, self._error, self._closes = answers + 1, error, closes  # entering it asks once

    def infer(self, batch: FeatureBatch) -> FusedBatch:
        if self._left == 0:
            raise self._error
        self._left -= 1
        return super().infer(batch)

    def __exit__(self, *_: object) -> None:
        if not self._closes:
            raise RuntimeError("the driver does not answer")


def absent() -> Engine:
    raise EngineAbsent("no driver in this test")


def candidates(folder: Path, *first: Callable[[], Engine]) -> list[Candidate]:
    makers = (*first, lambda: OnnxRuntimeEngine(folder), lambda: TorchEngine(folder))
    return [Candidate(f"engine-{number}", make) for number, make in enumerate(makers)]


FAULTS = [RuntimeError("CUDA error: unspecified launch failure"), MemoryError("out of memory"), EngineError("lost")]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("closes", [True, False])
def test_a_fault_in_use_loses_no_window(
    exported: Path, fault: Exception, closes: bool, caplog: pytest.LogCaptureFixture
) -> None:
    config = read_checkpoint(exported).config
    batches = [golden_batch(config, 4, seed) for seed in range(4)]
    answered: list[str] = []
    dying = candidates(exported, absent, lambda: Dying(exported, 2, fault, closes))
    with FallbackEngine(dying) as engine, TorchEngine(exported) as reference:
        for batch in batches:
            assert difference(engine.infer(batch), reference.infer(batch)).worst < TOLERANCE
            answered.append(engine.backend)
    assert answered == ["gpu-of-the-test"] * 2 + ["onnxruntime-cpu"] * 2
    assert engine.skipped == [("engine-0", "no driver in this test"), ("engine-1", f"failed in use: {fault}")]
    assert "engine onnxruntime-cpu answers from here on" in caplog.text
    assert "no driver in this test" not in caplog.text, "what is usual is not a warning"


def test_the_strict_one_raises_instead(exported: Path) -> None:
    fault = EngineError("driver lost")
    chain = candidates(exported, lambda: Dying(exported, 1, fault))
    with FallbackEngine(chain, strict=True) as engine:
        batch = golden_batch(read_checkpoint(exported).config, 2)
        engine.infer(batch)
        with pytest.raises(EngineError, match="driver lost"):
            engine.infer(batch)
        assert engine.backend == "gpu-of-the-test"


def test_an_engine_that_cannot_be_entered_is_skipped_with_its_reason(exported: Path) -> None:
    class NoMemory(OnnxRuntimeEngine):
        def __enter__(self) -> "NoMemory":
            raise EngineError("the plan does not load")

    with FallbackEngine(candidates(exported, lambda: NoMemory(exported))) as engine:
        assert engine.backend == "onnxruntime-cpu"
    assert engine.skipped == [("engine-0", "the plan does not load")]


def test_the_last_engine_that_fails_says_so(exported: Path) -> None:
    chain = [Candidate("a", absent), Candidate("b", lambda: Dying(exported, -1, RuntimeError("gone")))]
    with pytest.raises(RuntimeError, match="gone"), FallbackEngine(chain):
        pass
    with pytest.raises(EngineError, match=r"no engine runs on this machine \(a: no driver in this test\)"):
        FallbackEngine(chain[:1])


def test_a_wrong_batch_is_not_the_fault_of_the_engine(exported: Path) -> None:
    with FallbackEngine(candidates(exported)) as engine:
        with pytest.raises(FeatureError):
            engine.infer(golden_batch(read_checkpoint("live-en").config, 2))
        assert engine.backend == "onnxruntime-cpu"
        assert np.isfinite(engine.infer(golden_batch(read_checkpoint(exported).config, 2)).score).all()


def test_auto_walks_the_whole_list_and_keeps_every_reason(exported: Path) -> None:
    """On a machine without a GPU: three reasons, then ONNX Runtime answers."""
    engine = open_engine("auto", exported)
    assert isinstance(engine, FallbackEngine)
    with engine:
        names = [name for name, _ in engine.skipped]
        assert names == list(PREFERENCE[: len(names)])
        assert all(reason for _, reason in engine.skipped)


def test_every_engine_of_the_table_runs_or_says_what_it_needs(exported: Path) -> None:
    states = {state.name: state for state in engine_states(exported)}
    assert set(states) == set(ENGINES)
    assert states["onnx"].backend == "onnxruntime-cpu"
    assert states["torch"].backend == "torch-cpu"
    for state in states.values():
        assert bool(state.backend) != bool(state.reason)


def test_nothing_of_a_gpu_is_imported_before_it_is_needed() -> None:
    code = (
        "import sys, pkgutil, importlib, engines, stream.cli\n"
        "for module in pkgutil.iter_modules(engines.__path__): importlib.import_module('engines.' + module.name)\n"
        "print(*sorted({'tensorrt', 'tensorrt_rtx', 'onnxruntime.quantization'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
