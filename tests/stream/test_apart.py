"""Sources that another process reads: the same frames, the same promises, and one more when that process dies."""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import psutil
import pytest

from stream.apart import decoders as apart
from stream.apart.decoders import Decoders, decoders_for
from stream.apart.shelf import PLACES, Print, Shelf, shelf_file
from stream.bench.pace import PaceClock
from stream.bench.played import PlayedSource
from stream.bench.reel import MemoryReel, decoded_reel, remembered
from stream.errors import SourceError, SourceLost
from stream.records import AudioFrame, VideoFrame
from stream.settings import Settings
from stream.sources.connection import Input
from stream.sources.live import LiveSource
from stream.sources.source import Link, source_from
from tests.stream.listening import (
    QUICK,
    RTSP_SERVER,
    STEADY,
    Listener,
    Program,
    free_port,
    listening,
    serving,
    until,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sockets that pass files on are POSIX")


@pytest.fixture
def decoders() -> Iterator[Decoders]:
    """One process."""
    with Decoders(QUICK) as made:
        yield made
        pids = made.pids
    assert not any(map(psutil.pid_exists, pids))


def picture(width: int, height: int, kind: str, seed: int = 0) -> av.VideoFrame:
    """Coarse noise, so that the two halves of the chroma matter."""
    noise = np.random.default_rng(seed).integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), np.uint8)
    pixels = noise.repeat(4, 0).repeat(4, 1)[:height, :width]
    made = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24").reformat(format=kind)
    made.pts, made.time_base = seed, Fraction(1, 10)
    return made


def ends() -> tuple[Shelf, Shelf]:
    """Where pictures are put in, and where they are taken out."""
    file = shelf_file()
    return Shelf(os.dup(file)), Shelf(file)


@pytest.mark.parametrize("kind", ["yuv420p", "yuvj420p", "nv12", "yuv444p", "rgb24", "gray"])
@pytest.mark.parametrize(("width", "height"), [(640, 360), (62, 34), (33, 17)])
def test_the_pixels_of_a_picture_on_the_shelf_are_those_it_has(kind: str, width: int, height: int) -> None:
    there, here = ends()
    made = picture(width, height, kind)
    ticket = there.put(made)
    assert ticket
    assert np.array_equal(Print(here, ticket)(), made.to_ndarray(format="rgb24"))


def test_what_the_colours_mean_goes_with_the_picture() -> None:
    there, here = ends()
    made = picture(64, 64, "yuv420p")
    plain = made.to_ndarray(format="rgb24")
    made.colorspace, made.color_range = 1, 2  # BT.709, of all values
    ticket = there.put(made)
    assert ticket
    shown = Print(here, ticket)()
    assert np.array_equal(shown, made.to_ndarray(format="rgb24"))
    assert not np.array_equal(shown, plain)


def test_a_place_is_taken_until_the_pixels_are_made_or_nobody_wants_them() -> None:
    there, here = ends()
    kept = [Print(here, ticket) for n in range(PLACES) if (ticket := there.put(picture(64, 64, "nv12", n)))]
    assert len(kept) == PLACES
    assert there.put(picture(64, 64, "nv12")) is None
    looked = kept[3]()
    assert there.put(picture(64, 64, "nv12", 99))
    assert there.put(picture(64, 64, "nv12")) is None
    assert np.array_equal(kept[3](), looked)  # kept, though another picture lies there now
    del kept[5]
    gc.collect()
    assert there.put(picture(64, 64, "nv12"))


def test_pictures_may_become_larger_and_smaller_on_the_way() -> None:
    there, here = ends()
    sizes = [(64, 64), (640, 360), (32, 32), (642, 362), (1280, 720)]
    made = [picture(width, height, "yuv420p", n) for n, (width, height) in enumerate(sizes)]
    tickets = [there.put(one) for one in made]
    for one, ticket in zip(made, tickets, strict=True):
        assert ticket
        assert np.array_equal(Print(here, ticket)(), one.to_ndarray(format="rgb24"))


def test_frames_of_another_process_are_the_same_frames(clip: Path, decoders: Decoders) -> None:
    reel = decoded_reel(clip, 10.0)
    kept = [frame for frame in remembered(reel) if frame.end < 2.0]

    async def play() -> PlayedSource:
        source = PlayedSource("s", MemoryReel(kept, 2.0, 0.0, reel.kinds), PaceClock(), seconds=1.5)
        decoders.offer([source])
        async with source.open() as media:
            assert media.kinds == reel.kinds
            assert source.condition.begun is None  # nothing is played before somebody asks
            async for frame in media.frames:
                found.append(frame)
        return source

    found = list[AudioFrame | VideoFrame]()
    source = asyncio.run(play())
    came = {(type(frame), round(frame.pts, 4)): frame for frame in found}
    assert sum(source.condition.fed.values()) == sum(source.taken.values()) + source.dropped
    assert len(found) > 30
    for frame in kept:
        twin = came.get((type(frame), round(frame.pts, 4)))
        if isinstance(frame, AudioFrame) and isinstance(twin, AudioFrame):
            assert np.array_equal(frame.samples, twin.samples[: len(frame.samples)])
        elif isinstance(frame, VideoFrame) and isinstance(twin, VideoFrame):
            assert np.array_equal(frame.image, twin.image)


def test_what_is_not_taken_is_dropped_there_and_counted(decoders: Decoders, clip: Path) -> None:
    clock = PaceClock()

    async def play() -> PlayedSource:
        source = PlayedSource("s", decoded_reel(clip, 10.0), clock, seconds=6.0, buffer=0.5)
        decoders.offer([source])
        async with source.open() as media:
            await anext(media.frames)
            await clock.sleep_until(source.moment(0.0) + 5.5)  # the loop is free, and takes nothing
            async for _ in media.frames:
                pass
        return source

    source = asyncio.run(play())
    assert source.condition.dropped["newer picture"] > 20
    assert source.condition.dropped["sound buffer full"] > 50
    assert sum(source.condition.fed.values()) == sum(source.taken.values()) + source.dropped


@asynccontextmanager
async def watched(clip: Path, decoders: Decoders, settings: Settings) -> AsyncIterator[tuple[Program, Listener]]:
    """A camera on the network, and what is heard of it by way of the process apart."""
    port = free_port()
    with serving(RTSP_SERVER, str(port), clip) as camera:
        camera.await_port(port)
        source = source_from(f"rtsp://127.0.0.1:{port}/live", settings)
        decoders.offer([source])
        async with listening(source) as heard:
            await until(lambda: heard.sound and heard.pictures)
            yield camera, heard


def test_a_camera_that_dies_comes_back_and_what_is_said_of_it_is_said_here(
    clip: Path, decoders: Decoders, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "stream")

    async def watch() -> None:
        async with watched(clip, decoders, QUICK) as (camera, heard):
            camera.kill()
            await until(lambda: heard.condition.state is Link.WAITING)
            camera.start()
            await until(lambda: heard.condition.reconnects >= 1 and heard.condition.state is Link.OPEN)
            count = len(heard.pictures)
            await until(lambda: len(heard.pictures) > count + 3)
            heard.assert_in_order()
            assert heard.condition.origin is not None
            assert abs(time.monotonic() - heard.condition.origin - heard.sound[-1].end) < 10

    asyncio.run(watch())
    said = [record.getMessage() for record in caplog.records if record.name == "stream.sources.live"]
    assert any("is lost" in line for line in said)
    assert any("is back" in line for line in said)


@pytest.mark.parametrize("way", ["killed", "stopped"])
def test_when_the_process_dies_or_hangs_another_goes_on_where_it_was(
    clip: Path, decoders: Decoders, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "SILENT", 4)

    async def watch() -> None:
        async with watched(clip, decoders, STEADY) as (_, heard):
            (first,) = decoders.pids
            before = time.monotonic() - heard.sound[-1].end
            os.kill(first, signal.SIGKILL if way == "killed" else signal.SIGSTOP)
            await until(lambda: heard.condition.state is Link.WAITING)
            await until(lambda: heard.condition.reconnects == 1 and heard.condition.state is Link.OPEN)
            count = len(heard.sound)
            await until(lambda: len(heard.sound) > count + 20 and heard.pictures[-1].pts > heard.sound[count].pts)
            heard.assert_in_order()
            assert decoders.pids != [first]
            after = time.monotonic() - heard.sound[-1].end  # the wall clock at event time 0 is where it was
            assert abs(after - before) < 5

    asyncio.run(watch())


def test_an_address_where_nothing_answers_is_one_line(decoders: Decoders) -> None:
    async def watch() -> None:
        source = source_from(f"rtsp://127.0.0.1:{free_port()}/live", QUICK)
        decoders.offer([source])
        async with source.open():
            pass

    with pytest.raises(SourceError, match="is the camera on"):
        asyncio.run(watch())


def test_a_source_that_is_gone_for_good_is_lost(clip: Path, decoders: Decoders) -> None:
    async def watch() -> None:
        port = free_port()
        with serving(RTSP_SERVER, str(port), clip) as camera:
            camera.await_port(port)
            source = source_from(f"rtsp://127.0.0.1:{port}/live", QUICK.model_copy(update={"gone_after": 1.0}))
            decoders.offer([source])
            async with listening(source) as heard:
                await until(lambda: heard.pictures)
                camera.kill()
                await until(lambda: heard.ended)
                assert isinstance(heard.error, SourceLost)

    asyncio.run(watch())


def test_leaving_does_not_wait_for_a_source_that_cannot_be_opened(decoders: Decoders) -> None:
    async def leave() -> float:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            address = f"rtsp://127.0.0.1:{silent.getsockname()[1]}/live"
            source = source_from(address, Settings(open_timeout=100))
            decoders.offer([source])
            opening = asyncio.ensure_future(source.open().__aenter__())
            await asyncio.sleep(1.5)
            begun = time.monotonic()
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            return time.monotonic() - begun

    assert asyncio.run(leave()) < 20


def test_one_source_is_read_here_and_several_by_a_process_apart() -> None:
    def cameras(count: int) -> list[LiveSource]:
        return [LiveSource(f"cam-{n}", [Input("cam", "rtsp://nowhere", "")], Settings()) for n in range(count)]

    for settings, count, moved in ((None, 1, False), (None, 2, True), (0, 3, False), (1, 1, True)):
        sources = cameras(count)
        decoders_for(sources, Settings(decoders=settings))
        assert all((source.decoders is not None) == moved for source in sources), (settings, count)
