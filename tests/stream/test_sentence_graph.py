"""The stream's sentence encoder is MiniLM with the bundled upper blocks, and the training begins where MiniLM ends."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from ebmc_core.checkpoint import checkpoint_folder
from ebmc_core.data.sentences import read_sentences
from ebmc_core.errors import CheckpointError
from ebmc_core.sentence import UpperEncoder
from ebmc_core.sentence_checkpoint import load_sentence, save_sentence
from ebmc_core.train_sentence import sentence_vectors
from stream.features.sentence_graph import SentenceEncoder, tuned_encoder
from stream.features.text import TextFrontEnd
from stream.prepare.sentences import prepare_sentences
from stream.prepare.text import read_copies
from stream.weights import WEIGHTS
from tests.stream.speech_clips import weights
from tests.stream.test_prepare_speech_text import small_text_data

LINES = ["oh my god that is so great!", "i just do not know", "no! no! no!"]


def vectors(encoder: SentenceEncoder, folder: Path, lines: list[str]) -> np.ndarray:
    tokenizer: Tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    with torch.inference_mode():
        tokens = [torch.tensor([tokenizer.encode(line).ids]) for line in lines]
        return torch.cat([encoder(line, torch.ones_like(line)) for line in tokens]).numpy()


def test_the_stream_runs_the_bundled_blocks() -> None:
    folder = weights("minilm-l6-v2")
    found = TextFrontEnd(folder).vectors(LINES)
    tuned = vectors(tuned_encoder(folder, checkpoint_folder("sentence")), folder, LINES)
    assert np.allclose(found, tuned, atol=1e-4)
    assert not np.allclose(found, vectors(tuned_encoder(folder, None), folder, LINES), atol=1e-2)


def test_the_upper_blocks_are_those_of_minilm(tmp_path: Path) -> None:
    """Original weights over prepared states give MiniLM's own vectors, and so does a checkpoint of them."""
    folder, data = weights("minilm-l6-v2"), small_text_data(tmp_path, every=40)
    sentences = read_sentences(prepare_sentences(data, tmp_path, folder, frozen=4))
    texts = [copy.text for copy in read_copies(data)]
    upper = UpperEncoder(2).eval()
    upper.load_minilm(load_file(folder / "model.safetensors"))
    rows = np.arange(len(texts))[::7]
    expected = vectors(tuned_encoder(folder, None), folder, [texts[row] for row in rows])
    assert np.allclose(sentence_vectors(upper, sentences, rows).numpy(), expected, atol=2e-3)  # states are float16
    save_sentence(upper, tmp_path / "same", {}, {})
    same = vectors(tuned_encoder(folder, tmp_path / "same"), folder, [texts[row] for row in rows])
    assert np.allclose(same, expected, atol=2e-3)


def test_other_blocks_are_another_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = WEIGHTS["minilm-l6-v2"].fingerprint
    untouched = WEIGHTS["whisper-tiny.en"].fingerprint
    save_sentence(UpperEncoder(1), tmp_path, {}, {})
    monkeypatch.setattr("stream.weights.entry.checkpoint_folder", lambda name: tmp_path)
    assert WEIGHTS["minilm-l6-v2"].fingerprint != before
    assert WEIGHTS["whisper-tiny.en"].fingerprint == untouched


def test_blocks_of_another_network_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("ebmc_core.sentence.BLOCKS", 9)
    save_sentence(UpperEncoder(1), tmp_path, {}, {})
    with pytest.raises(CheckpointError, match="MiniLM does not have"):
        tuned_encoder(weights("minilm-l6-v2"), tmp_path)


def test_the_bundled_blocks_are_small_and_whole() -> None:
    folder = checkpoint_folder("sentence")
    assert (folder / "model.safetensors").stat().st_size < 8_000_000
    assert {name.split(".")[2] for name in load_sentence(folder)} == {"4", "5"}
