"""The expression network on disk: `model.safetensors`, `config.json`, and `model.onnx` for the running stream."""

import copy
import hashlib
import json
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ebmc_core.errors import CheckpointError
from ebmc_core.expression import ExpressionNet, Looks
from ebmc_core.face import ANCHORS, BLENDSHAPES, CROP, EMBEDDING, EMOTIONS, POINTS, PORTRAIT, PORTRAIT_ANCHORS, TEXTURE
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
        "network": {"directions": list(net.directions)},
        "crop": {"side": CROP, "anchors": ANCHORS, "colour": "grey"},
        "portrait": {"side": PORTRAIT, "anchors": PORTRAIT_ANCHORS, "colour": "RGB", "texture": TEXTURE},
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
        net = ExpressionNet(directions=tuple(described["network"]["directions"]))
        net.load_state_dict(load_file(folder / "model.safetensors"))
    except Exception as error:  # safetensors' own error has no public root
        why = (str(error).splitlines() or [type(error).__name__])[0]  # torch lists every tensor that does not fit
        raise CheckpointError(f"{folder} holds no usable expression network: {why}") from error
    return net.eval()


def onnx_from_expression(net: ExpressionNet, path: Path) -> None:
    """Export looks -> embedding, emotion, sentiment and whether the face is covered, and compare with torch.

    Raises `CheckpointError` when they differ by more than 1e-4 on noisy or flat crops.
    """
    import onnx  # only a training machine exports
    import onnxruntime

    from ebmc_core.graph import without_traces

    model, faces = _Probabilities(net).eval(), _examples()._asdict()
    batch = torch.export.Dim("batch")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it announces every absent torchvision operator
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's exporter speaks of its own future
        program = torch.onnx.export(
            model,
            tuple(faces.values()),
            input_names=list(faces),
            output_names=["embedding", "emotion", "sentiment", "covered"],
            dynamic_shapes={name: {0: batch} for name in faces},
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    onnx.save(without_traces(program.model_proto), path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for size in (1, len(faces["crops"])):
        answer = session.run(None, {name: face[:size].numpy() for name, face in faces.items()})
        wanted = model(*(face[:size] for face in faces.values()))
        gaps = [np.abs(one - two.detach().numpy()).max() for one, two in zip(answer, wanted, strict=True)]
        if not np.max(gaps) <= 1e-4:  # so written, NaN is a difference
            raise CheckpointError(f"the exported graph differs from torch by {np.max(gaps):.1e}")


def _examples() -> Looks:
    """Inputs to trace and to compare with: flat, striped and noisy crops."""
    rng = torch.Generator().manual_seed(0)
    crops = torch.randint(0, 256, (4, CROP, CROP), dtype=torch.uint8, generator=rng)
    crops[0], crops[1, :, ::2], crops[2, 20:] = 0, 90, 200
    return Looks(
        crops=crops,
        textures=torch.rand(4, *TEXTURE, generator=rng) * 6,
        shapes=torch.randn(4, POINTS, 3, generator=rng),
        blendshapes=torch.rand(4, BLENDSHAPES, generator=rng),
    )


class _Probabilities(nn.Module):
    """What is exported: the embedding and the probabilities."""

    def __init__(self, net: ExpressionNet) -> None:
        super().__init__()
        self.net = net

    def forward(
        self, crops: Tensor, textures: Tensor, shapes: Tensor, blendshapes: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        said = self.net(Looks(crops, textures, shapes, blendshapes))
        return said.embedding, said.emotion.softmax(dim=1), said.sentiment.softmax(dim=1), said.covered.sigmoid()
