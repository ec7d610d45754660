"""MiniLM as one ONNX graph: token ids in, unit sentence vectors out. Run once, when the weights are fetched.

`python -m stream.features.sentence_graph FOLDER` reads `config.json` and `model.safetensors` (sentence-transformers
all-MiniLM-L6-v2) in that folder, puts the upper blocks that were trained on sentiment in place of its own, and leaves
`model.onnx` beside them, so that a running stream needs neither torch nor transformers for its text and loads in a
fraction of a second. Pooling (mean over tokens) and the L2 norm are part of the graph, as the model's authors apply
them. `model.safetensors` stays, for `ebmc train sentence` begins with it.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before transformers is imported: a local folder is all it may read

import torch
from torch import Tensor, nn
from transformers import AutoModel

from ebmc_core.checkpoint import checkpoint_folder
from ebmc_core.errors import CheckpointError
from ebmc_core.sentence_checkpoint import load_sentence
from stream.features.graph_export import demand_agreement, write_graph

TOLERANCE = 1e-4


class SentenceEncoder(nn.Module):
    """The transformer with mean pooling and L2 norm on top."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """input_ids, attention_mask: int64 `[B, T]`. Returns float32 `[B, 384]`, each of length 1."""
        hidden: Tensor = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        weight = attention_mask.unsqueeze(-1).to(hidden.dtype)  # [B, T, 1]
        pooled = (hidden * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1e-9)  # [B, 384]
        return nn.functional.normalize(pooled, dim=-1)


def onnx_from_safetensors(folder: Path) -> Path:
    """Write `model.onnx` with the bundled upper blocks and check it against torch on a padded batch."""
    encoder = tuned_encoder(folder, checkpoint_folder("sentence"))
    tokens = torch.randint(1000, 20_000, (2, 9), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(tokens)
    mask[1, 5:] = 0
    sizes = {0: torch.export.Dim("batch", min=1, max=1024), 1: torch.export.Dim("length", min=2, max=512)}
    path = folder / "model.onnx"
    names = ("input_ids", "attention_mask")
    write_graph(encoder, path, dict(zip(names, (tokens, mask), strict=True)), "vector", dict.fromkeys(names, sizes))
    for part in ((tokens[:1, :4], mask[:1, :4]), (tokens, mask)):
        demand_agreement(encoder, path, "sentence encoder", TOLERANCE, dict(zip(names, part, strict=True)))
    return path


def tuned_encoder(folder: Path, tuned: Path | None) -> SentenceEncoder:
    """MiniLM of a folder, with the blocks of a sentence checkpoint in place of its own. Raises `CheckpointError`."""
    minilm = AutoModel.from_pretrained(str(folder), local_files_only=True, attn_implementation="eager")
    if tuned is not None:
        weights = {name: weight.float() for name, weight in load_sentence(tuned).items()}
        if strange := minilm.load_state_dict(weights, strict=False).unexpected_keys:
            raise CheckpointError(f"{tuned} holds weights that MiniLM does not have: {', '.join(strange)}")
    return SentenceEncoder(minilm).eval()


if __name__ == "__main__":
    onnx_from_safetensors(Path(sys.argv[1]))
