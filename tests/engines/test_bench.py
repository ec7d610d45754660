"""The benchmark of the engines, and the model repository for Triton."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import onnx
import pytest
from google.protobuf import text_format
from typer.testing import CliRunner

from ebmc_core.checkpoint import read_checkpoint
from engines.bench import REFERENCE, benchmark, quantile
from engines.errors import EngineError
from engines.triton import triton_config, triton_repository
from stream.cli import app


def test_engines_are_timed_beside_torch_and_without_it(exported: Path) -> None:
    report = benchmark(["onnx", "tensorrt"], exported, batches=(1, 4), calls=20)
    assert [(timing.engine, timing.batch) for timing in report.timings] == [
        ("onnx", 1), (REFERENCE, 1), ("onnx", 4), (REFERENCE, 4),
    ]  # fmt: skip
    assert "tensorrt" in report.skipped
    for timing in report.timings:
        assert 0 < timing.median_ms <= timing.p99_ms
        assert 0 < timing.cpu_ms
        assert timing.throughput == pytest.approx(timing.batch / timing.median_ms * 1000, rel=1e-2)
    medians = {(timing.engine, timing.batch): timing.cpu_ms for timing in report.timings}
    speedup = {(timing.engine, timing.batch): timing.speedup for timing in report.timings}
    assert speedup[REFERENCE, 1] == 1
    assert speedup["onnx", 4] == pytest.approx(medians[REFERENCE, 4] / medians["onnx", 4], rel=2e-2)
    onnx_foot, torch_foot = report.footprints
    assert (onnx_foot.torch, torch_foot.torch) == (False, True)
    assert 20 < onnx_foot.memory_mb < torch_foot.memory_mb
    assert json.loads(report.as_json())["timings"][0]["engine"] == "onnx"


def test_quantiles() -> None:
    assert [quantile(range(1, 101), share) for share in (0.0, 0.5, 0.99)] == [1, 51, 100]
    assert quantile([3.0], 0.99) == 3.0


def test_a_benchmark_without_its_reference_says_why(exported: Path, tmp_path: Path) -> None:
    for path in exported.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(EngineError, match=r"torch, which all are compared with, does not run: .*does not match"):
        benchmark(["onnx"], tmp_path, batches=(1,), calls=20)


def test_verify_goes_over_every_subset_of_the_real_windows() -> None:
    done = CliRunner().invoke(app, ["engine", "verify", "--engine", "onnx"])
    assert done.exit_code == 0, done.output
    lines = [line for line in done.stdout.splitlines() if line.startswith("onnxruntime-cpu")]
    assert len(lines) == 3 + 7
    assert sum("real windows" in line for line in lines) == 7
    refused = CliRunner().invoke(app, ["engine", "verify", "--engine", "onnx", "--tolerance", "1e-12"])
    assert refused.exit_code == 2
    assert "differ by more than their tolerance" in refused.stderr


def test_a_triton_repository_describes_the_graph_it_holds(exported: Path, tmp_path: Path) -> None:
    model = triton_repository(exported, tmp_path)
    assert model == tmp_path / "small-1"
    graph = onnx.load(model / "1" / "model.onnx").graph
    text = (model / "config.pbtxt").read_text("utf-8")
    said = {
        name: (kind, [int(size) for size in dims.split(",")])
        for kind, name, dims in re.findall(r'(input|output) \{\s+name: "(\w+)"\s+.*?dims: \[(.*?)\]', text, re.S)
    }
    for kind, nodes in (("input", graph.input), ("output", graph.output)):
        for node in nodes:
            batch, *rest = (axis.dim_param or axis.dim_value for axis in node.type.tensor_type.shape.dim)
            assert batch == "batch"
            assert said.pop(node.name) == (kind, rest)
    assert not said


def test_triton_itself_can_read_the_configuration() -> None:
    """Against Triton's own schema, where its client is installed (pip install tritonclient)."""
    found = importlib.util.find_spec("tritonclient")
    if not (found and found.submodule_search_locations):
        pytest.skip("tritonclient is not installed: it would downgrade ml-dtypes, so it is no development dependency")
    path = Path(found.submodule_search_locations[0]) / "grpc" / "model_config_pb2.py"  # its package needs grpcio
    spec = importlib.util.spec_from_file_location("model_config_pb2", path)
    assert spec and spec.loader
    schema = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(schema)
    config = text_format.Parse(triton_config(read_checkpoint("live-en")), schema.ModelConfig())
    assert (config.max_batch_size, list(config.dynamic_batching.preferred_batch_size)) == (64, [8, 64])
    assert {tensor.data_type for tensor in (*config.input, *config.output)} == {schema.DataType.Value("TYPE_FP32")}


def test_the_memory_figure_is_this_process_s() -> None:
    from engines.bench import resident_mb

    assert "torch" in sys.modules
    assert resident_mb() > 100
