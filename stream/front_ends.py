"""The models that all streams share: loaded once, before the first frame."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import torch

from ebmc_core.checkpoint import checkpoint_folder
from stream.errors import SettingsError
from stream.features.audio import AudioFrontEnd
from stream.features.text import TextFrontEnd
from stream.features.video import VideoFrontEnd
from stream.settings import Settings
from stream.speech.asr import Recogniser
from stream.weights import fetch
from stream.worker import Worker

ASR_MODELS = {
    "tiny.en": "whisper-tiny.en",
    "none": "whisper-tiny.en",
}  # the encoder's states are needed without ASR too
STREAMS = 1024  # a live stream has one pass at a time, so that its frames never wait for room here


@dataclass(slots=True)
class FrontEnds:
    """Shared models, each with the worker that it runs in.

    transcribing: whether words are wanted (`asr` is not `none`). lag: seconds of speech that may wait for it.
    """

    recogniser: Recogniser
    audio: AudioFrontEnd
    text: TextFrontEnd
    landmarker: Path
    expression: Path
    transcribing: bool
    lag: float
    hearing: Worker
    listening: Worker
    reading: Worker

    def watcher(self) -> VideoFrontEnd:
        """A face front end for one stream (tracking has a memory, so streams do not share it)."""
        return VideoFrontEnd(self.landmarker, self.expression)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with ExitStack() as workers:
            for worker in (self.hearing, self.listening, self.reading):
                workers.callback(worker.close)


def load_front_ends(settings: Settings, report: Callable[[str], None]) -> FrontEnds:
    """Fetch what is not in the cache, load everything. Raises `WeightsError`, `SettingsError`."""
    if settings.asr not in ASR_MODELS:
        raise SettingsError(f"--asr {settings.asr}: there is no such recogniser; take one of {', '.join(ASR_MODELS)}")
    torch.set_num_threads(1)  # one stage per core; more threads spin against each other
    whisper, minilm, landmarker = (
        fetch(name, settings.cache, report) for name in (ASR_MODELS[settings.asr], "minilm-l6-v2", "face-landmarker")
    )
    with ThreadPoolExecutor(2) as loading:
        recogniser, text = loading.submit(Recogniser, whisper), loading.submit(TextFrontEnd, minilm)
        front = recogniser.result()
    return FrontEnds(
        recogniser=front,
        audio=AudioFrontEnd(front),
        text=text.result(),
        landmarker=landmarker,
        expression=checkpoint_folder("expression"),
        transcribing=settings.asr != "none",
        lag=settings.asr_lag,
        hearing=Worker("audio-features"),
        listening=Worker("speech-recognition", limit=STREAMS),
        reading=Worker("text-features"),
    )
