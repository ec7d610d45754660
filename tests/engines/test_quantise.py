"""Static int8: every product between quantise and dequantise nodes, near to float32, and a plan made of it."""

import shutil
from pathlib import Path

import onnx
import pytest
from typer.testing import CliRunner

from ebmc_core.checkpoint import read_checkpoint
from engines.build import PlanOptions, plan_from_onnx
from engines.engine import feeds_from, fused_from
from engines.errors import EngineError
from engines.export import INT8, graph_path
from engines.onnxruntime_engine import open_session
from engines.quantise import int8_from_checkpoint
from engines.tensorrt_engine import graph_for
from engines.verify import TOLERANCES, golden_check
from stream.cli import app
from tests.ebmc_core.feature_arrays import write_arrays


@pytest.fixture(scope="module")
def quantised(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small checkpoint with its int8 graph beside it."""
    folder = tmp_path_factory.mktemp("int8")
    checkpoint = Path(shutil.copytree(exported, folder / "small"))

    def at_hand(checkpoint: Path, precision: str, scratch: Path) -> Path:
        return Path(shutil.copy(graph_path(read_checkpoint(checkpoint), precision), scratch))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engines.quantise.onnx_from_checkpoint", at_hand)  # to export it once more takes 15 s
        graph = int8_from_checkpoint(checkpoint, write_arrays(folder / "features"))
    assert graph == graph_path(read_checkpoint(checkpoint), INT8)
    return checkpoint


def test_every_product_is_quantised_and_the_graph_says_so(quantised: Path) -> None:
    graph = onnx.load(graph_path(read_checkpoint(quantised), INT8))
    made_by = {output: node.op_type for node in graph.graph.node for output in node.output}
    products = [node for node in graph.graph.node if node.op_type in ("MatMul", "Gemm")]
    assert products
    for product in products:
        assert [made_by[name] for name in product.input[:2]] == ["DequantizeLinear"] * 2, product.name
    said = {prop.key: prop.value for prop in graph.metadata_props}
    assert (said["precision"], said["digest"]) == (INT8, read_checkpoint(quantised).digest)


def test_it_is_near_to_float32_and_is_not_float32(quantised: Path) -> None:
    files = read_checkpoint(quantised)
    session = open_session(graph_path(files, INT8), files)
    names = [output.name for output in session.get_outputs()]

    def infer(batch):  # type: ignore[no-untyped-def]
        return fused_from(dict(zip(names, session.run(names, feeds_from(batch, files.config)), strict=True)))

    assert TOLERANCES["float32"] < golden_check(infer, files) < TOLERANCES[INT8]


def test_a_plan_is_made_of_it_with_no_gpu(quantised: Path) -> None:
    trt = pytest.importorskip("tensorrt_rtx", reason="pip install --group dev brings the compiler")
    graph = graph_for(read_checkpoint(quantised), INT8, quantised.parent / "plans")
    plan, _ = plan_from_onnx(trt, graph, PlanOptions(((1, 1, 1),), targets=("sm86",)))
    assert plan.startswith(b"vtrt")


def test_without_windows_to_calibrate_on_it_says_what_is_wanted(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"calibrated on windows: `ebmc engine export --precision int8 --features"):
        graph_for(read_checkpoint(exported), INT8, tmp_path)
    asked = [str(exported), "--precision", "int8"]
    for words in (["export", *asked], ["build", *asked, "--target", "sm86"]):
        failed = CliRunner().invoke(app, ["engine", *words])
        assert failed.exit_code == 2
        assert "int8 is calibrated on windows" in " ".join(failed.output.split())
