"""The graph: what it says of itself, its shapes, its precisions, and the rewriting behind it."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from ebmc_core.batch import FeatureBatch
from ebmc_core.checkpoint import load_checkpoint, read_checkpoint
from ebmc_core.config import EbmcConfig
from ebmc_core.modality import MODALITIES, SENTIMENTS, Modality
from ebmc_core.model import EBMC, NewestWindow, inputs_from_batch
from engines.engine import feeds_from, fused_from
from engines.errors import EngineError
from engines.export import FORMAT, INPUTS, OUTPUTS, graph_path
from engines.fold import folded
from engines.onnxruntime_engine import GRAPH_FORMAT, open_session
from engines.torch_engine import TorchEngine
from engines.verify import TOLERANCES, difference, golden_batch

SMALL = {Modality.TEXT: 12, Modality.AUDIO: 10, Modality.VIDEO: 8}


def untrained(depth: int, context: int, **choices: object) -> EBMC:
    """Every parameter far enough from its start to matter, scales and shifts of the normalisations too."""
    torch.manual_seed(depth)
    sizes = {"width": 16, "part": 8, "heads": 2, "context": context, "depth": depth}
    model = EBMC(EbmcConfig(SMALL, **sizes, **choices)).eval()  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize(("depth", "context"), [(1, 1), (1, 6), (2, 6), (3, 5)])
@pytest.mark.parametrize("choices", [{}, {"causal": False}, {"experts": "own"}, {"complement": False}])
def test_folding_the_experts_changes_no_number(depth: int, context: int, choices: dict[str, object]) -> None:
    model = untrained(depth, context, **choices)
    batch = golden_batch(model.config, 16)
    with torch.inference_mode():
        plain, compact = (NewestWindow(each)(*inputs_from_batch(batch)) for each in (model, folded(model)))
    for one, other in zip(plain, compact, strict=True):
        torch.testing.assert_close(one, other, atol=2e-6, rtol=1e-5)


def test_folding_leaves_the_model_alone() -> None:
    model = untrained(2, 6)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    folded(model)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_the_graph_says_what_it_holds(exported: Path, precision: str) -> None:
    files = read_checkpoint(exported)
    graph = onnx.load(graph_path(files, precision))
    said = {entry.key: entry.value for entry in graph.metadata_props}
    assert said["format"] == FORMAT == GRAPH_FORMAT
    assert (said["model"], said["digest"], said["precision"]) == (files.name, files.digest, precision)
    assert (said["context"], said["mask"], said["modalities"]) == ("6", "1 = present", "text audio video")
    assert {m: int(said[f"width.{m}"]) for m in MODALITIES} == dict(files.config.widths)
    calibration = load_checkpoint(exported).model.calibration
    assert json.loads(said["calibration"])["temperature"] == calibration.temperature.tolist()
    assert json.loads(said["calibration"])["offset"] == calibration.offset.tolist()
    assert b".py" not in graph.SerializeToString(), "no folder of the machine that exported it"


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_only_the_batch_is_dynamic_and_names_are_documented(exported: Path, precision: str) -> None:
    graph = onnx.load(graph_path(read_checkpoint(exported), precision)).graph

    def shapes(nodes: object) -> dict[str, list[object]]:
        return {
            node.name: [axis.dim_param or axis.dim_value for axis in node.type.tensor_type.shape.dim]
            for node in nodes  # type: ignore[attr-defined]
        }

    masks = {name: ["batch", 6, 3] for name in ("present", "quality", "age")}
    assert shapes(graph.input) == {
        "text": ["batch", 6, 12], "audio": ["batch", 6, 10], "video": ["batch", 6, 8], **masks, "valid": ["batch", 6],
    }  # fmt: skip
    assert shapes(graph.output) == {
        "probabilities": ["batch", 1, 3], "score": ["batch", 1], "interval": ["batch", 1, 2],
        "trust": ["batch", 1, 3], "unimodal": ["batch", 1, 3, 3],
    }  # fmt: skip
    assert tuple(shapes(graph.input)) == INPUTS
    assert tuple(shapes(graph.output)) == OUTPUTS
    kinds = {node.type.tensor_type.elem_type for node in (*graph.input, *graph.output)}
    assert kinds == {onnx.TensorProto.FLOAT}


def test_the_half_graph_is_half_and_agrees(exported: Path) -> None:
    files = read_checkpoint(exported)
    path = graph_path(files, "float16")
    initializers = onnx.load(path).graph.initializer
    offsets = (2 ** len(MODALITIES), len(SENTIMENTS))  # the calibration stays whole
    weights = [each for each in initializers if len(each.dims) > 1 and tuple(each.dims) != offsets]
    half = [tensor for tensor in weights if tensor.data_type == onnx.TensorProto.FLOAT16]
    assert len(half) > 0.9 * len(weights)
    session = open_session(path, files)
    batch = golden_batch(files.config, 16)
    big = {m: values * 1e6 for m, values in batch.values.items()}  # does not fit into half before standardising
    with TorchEngine(exported) as eager:
        for values in (batch.values, big):
            some = FeatureBatch(values, batch.present, batch.quality, batch.age, batch.valid)
            outputs = session.run(list(OUTPUTS), feeds_from(some, files.config))
            fused = fused_from(dict(zip(OUTPUTS, outputs, strict=True)))
            assert 0 < difference(fused, eager.infer(some)).worst < TOLERANCES["float16"]
            np.testing.assert_allclose(fused.probabilities.sum(-1), 1, atol=1e-6)


def test_the_committed_graph_is_that_of_the_committed_weights() -> None:
    files = read_checkpoint("live-en")
    said = {entry.key: entry.value for entry in onnx.load(files.graph).metadata_props}
    assert (said["format"], said["digest"], said["model"]) == (FORMAT, files.digest, files.name)


def test_a_precision_that_does_not_exist_names_those_that_do(exported: Path) -> None:
    with pytest.raises(EngineError, match="no precision 'int3': choose float32 or float16"):
        graph_path(read_checkpoint(exported), "int3")
