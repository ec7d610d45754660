"""Media files, decoded by PyAV in a thread of their own."""

from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path

from av.container import InputContainer

from stream.errors import SourceError
from stream.printable import printable
from stream.settings import Settings
from stream.sources.decoding import open_container
from stream.sources.pipe import PipeSource
from stream.sources.reading import read_recording
from stream.sources.recording import Recording
from stream.sources.source import Media, Source


class FileSource:
    """A media file with sound, pictures, or both.

    At most `video_rate` pictures per second are decoded to pixels; sound becomes 16 kHz mono. Raises `SourceError` when
    made for a file that is missing or holds no media, so that this is known before any model is loaded.
    """

    live = False

    def __init__(self, path: str, video_rate: float) -> None:
        self.path = Path(path)
        self.name = printable(self.path.stem) or "file"  # a stream's id is text, a file's name need not be
        self._video_rate = video_rate
        open_media(self.path).close()

    def open(self) -> AbstractAsyncContextManager[Media]:
        """Open the file. Raises `SourceError` when it is missing or holds neither sound nor pictures."""
        return read_recording(self.name, lambda: Recording(str(self.path), open_media(self.path), self._video_rate))


def open_media(path: Path) -> InputContainer:
    """Open a file that has sound or pictures, or raise `SourceError` in one line."""
    with _looking_at(path):
        if not path.exists():
            raise SourceError(f"{path}: there is no such file")
        if path.is_dir():
            raise SourceError(f"{path}: is a folder; name a media file")
        if path.is_file() and path.stat().st_size == 0:
            raise SourceError(f"{path}: the file is empty (0 bytes)")
    return open_container(str(path), str(path), "is it complete, and a video or audio file?")


def from_uri(uri: str, settings: Settings) -> Source:
    """A path, or `file:` and a path; a named pipe is read as one."""
    path = uri.removeprefix("file:").removeprefix("//")
    with _looking_at(Path(path)):
        pipe = Path(path).is_fifo()
    return PipeSource(Path(path), settings.video_rate) if pipe else FileSource(path, settings.video_rate)


@contextmanager
def _looking_at(path: Path) -> Generator[None]:
    """A name that is too long, or a folder that may not be looked into, is a `SourceError`."""
    try:
        yield
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})") from error
