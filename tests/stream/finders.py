"""Networks with YuNet's inputs and outputs and weights of chance, and pictures with small faces."""

from pathlib import Path

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Picture = NDArray[np.uint8]
PARTS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}  # of YuNet's outputs -> numbers a place
STEPS = (8, 16, 32)


def yunet_of_chance(path: Path, seed: int = 0, size: tuple[int, int] | None = None) -> Path:
    """A graph that OpenCV's `FaceDetectorYN` takes for YuNet. size: height and width, where they are fixed."""
    rng = np.random.default_rng(seed)
    nodes: list[onnx.NodeProto] = []
    stored: list[TensorProto] = []
    outputs: list[onnx.ValueInfoProto] = []
    for part, width in PARTS.items():
        for step in STEPS:
            name = f"{part}_{step}"
            kernel = rng.normal(0, 0.004 if width == 1 else 0.0008, (width, 3, step, step)) * 8 / step
            stored += [
                numpy_helper.from_array(kernel.astype(np.float32), f"{name}_kernel"),
                numpy_helper.from_array(np.array([1, -1, width], np.int64), f"{name}_shape"),
            ]
            nodes += [
                helper.make_node("Conv", ["input", f"{name}_kernel"], [f"{name}_map"], strides=[step, step]),
                helper.make_node("Transpose", [f"{name}_map"], [f"{name}_last"], perm=[0, 2, 3, 1]),
                helper.make_node("Reshape", [f"{name}_last", f"{name}_shape"], [f"{name}_rows"]),
                helper.make_node("Sigmoid" if width == 1 else "Identity", [f"{name}_rows"], [name]),
            ]
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, None, width]))
    sides = size or ("height", "width")
    given = [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, *sides])]
    graph = helper.make_graph(nodes, "yunet", given, outputs, stored)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8), path)
    return path


def in_a_room(
    image: Picture, zoom: float, size: tuple[int, int] = (640, 360), at: tuple[int, int] = (40, 30)
) -> Picture:
    """The picture made `zoom` times as large, laid into a grey one of that width and height at x, y."""
    small = np.asarray(cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA), np.uint8)
    room = np.full((size[1], size[0], 3), 96, np.uint8)
    room[at[1] : at[1] + small.shape[0], at[0] : at[0] + small.shape[1]] = small
    return room
