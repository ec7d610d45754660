"""MELD and CMU-MOSI lines as token states of MiniLM's frozen blocks: what `ebmc train sentence` starts from.

The lower blocks never change in that training, so each line passes them once, here.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before transformers is imported: a local folder is all it may read

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import AutoModel

from ebmc_core.sentence import BLOCKS
from ebmc_core.train_sentence import SentenceTrainConfig, train_sentence
from stream.features.text import LONGEST
from stream.prepare.text import read_copies
from stream.settings import load_settings
from stream.weights import fetch

Report = Callable[[int, int, str], None]

BATCH = 64


def prepare_sentences(data: Path, out: Path, minilm: Path, frozen: int, report: Report | None = None) -> Path:
    """Write `out/sentences.npz` from the data sets and the `minilm-l6-v2` weights, `frozen` blocks deep.

    Raises `DataError` when the data is not there.
    """
    copies = read_copies(data)
    tokenizer: Tokenizer = Tokenizer.from_file(str(minilm / "tokenizer.json"))
    tokenizer.enable_truncation(LONGEST, direction="left")
    tokenizer.no_padding()
    tokens = [encoding.ids for encoding in tokenizer.encode_batch([copy.text for copy in copies])]
    starts = np.concatenate([[0], np.cumsum([len(line) for line in tokens])]).astype(np.int64)
    out.mkdir(parents=True, exist_ok=True)
    np.savez(
        out / "sentences.npz",
        states=_states(tokens, starts, minilm, frozen, report),
        starts=starts,
        frozen=np.array(frozen),
        label=np.array([copy.line.label for copy in copies], np.int8),
        emotion=np.array([copy.line.emotion for copy in copies], np.int8),
        item=np.array([copy.line.item for copy in copies]),
        group=np.array([copy.line.group for copy in copies]),
        split=np.array([copy.line.split for copy in copies]),
        condition=np.array([copy.condition for copy in copies]),
        source=np.array([copy.line.source for copy in copies]),
    )
    return out / "sentences.npz"


@torch.inference_mode()
def _states(
    tokens: Sequence[Sequence[int]], starts: NDArray[np.int64], minilm: Path, frozen: int, report: Report | None
) -> NDArray[np.float16]:
    """The states of every token, float16 `[tokens, 384]`; lines of one length pass together, so nothing is padded."""
    encoder = AutoModel.from_pretrained(str(minilm), local_files_only=True, attn_implementation="eager").eval()
    encoder.encoder.layer = encoder.encoder.layer[:frozen]
    states = np.empty((int(starts[-1]), encoder.config.hidden_size), np.float16)
    lengths = np.diff(starts)
    done = 0
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        for batch in np.array_split(rows, -(-len(rows) // BATCH)):
            found = encoder(input_ids=torch.tensor([tokens[row] for row in batch])).last_hidden_state
            for row, line in zip(batch, found.half().numpy(), strict=True):
                states[starts[row] : starts[row + 1]] = line
            done += len(batch)
            if report:
                report(done, len(tokens), "lines")
    return states


def train_on_sentences(path: Path, overrides: Mapping[str, Any], say: Callable[[str], None]) -> Path:
    """What `ebmc train sentence` does: make `sentences.npz` if it is not there, and train. Returns the run's folder."""
    settings = load_settings()
    minilm = fetch("minilm-l6-v2", settings.cache, say, mirror=settings.models_mirror)
    config = SentenceTrainConfig.from_toml(path, minilm=minilm, **overrides)
    if not (config.features / "sentences.npz").is_file():
        frozen = BLOCKS - config.blocks
        say(f"wrote    {prepare_sentences(settings.data / 'data', config.features, minilm, frozen)}")
    return train_sentence(config, say)
