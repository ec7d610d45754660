"""Networks as ONNX graphs, written and checked alike. Run once, at set-up; a stream needs no torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stream.features.graph import new_session


def write_graph(
    network: nn.Module, path: Path, inputs: Mapping[str, Tensor], output: str, sizes: Mapping[str, dict[int, Any]]
) -> None:
    """Write the network to `path`. inputs: an example, by name, in the order of its arguments. sizes: what may vary."""
    torch.onnx.export(
        network,
        tuple(inputs.values()),
        str(path),
        dynamo=True,
        input_names=list(inputs),
        output_names=[output],
        dynamic_shapes=dict(sizes),
        external_data=False,
        opset_version=20,
        verbose=False,
    )


def demand_agreement(network: nn.Module, path: Path, name: str, tolerance: float, inputs: Mapping[str, Tensor]) -> None:
    """Raise `SystemExit` unless the graph gives what torch gives. name: what to call it."""
    found = np.asarray(new_session(path).run(None, {key: value.numpy() for key, value in inputs.items()})[0])
    with torch.inference_mode():
        expected = network(*inputs.values()).numpy()
    worst = float(np.abs(found - expected).max())
    if not worst <= tolerance:
        raise SystemExit(f"the exported {name} differs from torch by {worst:.1e}")
