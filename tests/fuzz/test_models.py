"""Checkpoints and plans that somebody else, or a fault, has written."""

import hashlib
import json
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebmc_core.checkpoint import checkpoint_folder, load_checkpoint, read_checkpoint
from ebmc_core.config import EbmcConfig
from ebmc_core.errors import CheckpointError
from ebmc_core.expression_checkpoint import load_expression
from ebmc_core.sentence_checkpoint import load_sentence, sentence_digest
from engines.cache import PlanCache, PlanKey
from tests.fuzz.hostile import changed, json_texts, mutated, values
from tests.fuzz.profile import fuzzed, taken

KEY = PlanKey(
    "0" * 64, "tensorrt", "10.1", "Some GPU", "sm86", "550", "12.4", "float32", ((1, 8, 64),), {"tf32": False}
)
AHEAD = PlanKey(
    "0" * 64, "tensorrt", "10.1", "", "", "", "", "float32", ((1, 8, 64),), {"tf32": False}, ("sm86", "sm89")
)


CONFIG = json.loads((checkpoint_folder("live-en") / "config.json").read_text())


@fuzzed(50)
@given(json_texts(CONFIG))
def test_a_checkpoint_is_one_or_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "config.json").write_bytes(text)
    found = taken(lambda: read_checkpoint(tmp_path), CheckpointError)
    if found:
        assert isinstance(found.name, str) and isinstance(found.digest, str)
        assert EbmcConfig.from_dict(found.config.to_dict()) == found.config


SMALL = {**CONFIG["model"], "width": 8, "part": 4, "depth": 1, "heads": 2, "context": 4}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small checkpoint."""
    from ebmc_core.checkpoint import save_checkpoint
    from ebmc_core.model import EBMC

    folder = tmp_path_factory.mktemp("small")
    save_checkpoint(folder, "small", EBMC(EbmcConfig.from_dict(SMALL)), {})
    load_checkpoint(folder)
    return folder


@fuzzed(30)
@given(st.data())
def test_weights_fit_their_configuration_or_are_refused(small: Path, tmp_path: Path, data: st.DataObject) -> None:
    """The digest is right, so that the parsers behind it are reached."""
    weights = data.draw(
        st.just((small / "model.safetensors").read_bytes()) | mutated((small / "model.safetensors").read_bytes())
    )
    described = json.loads((small / "config.json").read_text())
    described["model"] = data.draw(changed(described["model"]))
    described["digest"] = hashlib.sha256(weights).hexdigest()
    (tmp_path / "model.safetensors").write_bytes(weights)
    (tmp_path / "config.json").write_text(json.dumps(described))
    taken(lambda: load_checkpoint(tmp_path), CheckpointError)


@pytest.mark.parametrize("size", ["width", "part", "depth", "ratio", "context", "text"])
def test_a_configuration_cannot_ask_for_more_memory_than_its_weights_have(
    small: Path, tmp_path: Path, size: str
) -> None:
    shutil.copytree(small, tmp_path / "large")
    described = json.loads((small / "config.json").read_text())
    (described["model"]["widths"] if size == "text" else described["model"])[size] = 1_000_000
    (tmp_path / "large" / "config.json").write_text(json.dumps(described))
    with pytest.raises(CheckpointError, match="does not fit"):
        load_checkpoint(tmp_path / "large")


@pytest.mark.parametrize("kind", ["expression", "sentence"])
@fuzzed(30)
@given(data=st.data())
def test_the_other_networks_are_loaded_or_refused(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    folder = checkpoint_folder("live-en").parent / kind
    described = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_bytes(data.draw(json_texts(described)))
    (tmp_path / "model.safetensors").write_bytes(data.draw(mutated(b"\x08" + bytes(7) + b'{"a":{}}' + bytes(30))))
    if kind == "sentence":
        taken(lambda: sentence_digest(tmp_path), CheckpointError)
        taken(lambda: load_sentence(tmp_path), CheckpointError)
    else:
        taken(lambda: load_expression(tmp_path), CheckpointError)


@pytest.fixture
def plans(tmp_path: Path) -> Generator[PlanCache]:
    yield PlanCache(tmp_path / "plans")


@fuzzed(50)
@given(st.data(), st.sampled_from([KEY, AHEAD]))
def test_a_plan_is_the_one_that_was_written_or_none(tmp_path: Path, data: st.DataObject, key: PlanKey) -> None:
    cache = PlanCache(tmp_path / "plans")
    path = cache.write(key, b"a plan")
    assert cache.find(KEY).plan == b"a plan"
    sidecar = path.with_suffix(".json")
    sidecar.write_bytes(data.draw(json_texts(json.loads(sidecar.read_bytes()))))
    path.write_bytes(data.draw(st.just(b"a plan") | mutated(b"a plan")))
    found = cache.find(KEY)
    assert found.plan in (None, b"a plan")
    assert found.reason.isprintable() and len(found.reason) < 4_000
    path.unlink()


@fuzzed(30)
@given(values())
def test_no_value_is_a_configuration_by_chance(value: Any) -> None:
    taken(lambda: EbmcConfig.from_dict(value), CheckpointError)
