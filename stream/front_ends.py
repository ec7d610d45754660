"""The models that all streams share: loaded once, before the first frame."""

import gc
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from ebmc_core.checkpoint import checkpoint_folder
from stream.errors import SettingsError
from stream.face_finding import load_finder
from stream.features.audio import AudioFrontEnd
from stream.features.finder import FaceFinder
from stream.features.text import TextFrontEnd
from stream.features.video import VideoFrontEnd
from stream.features.voice import VoiceEncoder
from stream.settings import Settings
from stream.speech.asr import Recogniser
from stream.weights import WEIGHTS, fetch
from stream.worker import Worker, made_to_stand_back

ENCODER = "whisper-tiny.en"  # its lower layers are the audio features, whoever reads the words, and without ASR too
ASR_MODELS = {
    **{name.removeprefix("whisper-"): name for name in WEIGHTS if name.startswith("whisper-")},
    "none": ENCODER,
}
POOLS = ("windows", "pictures", "words")
PICTURES, WORDS = 8, 12  # by how much their native threads stand back, as `nice` counts
SWITCH = 0.0005  # seconds that a thread may run Python while others wait; at 5 ms every step of a window waited 0.1 s
STREAMS = 1024  # a live stream has one pass at a time, so that its frames never wait for room here


@dataclass(slots=True)
class FrontEnds:
    """Shared models, each with the worker that it runs in.

    finder: finds the faces; None where MediaPipe's landmarker does it by itself.
    transcribing: whether words are wanted (`asr` is not `none`). lag: seconds of speech that may wait to be read.
    windows, pictures, words: threads. A window that has closed is served first, pictures second and speech recognition
    last: the native threads of faces and words stand back in this order for each other, and for threads that run
    Python, which compute a window's voice and text themselves. One that was handed Python's lock and finds both cores
    taken keeps everybody waiting.
    """

    recogniser: Recogniser
    audio: AudioFrontEnd
    text: TextFrontEnd
    landmarker: Path
    expression: Path
    finder: FaceFinder | None
    transcribing: bool
    lag: float
    windows: ThreadPoolExecutor
    pictures: ThreadPoolExecutor
    words: ThreadPoolExecutor
    hearing: Worker
    listening: Worker
    reading: Worker

    def watching(self, stream: str) -> Worker:
        """The lane of one stream's face analysis in the threads that all streams share."""
        return Worker(f"face-{stream}", self.pictures)

    def watcher(self) -> VideoFrontEnd:
        """A face front end for one stream (tracking has a memory, so streams do not share it). Call it in its lane."""
        return made_to_stand_back(PICTURES, partial(VideoFrontEnd, self.landmarker, self.expression, self.finder))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with ExitStack() as workers:
            for pool in (self.windows, self.pictures, self.words):
                workers.callback(pool.shutdown, wait=False, cancel_futures=True)
            for worker in (self.hearing, self.listening, self.reading):
                workers.callback(worker.close)


def load_front_ends(settings: Settings, report: Callable[[str], None]) -> FrontEnds:
    """Fetch what is not in the cache, load everything. Raises `WeightsError`, `SettingsError`."""
    if settings.asr not in ASR_MODELS:
        raise SettingsError(f"--asr {settings.asr}: there is no such recogniser; take one of {', '.join(ASR_MODELS)}")
    whisper, ears, minilm, landmarker = (
        fetch(name, settings.cache, report, mirror=settings.models_mirror)
        for name in (ASR_MODELS[settings.asr], ENCODER, "minilm-l6-v2", "face-landmarker")
    )
    finder = load_finder(settings, report)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    windows, pictures, words = (ThreadPoolExecutor(n, name) for n, name in zip((cores, cores, 1), POOLS, strict=True))
    recogniser = words.submit(made_to_stand_back, WORDS, partial(Recogniser, whisper, workers=1))
    encoder = windows.submit(VoiceEncoder, ears)
    text = windows.submit(TextFrontEnd, minilm)
    front = FrontEnds(
        recogniser=recogniser.result(),
        audio=AudioFrontEnd(encoder.result()),
        text=text.result(),
        landmarker=landmarker,
        expression=checkpoint_folder("expression"),
        finder=finder,
        transcribing=settings.asr != "none",
        lag=settings.asr_lag,
        windows=windows,
        pictures=pictures,
        words=words,
        hearing=Worker("audio-features", windows, limit=STREAMS, width=cores),
        listening=Worker("speech-recognition", words, limit=STREAMS),
        reading=Worker("text-features", limit=STREAMS),  # a thread of its own: it is quick, and must not queue for one
    )
    sys.setswitchinterval(SWITCH)
    gc.collect()
    gc.freeze()  # what is loaded stays: looking through it for garbage stopped the stream for 0.1 s each time
    return front
