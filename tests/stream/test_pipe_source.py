"""Standard input and named pipes, whose writers fall silent."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from stream.settings import Settings
from stream.sources.source import source_from
from tests.stream.listening import listening, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="named pipes are POSIX")
COMMAND = [sys.executable, "-m", "stream.cli", "run", "-", "--asr", "none", "--without", "video", "--hop", "4"]


def test_a_clip_piped_into_the_command(clip: Path) -> None:
    with subprocess.Popen(["cat", clip], stdout=subprocess.PIPE) as writer:
        done = subprocess.run(COMMAND, stdin=writer.stdout, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 7
    assert '"stream": "stdin"' in done.stdout


def test_a_named_pipe_that_stays_open_gives_what_was_sent_and_is_left_at_once(clip: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "talk.mp4"
    os.mkfifo(fifo)
    leave = threading.Event()

    def write() -> None:
        with fifo.open("wb") as pipe:
            pipe.write(clip.read_bytes())
            pipe.flush()
            leave.wait(60)

    async def run() -> None:
        source = source_from(str(fifo), Settings())
        assert source.name == "talk"
        threading.Thread(target=write, daemon=True).start()
        async with listening(source) as heard:
            await until(lambda: heard.sound and heard.sound[-1].end > 25)
            heard.assert_in_order()
            assert not heard.ended
            begin = time.monotonic()
        assert time.monotonic() - begin < 30, "nobody waits for its writer, who waits for a minute"

    try:
        asyncio.run(run())
    finally:
        leave.set()


def test_a_named_pipe_without_a_writer_is_left_at_once(tmp_path: Path) -> None:
    fifo = tmp_path / "nobody"
    os.mkfifo(fifo)

    async def run() -> None:
        task = asyncio.ensure_future(source_from(str(fifo), Settings()).open().__aenter__())
        await asyncio.wait([task], timeout=0.5)
        assert not task.done()
        task.cancel()
        await asyncio.wait([task], timeout=30)
        assert task.done()

    asyncio.run(run())
