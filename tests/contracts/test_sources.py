"""What every source promises: times that rise, an end when it is left, and a wrong address that names its mend."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from ebmc_core.modality import Modality
from stream.errors import SourceError
from stream.sources.connection import Input
from stream.sources.live import LiveSource
from stream.sources.source import SOURCES, Source, source_from
from tests.stream.listening import RTSP_SERVER, STEADY, Listener, free_port, listening, serving, until
from tests.stream.web_folder import web_folder

SENDER = RTSP_SERVER.with_name("udp_sender.py")

WRONG = {
    "file": ("file:nowhere.mp4", "there is no such file"),
    "-": ("-", "standard input is a terminal; pipe media into it"),
    "webcam": ("webcam:77", "there is no such camera; plug it in"),
    "mic": ("mic:hw:77", "plug one in"),
    "rtsp": ("rtsp://127.0.0.1:9/live", "is the camera on"),
    "rtsps": ("rtsps://127.0.0.1:9/live", "is the camera on"),
    "rtmp": ("rtmp://127.0.0.1:9/live", "is the server on and the address right"),
    "http": ("http://127.0.0.1:9/live", "is the server on and the address right"),
    "https": ("https://127.0.0.1:9/live", "is the server on and the address right"),
    "udp": ("udp://127.0.0.1:{port}", "is anything sending"),
    "srt": ("srt://127.0.0.1:9", "let ffmpeg turn the stream into udp"),
    "replay": ("replay:nowhere", "name the folder of one stream inside the one that --record made"),
}


@contextmanager
def a_file(clip: Path) -> Iterator[Source]:
    yield source_from(f"file:{clip}", STEADY)


@contextmanager
def a_pipe(clip: Path) -> Iterator[Source]:
    with subprocess.Popen(["cat", clip], stdout=subprocess.PIPE) as writer:
        before, sys.stdin = sys.stdin, writer.stdout  # pyright: ignore[reportAttributeAccessIssue]
        try:
            yield source_from("-", STEADY)
        finally:
            sys.stdin = before
            writer.kill()


@contextmanager
def a_camera_and_microphone(clip: Path) -> Iterator[Source]:
    """FFmpeg's generators in place of devices, which the machines that test do not have."""
    camera = Input("webcam:test", "testsrc=size=64x48:rate=25,realtime", "plug it in", "lavfi")
    microphone = Input("mic:test", "sine=sample_rate=48000:samples_per_frame=960,arealtime", "plug it in", "lavfi")
    yield LiveSource("devices", [camera, microphone], STEADY)


@contextmanager
def an_rtsp_stream(clip: Path) -> Iterator[Source]:
    port = free_port()
    with serving(RTSP_SERVER, str(port), clip) as server:
        server.await_port(port)
        yield source_from(f"rtsp://127.0.0.1:{port}/live", STEADY)


@contextmanager
def a_web_address(clip: Path) -> Iterator[Source]:
    with web_folder(clip.parent) as address:
        yield source_from(f"{address}/{clip.name}", STEADY)


@contextmanager
def a_udp_stream(clip: Path) -> Iterator[Source]:
    address = f"udp://127.0.0.1:{free_port()}"
    with serving(SENDER, address, clip):
        yield source_from(address, STEADY)


Opened = Callable[[Path], AbstractContextManager[Source]]
REAL: list[Opened] = [a_file, a_pipe, a_camera_and_microphone, an_rtsp_stream, a_web_address, a_udp_stream]


def test_every_source_has_a_wrong_address() -> None:
    assert set(WRONG) == set(SOURCES)


@pytest.mark.parametrize("scheme", SOURCES)
def test_a_wrong_address_names_its_mend(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if scheme == "mic" and sys.platform != "linux":
        pytest.skip("the address is ALSA's")
    if scheme == "-":
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    uri, mend = WRONG[scheme]

    async def read() -> None:
        source = source_from(uri.format(port=free_port()), STEADY.model_copy(update={"open_timeout": 1.0}))
        async with listening(source):
            pass

    begin = time.monotonic()
    with pytest.raises(SourceError, match=mend) as refused:
        asyncio.run(read())
    assert refused.value.exit_code == 2
    assert "\n" not in str(refused.value)
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize("opened", REAL)
def test_times_rise_per_kind_and_leaving_ends_it(opened: Opened, clip: Path) -> None:
    async def read(source: Source) -> Listener:
        async with listening(source) as heard:
            assert heard.kinds == {Modality.AUDIO, Modality.VIDEO}
            await until(lambda: len(heard.sound) > 10 and len(heard.pictures) > 5)
            begin = time.monotonic()
        assert time.monotonic() - begin < STEADY.read_timeout / 2  # it was cancelled while it waited for a frame
        return heard

    with opened(clip) as source:
        heard = asyncio.run(read(source))
    heard.assert_in_order()
    assert heard.ended
    assert all(frame.pts == round(frame.pts, 6) >= 0 for frame in heard.frames)
    assert all(frame.samples.dtype == "float32" and frame.rate == 16_000 for frame in heard.sound)
    assert all(frame.image.dtype == "uint8" and frame.image.shape[2] == 3 for frame in heard.pictures)


@pytest.mark.parametrize("opened", REAL)
def test_a_consumer_that_is_slow_meets_a_bound(opened: Opened, clip: Path) -> None:
    """Nothing is fetched for a while: a live source has dropped what is old and says so, a recording has waited."""

    async def read(source: Source) -> None:
        async with source.open() as media:
            first = await anext(media.frames)
            await asyncio.sleep(0.7)
            frames = [await anext(media.frames) for _ in range(40)]
            if source.live:
                waited = [frame.pts for frame in frames if frame.pts - first.pts < 0.7]
                assert sum(media.condition.dropped.values()) > 0 or len(waited) < 40
            else:
                assert not media.condition.dropped
            await media.frames.aclose()

    with opened(clip) as source:
        asyncio.run(read(source))
