"""The runner of plans over a fake driver: buffers, batch buckets, recorded graphs; and the log of timings."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest

from ebmc_core.checkpoint import read_checkpoint
from engines.build import timing_cache
from engines.engine import feeds_from, fused_from
from engines.errors import EngineError
from engines.onnxruntime_engine import open_session
from engines.tensorrt_runner import PlanRunner
from engines.torch_engine import TorchEngine
from engines.verify import TOLERANCE, difference, golden_batch
from tests.engines.fake_driver import FakeTensorRt, FakeTorch

PROFILES = ((1, 1, 1), (1, 8, 8), (1, 64, 64))
PLAN = b"vtrt and the rest"


@pytest.fixture(scope="module")
def session(exported: Path) -> onnxruntime.InferenceSession:
    files = read_checkpoint(exported)
    return open_session(files.graph, files)


@pytest.mark.parametrize("capturable", [True, False])
def test_every_batch_size_goes_through_its_own_graph(
    exported: Path, session: onnxruntime.InferenceSession, capturable: bool
) -> None:
    config = read_checkpoint(exported).config
    torch, trt = FakeTorch(), FakeTensorRt(session, len(PROFILES), capturable)
    runner = PlanRunner(trt, PLAN, PROFILES, torch)
    assert [context.profile for context in trt.contexts] == [0, 1, 2], "one context for each profile"
    with TorchEngine(exported) as reference:
        for seed, streams in enumerate((1, 5, 8, 64, 9, 1)):
            batch = golden_batch(config, streams, seed)
            fused = fused_from(runner.run(feeds_from(batch, config)))
            assert difference(fused, reference.infer(batch)).worst < TOLERANCE
    replays = [graph.replays for graph in torch.graphs]
    assert replays == ([2, 2, 2] if capturable else []), "recorded once, replayed ever after"


def test_an_answer_is_not_overwritten_by_the_next(exported: Path, session: onnxruntime.InferenceSession) -> None:
    config = read_checkpoint(exported).config
    runner = PlanRunner(FakeTensorRt(session, 3), PLAN, PROFILES, FakeTorch())
    first = fused_from(runner.run(feeds_from(golden_batch(config, 3, 0), config)))
    before = first.score.copy()
    runner.run(feeds_from(golden_batch(config, 3, 1), config))
    assert np.array_equal(first.score, before)


def test_what_the_runner_refuses(exported: Path, session: onnxruntime.InferenceSession) -> None:
    config = read_checkpoint(exported).config
    with pytest.raises(EngineError, match="cannot load the plan"):
        PlanRunner(FakeTensorRt(session, 3), b"junk", PROFILES, FakeTorch())
    with pytest.raises(EngineError, match="the plan has 2 profiles, not 3"):
        PlanRunner(FakeTensorRt(session, 2), PLAN, PROFILES, FakeTorch())
    with pytest.raises(EngineError, match="cannot use the GPU"):
        PlanRunner(FakeTensorRt(session, 3), PLAN, PROFILES, FakeTorch(available=False))
    runner = PlanRunner(FakeTensorRt(session, 3), PLAN, PROFILES, FakeTorch())
    with pytest.raises(EngineError, match="built for 1 to 64 windows at once, the batch has 65"):
        runner.run(feeds_from(golden_batch(config, 65), config))


def test_a_fault_of_the_gpu_is_an_error_of_the_engine(exported: Path, session: onnxruntime.InferenceSession) -> None:
    config = read_checkpoint(exported).config
    torch = FakeTorch()
    runner = PlanRunner(FakeTensorRt(session, 3), PLAN, PROFILES, torch)

    def lost() -> None:
        raise RuntimeError("CUDA error: device lost")

    torch.graphs[0].work.insert(0, lost)
    with pytest.raises(EngineError, match="the GPU failed: CUDA error: device lost"):
        runner.run(feeds_from(golden_batch(config, 1), config))


def test_timings_of_another_driver_are_left_and_begun_anew() -> None:
    taken: list[bytes] = []

    def take(timings: bytes, ignore_mismatch: bool) -> bool:
        assert not ignore_mismatch
        taken.append(timings)
        return timings != b"old driver"

    config = SimpleNamespace(create_timing_cache=lambda content: content or b"new", set_timing_cache=take)
    tensorrt, rtx = SimpleNamespace(), SimpleNamespace(ComputeCapability=object())
    assert timing_cache(tensorrt, config, b"same driver") == b"same driver"
    assert timing_cache(tensorrt, config, b"old driver") == b"new"
    assert taken == [b"same driver", b"old driver", b"new"]
    assert timing_cache(rtx, config, b"") is None, "it times nothing"
    assert timing_cache(tensorrt, SimpleNamespace(), b"") is None
