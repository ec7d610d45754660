"""Debian's Chromium with a camera and a microphone made of files."""

import shutil
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from stream.bench.take import clean_take
from stream.records import AUDIO_RATE, AudioFrame, VideoFrame

NAMES = ("chromium", "chromium-browser", "google-chrome")
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
MISSING = "no Chromium here: the page's tests need one (sudo apt-get install chromium)"


@contextmanager
def chromium(folder: Path, *more: str) -> Generator[Browser]:
    """A browser whose camera and microphone play `camera.mjpeg` and `microphone.wav` of a folder, again and again."""
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            args=[
                "--no-sandbox",
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-video-capture={folder / 'camera.mjpeg'}",
                f"--use-file-for-fake-audio-capture={folder / 'microphone.wav'}",
                *more,
            ],
        )
        try:
            yield browser
        finally:
            browser.close()


def record_devices(folder: Path, seconds: float) -> None:
    """Write what the camera and the microphone play: the talking face and the speech of the bundled clip."""
    frames = clean_take("clip", seconds, 10.0)
    pictures = [frame for frame in frames if isinstance(frame, VideoFrame)]
    height, width = pictures[0].image.shape[:2]
    with av.open(str(folder / "camera.mjpeg"), "w", format="mjpeg") as camera:
        coded = camera.add_stream("mjpeg", rate=10)
        coded.width, coded.height, coded.pix_fmt = width, height, "yuvj420p"
        for picture in pictures:
            camera.mux(coded.encode(av.VideoFrame.from_ndarray(picture.image, "rgb24").reformat(format="yuvj420p")))
        camera.mux(coded.encode(None))
    record_sound(folder, [frame for frame in frames if isinstance(frame, AudioFrame)])


def record_sound(folder: Path, frames: Sequence[AudioFrame]) -> None:
    """Write what the microphone plays."""
    sound = np.concatenate([frame.samples for frame in frames])
    with av.open(str(folder / "microphone.wav"), "w") as microphone:
        coded = microphone.add_stream("pcm_s16le", rate=AUDIO_RATE, layout="mono")
        block = av.AudioFrame.from_ndarray((sound * 32_767).astype(np.int16)[None], format="s16", layout="mono")
        block.sample_rate = AUDIO_RATE
        microphone.mux(coded.encode(block))
        microphone.mux(coded.encode(None))


def state(page: Page) -> dict[str, str]:
    """What the page says of itself: connection, transport, stream, events."""
    return page.evaluate("({...document.documentElement.dataset})")


def wait_for(page: Page, condition: str, seconds: float) -> None:
    """Wait until an expression about the page is true. `data` are its hooks, `trust(name)` a modality's trust."""
    expression = f"""(() => {{
        const data = document.documentElement.dataset;
        const element = (id) => document.querySelector(`[data-testid="${{id}}"]`);
        const trust = (name) => Number(element(`trust-${{name}}`).getAttribute("aria-valuenow"));
        return {condition};
    }})()"""
    deadline = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"not in {seconds} s: {condition}; {state(page)}"
        page.wait_for_timeout(50)
