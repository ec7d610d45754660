"""RTSP, UDP, HTTP and HLS from real servers, which die, hang and come back."""

import asyncio
import contextlib
import http.server
import signal
import sys
import threading
import time
from pathlib import Path

import av
import pytest

from ebmc_core.modality import Modality
from stream.errors import SourceError, SourceLost
from stream.settings import Settings
from stream.sources.source import Link, source_from
from tests.stream.listening import QUICK, RTSP_SERVER, STEADY, Listener, free_port, listening, serving, until
from tests.stream.web_folder import web_folder

BOTH = frozenset({Modality.AUDIO, Modality.VIDEO})
SENDER = Path(__file__).with_name("udp_sender.py")


def test_a_camera_that_is_not_there_at_the_start_is_waited_for(clip: Path, caplog: pytest.LogCaptureFixture) -> None:
    # camera             |--- sends ---
    # source   |- tried -|--- open ---
    async def watch() -> None:
        port = free_port()
        patient = STEADY.model_copy(update={"open_patience": 60.0, "reconnect_wait": 0.1})
        with serving(RTSP_SERVER, str(port), clip, started=False) as camera:

            async def switch_on() -> None:
                await until(lambda: "is not there yet" in caplog.text)
                camera.start()

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(switch_on())
                async with listening(source_from(f"rtsp://127.0.0.1:{port}/live", patient)) as heard:
                    assert heard.kinds == BOTH
                    await until(lambda: len(heard.sound) > 30)
                    assert heard.condition.state is Link.OPEN
                    assert (heard.condition.reconnects, heard.condition.gaps) == (0, 0), "it was never lost"
                    heard.assert_in_order()

    asyncio.run(watch())


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_patience_ends(scheme: str) -> None:
    async def try_it() -> None:
        patient = STEADY.model_copy(update={"open_patience": 0.5, "reconnect_wait": 0.1, "reconnect_most": 0.1})
        begin = time.monotonic()
        with pytest.raises(SourceError):
            async with listening(source_from(f"{scheme}://127.0.0.1:{free_port()}/live", patient)):
                raise AssertionError("it was opened")
        assert time.monotonic() - begin >= 0.5

    asyncio.run(try_it())


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_an_rtsp_camera_that_is_killed_comes_back(clip: Path, caplog: pytest.LogCaptureFixture) -> None:
    # camera   |--- sends ---X               |--- sends ---
    # state    |--- open ----|-- waiting ----|--- open ----
    caplog.set_level("INFO", "stream")

    async def watch() -> None:
        port = free_port()
        with serving(RTSP_SERVER, str(port), clip) as camera:
            camera.await_port(port)
            source = source_from(f"rtsp://127.0.0.1:{port}/live", STEADY)
            assert (source.name, source.live) == ("127.0.0.1-live", True)
            async with listening(source) as heard:
                assert heard.kinds == BOTH
                await until(lambda: len(heard.sound) > 30 and len(heard.pictures) > 10)
                before = time.monotonic()
                camera.kill()
                await until(lambda: heard.condition.state is Link.WAITING)
                lost = heard.sound[-1].end
                camera.start()
                count = len(heard.frames)
                await until(lambda: len(heard.frames) > count + 20)
                assert heard.condition.state is Link.OPEN
                assert (heard.condition.reconnects, heard.condition.gaps) == (1, 1)
                assert heard.condition.last
                heard.assert_in_order()
                # event time went on by the wall clock while nothing came
                fresh = next(frame for frame in heard.sound if frame.pts > lost)
                away = time.monotonic() - before
                assert 0.5 < fresh.pts - lost < away + 3.0

    asyncio.run(watch())
    lines = [record.levelname for record in caplog.records if record.name.startswith("stream")]
    assert lines == ["WARNING", "INFO"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_an_rtsp_camera_that_hangs_is_given_up_and_leaving_it_is_quick(clip: Path) -> None:
    async def watch() -> None:
        port = free_port()
        with serving(RTSP_SERVER, str(port), clip) as camera:
            camera.await_port(port)
            async with listening(source_from(f"rtsp://127.0.0.1:{port}/live", QUICK)) as heard:
                await until(lambda: len(heard.frames) > 20)
                camera.signal(signal.SIGSTOP)
                await until(lambda: heard.condition.state is Link.WAITING, QUICK.read_timeout + 10.0)
                camera.signal(signal.SIGCONT)
                await until(lambda: heard.condition.reconnects)
                count = len(heard.frames)
                await until(lambda: len(heard.frames) > count + 20)
                heard.assert_in_order()
            async with listening(source_from(f"rtsp://127.0.0.1:{port}/live", STEADY)) as heard:
                await until(lambda: len(heard.frames) > 20)
                camera.signal(signal.SIGSTOP)
                await silence(heard)
                begin = time.monotonic()
            assert time.monotonic() - begin < STEADY.read_timeout / 2, "nobody waits for a read that hangs"

    asyncio.run(watch())


async def silence(heard: Listener, seconds: float = 0.5) -> None:
    """Wait until nothing has come for so long."""
    count, since = -1, 0.0
    while time.monotonic() - since < seconds:
        if len(heard.frames) != count:
            count, since = len(heard.frames), time.monotonic()
        await asyncio.sleep(0.02)


def test_a_camera_that_never_worked_is_an_error_and_one_that_is_gone_for_long_is_lost(clip: Path) -> None:
    port = free_port()
    address = f"rtsp://user:secret@127.0.0.1:{port}/live"

    async def never() -> None:
        async with listening(source_from(address, QUICK)):
            pass

    with pytest.raises(SourceError, match="is the camera on") as refused:
        asyncio.run(never())
    assert refused.value.exit_code == 2
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)

    async def gone() -> SourceError | None:
        with serving(RTSP_SERVER, str(port), clip) as camera:
            camera.await_port(port)
            impatient = STEADY.model_copy(update={"gone_after": 0.5})
            async with listening(source_from(address, impatient)) as heard:
                await until(lambda: len(heard.frames) > 5)
                camera.kill()
                await until(lambda: heard.ended)
                return heard.error

    error = asyncio.run(gone())
    assert isinstance(error, SourceLost)
    assert error.exit_code == 3


def test_a_udp_stream_comes_back_when_its_sender_does(clip: Path) -> None:
    async def watch() -> None:
        address = f"udp://127.0.0.1:{free_port()}"
        with serving(SENDER, address, clip) as sender:
            async with listening(source_from(address, QUICK)) as heard:
                assert heard.kinds == BOTH
                await until(lambda: len(heard.sound) > 20 and len(heard.pictures) > 5)
                sender.kill()
                await until(lambda: heard.condition.state is Link.WAITING)
                sender.start()
                await until(lambda: heard.condition.reconnects)
                heard.assert_in_order()

    asyncio.run(watch())


def segments(clip: Path, folder: Path) -> None:
    """The clip as HLS: a playlist that has ended, and one that has not yet come to its last segment."""
    with av.open(str(clip)) as source:
        options = {"hls_time": "2", "hls_list_size": "0"}
        with av.open(str(folder / "whole.m3u8"), "w", format="hls", options=options) as out:
            copies = {stream.index: out.add_stream_from_template(stream) for stream in source.streams}
            for packet in source.demux():
                if packet.dts is not None:
                    packet.stream = copies[packet.stream.index]
                    out.mux(packet)
    begun, _, _ = (folder / "whole.m3u8").read_text().rpartition("#EXTINF")
    (folder / "live.m3u8").write_text(begun)


def test_recordings_on_the_web_end_at_their_end(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(clip.read_bytes())
    segments(clip, tmp_path)

    async def read(address: str) -> float:
        source = source_from(address, STEADY)
        async with listening(source) as heard:
            assert not source.live
            await until(lambda: heard.ended)
            assert heard.error is None
            assert heard.condition.reconnects == 0
            heard.assert_in_order()
            return heard.sound[-1].end

    with web_folder(tmp_path) as address:
        for name in ("clip.mp4", "whole.m3u8"):
            assert asyncio.run(read(f"{address}/{name}")) == pytest.approx(27.0, abs=0.1)


def test_half_a_recording_on_the_web_says_where_it_broke_off(clip: Path, tmp_path: Path) -> None:
    content = clip.read_bytes()
    (tmp_path / "half.mp4").write_bytes(content[: len(content) // 2])

    async def read(address: str) -> SourceError | None:
        async with listening(source_from(address, STEADY)) as heard:
            await until(lambda: heard.ended)
            return heard.error

    with web_folder(tmp_path) as address:
        assert "27.0 s" in str(asyncio.run(read(f"{address}/half.mp4")))


def test_live_hls_is_read_at_the_pace_of_its_timestamps(clip: Path, tmp_path: Path) -> None:
    segments(clip, tmp_path)

    async def read(address: str) -> None:
        source = source_from(address, Settings())
        async with listening(source) as heard:
            assert source.live
            begin = time.monotonic()
            await until(lambda: heard.sound and heard.sound[-1].end > 2.0)
            assert time.monotonic() - begin > 0.8
            assert not set(heard.condition.dropped) - {"settling"}
            heard.assert_in_order()

    with web_folder(tmp_path) as address:
        asyncio.run(read(f"{address}/live.m3u8"))


def test_an_endless_answer_of_a_web_server_is_live_and_comes_back(clip: Path, tmp_path: Path) -> None:
    """MPEG-TS without a length, as set-top boxes and VLC serve it; the server ends each answer after 3 s."""
    with av.open(str(clip)) as source, av.open(str(tmp_path / "clip.ts"), "w") as out:
        copies = {stream.index: out.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
    content = (tmp_path / "clip.ts").read_bytes()

    class Endless(http.server.BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None: ...

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            pace, begin = len(content) / 27.0, time.monotonic()
            with contextlib.suppress(OSError):
                for number in range(30):  # a tenth of a second each
                    self.wfile.write(content[round(number * pace / 10) : round((number + 1) * pace / 10)])
                    time.sleep(max(0.0, begin + number / 10 - time.monotonic()))

    async def read(address: str) -> None:
        source = source_from(address, STEADY)
        async with listening(source) as heard:
            assert source.live
            await until(lambda: heard.condition.reconnects == 2)
            heard.assert_in_order()
            assert heard.condition.last
            assert len(heard.sound) > 40

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        asyncio.run(read(f"http://127.0.0.1:{server.server_address[1]}/live.ts"))
        server.shutdown()


@pytest.mark.parametrize(("path", "message"), [("missing.mp4", "404"), ("words.mp4", "cannot be read as media")])
def test_what_the_web_does_not_have_is_said_in_one_line(tmp_path: Path, path: str, message: str) -> None:
    (tmp_path / "words.mp4").write_bytes(b"just some words\n" * 20)

    async def read(address: str) -> None:
        async with listening(source_from(address, QUICK)):
            pass

    with web_folder(tmp_path) as address, pytest.raises(SourceError, match=message) as refused:
        asyncio.run(read(f"{address}/{path}"))
    assert "\n" not in str(refused.value)
