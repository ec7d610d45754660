"""`--asr base`: another Whisper reads the words, and what is heard in the voice stays what it was."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stream.front_ends import ASR_MODELS
from stream.settings import load_settings
from stream.weights import WEIGHTS, installed

KENNEDY = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"


def run(asr: str, folder: Path) -> list[dict[str, Any]]:
    """The events of the bundled clip."""
    out = folder / f"{asr}.jsonl"
    command = [sys.executable, "-m", "stream.cli", "run", "clip", "--asr", asr, "--without", "video", "--hop", "2"]
    done = subprocess.run(
        [*command, "--sink", f"jsonl:{out}"], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_base_hears_kennedy_and_leaves_the_audio_features_alone(tmp_path: Path) -> None:
    if installed("whisper-base", load_settings().cache) is None:
        pytest.skip("an optional model is not here: ebmc models pull whisper-base")
    heard, unread = run("base", tmp_path), run("none", tmp_path)
    said = max((event["transcript"]["text"] for event in heard if event["window"]["end"] <= 14), key=len)
    assert KENNEDY in " ".join(re.findall(r"[a-z]+", said.lower()))
    voices = [[event["modalities"]["audio"]["score"] for event in events] for events in (heard, unread)]
    assert voices[0] == voices[1] and len(set(voices[0])) > 5


def test_every_whisper_of_the_registry_can_be_asked_for() -> None:
    names = {name for name in WEIGHTS if name.startswith("whisper-")}
    assert set(ASR_MODELS.values()) == names
    assert ASR_MODELS["small.en"] == "whisper-small.en" and ASR_MODELS["none"] == "whisper-tiny.en"
