"""NVIDIA's own compiler on our graphs, with no GPU: it takes them for every target, and says no clearly."""

from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import pytest

from ebmc_core.checkpoint import read_checkpoint
from engines.build import PlanOptions, plan_from_onnx
from engines.errors import EngineError
from engines.export import graph_path

TARGETS = ("sm80", "sm86", "sm89", "sm120")
ONE = ((1, 1, 1),)


@pytest.fixture(scope="module")
def trt() -> ModuleType:
    return pytest.importorskip("tensorrt_rtx", reason="pip install --group dev brings the compiler")


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_the_graph_compiles_for_every_target(trt: ModuleType, exported: Path, precision: str) -> None:
    graph = graph_path(read_checkpoint(exported), precision).read_bytes()
    plan, timing = plan_from_onnx(trt, graph, PlanOptions(targets=TARGETS))
    alone, _ = plan_from_onnx(trt, graph, PlanOptions(ONE, targets=("sm86",)))
    assert plan.startswith(b"vtrt")
    assert len(plan) > len(alone), "three profiles and four targets are more than one of each"
    assert timing == b"", "nothing was timed"


def test_the_committed_model_compiles(trt: ModuleType) -> None:
    graph = read_checkpoint("live-en").graph.read_bytes()
    plan, _ = plan_from_onnx(trt, graph, PlanOptions(ONE, targets=("sm86",)))
    assert len(plan) > 0.9 * len(graph), "the weights are inside"


def with_operator(graph: bytes, operator: str, domain: str = "") -> bytes:
    """The graph with its score taken through another operation."""
    model = onnx.load_from_string(graph)
    last = next(node for node in model.graph.node if "score" in node.output)
    last.output[:] = ["score_before"]
    model.graph.node.append(onnx.helper.make_node(operator, ["score_before"], ["score"], "mark", domain=domain))
    if domain:
        model.opset_import.append(onnx.helper.make_opsetid(domain, 1))
    return model.SerializeToString()


@pytest.mark.parametrize(("operator", "domain"), [("Det", ""), ("Unknown", "com.example")])
def test_an_operation_it_does_not_know_is_named(trt: ModuleType, exported: Path, operator: str, domain: str) -> None:
    graph = graph_path(read_checkpoint(exported), "float32").read_bytes()
    with pytest.raises(EngineError, match=rf"tensorrt_rtx 1\..* does not compile this graph: .*{operator}"):
        plan_from_onnx(trt, with_operator(graph, operator, domain), PlanOptions(ONE, targets=("sm86",)))


def test_a_graph_that_is_no_graph_is_refused(trt: ModuleType) -> None:
    with pytest.raises(EngineError, match="does not compile this graph"):
        plan_from_onnx(trt, bytes(np.arange(64, dtype=np.uint8)), PlanOptions(ONE, targets=("sm86",)))


def test_a_target_it_does_not_build_for_lists_those_it_does(trt: ModuleType, exported: Path) -> None:
    graph = graph_path(read_checkpoint(exported), "float32").read_bytes()
    for target in ("sm87", "sm90", "toaster"):
        with pytest.raises(EngineError, match=rf"does not build for {target}: it builds for .*sm86.*sm120"):
            plan_from_onnx(trt, graph, PlanOptions(ONE, targets=(target,)))
