"""A camera's stream into chunks without decoding it: real RTSP and HTTP, compared with what a decoder sees of them."""

import asyncio
import http.server
import itertools
import threading
import time
from collections.abc import Callable
from contextlib import aclosing, suppress
from pathlib import Path

import av
import numpy as np
import pytest

from stream.chunks.chunk import Chunk
from stream.chunks.live_cutting import LiveCutter
from stream.chunks.packet_cutting import GROUP
from stream.chunks.reading import ChunkReader
from stream.records import AudioFrame, VideoFrame
from stream.sources.network import NetworkSource
from tests.chunks.films import remade
from tests.stream.listening import RTSP_SERVER, STEADY, free_port, listening, serving, until

ALL = STEADY.model_copy(update={"video_rate": 240.0, "open_timeout": 60.0, "live_buffer": 60.0})


async def chunks_of(source: NetworkSource, enough: Callable[[list[Chunk]], bool]) -> tuple[list[Chunk], LiveCutter]:
    found: list[Chunk] = []
    async with asyncio.timeout(90), source.open_packets() as packets:
        cutter = LiveCutter("cam-1", "run", packets.kinds, 1.0, 1.0, 10.0)
        async with aclosing(packets.items) as items:
            async for item in items:
                found += cutter.push(item)
                if enough(found):
                    break
    return [*found, *cutter.finish()], cutter


@pytest.mark.timeout(180)
def test_rtsp_is_copied_and_gives_the_pictures_that_a_decoder_gives(clip: Path) -> None:
    port = free_port()

    async def both() -> tuple[list[Chunk], LiveCutter, list[VideoFrame]]:
        address = f"rtsp://127.0.0.1:{port}/cam"
        async with listening(NetworkSource(address, ALL)) as camera:
            await until(lambda: len(camera.pictures) > 5, 60)
            chunks, cutter = await chunks_of(NetworkSource(address, ALL), lambda found: len(found) >= 4)
            last = len(camera.pictures)
            await until(lambda: len(camera.pictures) > last + 10, 60)
            return chunks, cutter, camera.pictures

    with serving(RTSP_SERVER, str(port), clip) as camera:
        camera.await_port(port)
        chunks, cutter, shown = asyncio.run(both())
    assert cutter.copied
    assert [chunk.sequence for chunk in chunks] == list(range(len(chunks)))
    assert all(one.end == two.start for one, two in itertools.pairwise(chunks))
    assert all(chunk.end - chunk.start <= 1.0 + GROUP for chunk in chunks)
    reader = ChunkReader(240.0, live=True)
    frames = [frame for chunk in chunks for frame in reader.frames(chunk)]
    pictures = [frame for frame in frames if isinstance(frame, VideoFrame)]
    assert len(pictures) >= 4 * 25 - 2
    # what the decoder showed meanwhile (it leaves out what the loop does not fetch in time) is there, to the bit
    same, seen = ([picture.image.tobytes() for picture in row] for row in (pictures, shown))
    places = {image: place for place, image in enumerate(same)}
    common = [n for n, image in enumerate(seen) if image in places]
    assert len(common) > 20
    assert common == list(range(common[0], common[-1] + 1))
    assert [places[seen[n]] for n in common] == sorted(places[seen[n]] for n in common)
    steps = np.diff([picture.pts for picture in pictures])
    assert 0.03 < steps.min() <= steps.max() < 0.1  # the camera plays 24 pictures a second on a grid of 25
    sound = sum(len(frame.samples) for frame in frames if isinstance(frame, AudioFrame)) / 16_000
    assert sound == pytest.approx(pictures[-1].pts - pictures[0].pts, abs=0.7)


@pytest.mark.timeout(180)
def test_a_web_server_that_breaks_off_is_copied_and_its_openings_are_not_mixed(clip: Path, tmp_path: Path) -> None:
    """MPEG-TS without a length, with pictures that need later ones; the server ends each answer after some seconds."""
    content = remade(clip, tmp_path / "film.ts", seconds=4.0).read_bytes()
    pace = len(content) // 40 // 188 * 188  # whole packets, a tenth of a second each

    class Endless(http.server.BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None: ...

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            begin = time.monotonic()
            with suppress(OSError):
                for number in range(42):
                    self.wfile.write(content[number * pace : (number + 1) * pace])
                    time.sleep(max(0.0, begin + number / 10 - time.monotonic()))

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        source = NetworkSource(f"http://127.0.0.1:{server.server_address[1]}/live.ts", ALL)
        chunks, cutter = asyncio.run(chunks_of(source, lambda found: len(found) >= 6))
        server.shutdown()
    assert source.live
    assert cutter.copied
    assert all(one.end <= two.start for one, two in itertools.pairwise(chunks))
    assert any(one.end < two.start for one, two in itertools.pairwise(chunks))  # it was opened again
    reader = ChunkReader(240.0, live=True)
    pictures = [frame for chunk in chunks for frame in reader.frames(chunk) if isinstance(frame, VideoFrame)]
    expected = {frame.to_ndarray(format="rgb24").tobytes() for frame in decoded(tmp_path / "film.ts")}
    assert len(pictures) > 72
    assert all(picture.image.tobytes() in expected for picture in pictures)


def decoded(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))
