"""A GPU that is lost in the middle of a stream: every window still has its event, and the event says who answered."""

from collections.abc import Sequence

from ebmc_core.batch import FeatureBatch, FusedBatch
from ebmc_core.checkpoint import checkpoint_folder
from engines.fallback import Candidate, FallbackEngine
from engines.onnxruntime_engine import OnnxRuntimeEngine
from stream.front_ends import FrontEnds
from stream.records import Frame
from tests.stream.feeds import FeedSource, play


class Lost(OnnxRuntimeEngine):
    """Answers three times (once of it to warm up), then its driver is gone."""

    backend = "gpu-of-the-test"
    left = 3

    def infer(self, batch: FeatureBatch) -> FusedBatch:
        if self.left == 0:
            raise RuntimeError("CUDA error: device lost")
        self.left -= 1
        return super().infer(batch)


def test_a_lost_gpu_loses_no_window(front: FrontEnds, clip_frames: Sequence[Frame]) -> None:
    frames = [frame for frame in clip_frames if frame.pts < 8.0]
    folder = checkpoint_folder("live-en")
    chain = [Candidate("gpu", lambda: Lost(folder)), Candidate("onnx", lambda: OnnxRuntimeEngine(folder))]
    with FallbackEngine(chain) as engine:
        events, _ = play([FeedSource(frames)], front, engine)
    with OnnxRuntimeEngine(folder) as whole:
        expected, _ = play([FeedSource(frames)], front, whole)
    assert [event.window.index for event in events] == [event.window.index for event in expected] == list(range(9))
    answered = [event.engine.backend for event in events]
    assert answered[0] == "gpu-of-the-test"
    assert answered[-1] == "onnxruntime-cpu"
    assert answered == sorted(answered), "once replaced, it stays replaced"
    for one, other in zip(events, expected, strict=True):
        assert (one.sentiment.score is None) == (other.sentiment.score is None)
        assert abs((one.sentiment.score or 0) - (other.sentiment.score or 0)) < 1e-3
