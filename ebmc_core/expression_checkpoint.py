"""The expression network on disk: `model.safetensors`, `config.json`, and `model.onnx` for the running stream."""

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ebmc_core.errors import CheckpointError
from ebmc_core.expression import ExpressionNet
from ebmc_core.face import ANCHORS, CROP, EMBEDDING, EMOTIONS
from ebmc_core.modality import SENTIMENTS


def save_expression(
    net: ExpressionNet, folder: Path, training: dict[str, Any], metrics: dict[str, dict[str, float]]
) -> None:
    """Write `model.safetensors`, `config.json` and `model.onnx` into a folder, and check that the graph agrees.

    training, metrics: how it was trained and what it reached, kept in `config.json` for whoever asks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    net = copy.deepcopy(net).eval()
    weights = folder / "model.safetensors"
    save_file(net.state_dict(), weights)
    described = {
        "network": {"channels": list(net.channels)},
        "crop": {"side": CROP, "anchors": ANCHORS, "colour": "grey"},
        "outputs": {"embedding": EMBEDDING, "emotion": EMOTIONS, "sentiment": [str(name) for name in SENTIMENTS]},
        "training": training,
        "metrics": {
            part: {name: round(value, 4) for name, value in scores.items()} for part, scores in metrics.items()
        },
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }
    (folder / "config.json").write_text(json.dumps(described, indent=2) + "\n")
    onnx_from_expression(net, folder / "model.onnx")


def load_expression(folder: Path) -> ExpressionNet:
    """The network of a folder that `save_expression` wrote, in eval mode. Raises `CheckpointError`."""
    try:
        described = json.loads((folder / "config.json").read_text())
        net = ExpressionNet(channels=tuple(described["network"]["channels"]))
        net.load_state_dict(load_file(folder / "model.safetensors"))
    except Exception as error:  # safetensors' own error has no public root
        raise CheckpointError(f"{folder} holds no usable expression network: {error}") from error
    return net.eval()


def onnx_from_expression(net: ExpressionNet, path: Path) -> None:
    """Export crops uint8 `[B, 64, 64]` -> embedding, emotion and sentiment, and compare with torch on random crops.

    Raises `CheckpointError` when they differ by more than 1e-4.
    """
    import onnxruntime  # only a training machine exports

    crops = torch.randint(0, 256, (3, CROP, CROP), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    program = torch.onnx.export(
        _Probabilities(net).eval(),
        (crops,),
        input_names=["crops"],
        output_names=["embedding", "emotion", "sentiment"],
        dynamic_shapes={"crops": {0: torch.export.Dim("batch")}},
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    program.save(path, external_data=False)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for size in (1, 3):
        answer = session.run(None, {"crops": crops[:size].numpy()})
        wanted = _Probabilities(net)(crops[:size])
        gap = max(float(np.abs(one - two.detach().numpy()).max()) for one, two in zip(answer, wanted, strict=True))
        if gap > 1e-4:
            raise CheckpointError(f"the exported graph differs from torch by {gap:.1e}")


class _Probabilities(nn.Module):
    """What is exported: the embedding and the probabilities, without the helper head."""

    def __init__(self, net: ExpressionNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        said = self.net(crops)
        return said.embedding, said.emotion.softmax(dim=1), said.sentiment.softmax(dim=1)
