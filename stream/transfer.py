"""One file from the web: resumed where it stopped, tried again when the line breaks, checked at the end.

What is under way lies in the file that the caller names, and beside it in `NAME.etag` what the server calls this
version of it: the rest of another version is never joined to it. Standard library only: the machine's proxy and
certificate settings apply as they stand.
"""

import http.client
import time
import urllib.request
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from urllib.error import HTTPError, URLError

from stream.checksum import Progress, mismatch

BLOCK = 1 << 18
TIMEOUT = 60.0  # seconds without a byte
PAUSES = (1.0, 4.0, 15.0)  # seconds before the second, third and last try
WORTH = 16_000_000  # bytes; after a try that brought so many, all tries are left again
RANGE_REFUSED = 416
PASSING = {408, 425, 429, 500, 502, 503, 504}  # a server says: later

Pause = Callable[[float], None]


class TransferError(Exception):
    """The address does not give the file; what of it there is stays where it can be resumed, unless it is wrong."""


class _Broken(TransferError):
    """The line broke or the server is busy: worth another try."""


def transfer(
    address: str,
    part: Path,
    digest: str | None = None,
    size: int | None = None,
    progress: Progress | None = None,
    pause: Pause = time.sleep,
) -> None:
    """Fill `part` with the whole file, checked against `kind:hexadecimal`.

    Goes on from what `part` holds already. When pieces that were fetched at different times make a wrong whole, it
    begins from zero, once. size: bytes, where they are known. Raises `TransferError` in one line when the address does
    not give it, `OSError` when it cannot be stored.
    """
    if digest and 0 < _held(part) == (size or _held(part)) and not mismatch(part, digest):
        _version_file(part).unlink(missing_ok=True)
        return  # it was stopped between the last byte and its name
    joined = _fill(address, part, size, progress, pause)
    wrong = mismatch(part, digest)
    if wrong and joined:
        discard(part)
        _fill(address, part, size, progress, pause)
        wrong = mismatch(part, digest)
    if wrong:
        discard(part)
        raise TransferError(f"{wrong}, so it was not kept")
    _version_file(part).unlink(missing_ok=True)


def discard(part: Path) -> None:
    """Remove a half-fetched file and what was noted of it."""
    part.unlink(missing_ok=True)
    _version_file(part).unlink(missing_ok=True)


def _version_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _fill(address: str, part: Path, size: int | None, progress: Progress | None, pause: Pause) -> bool:
    """Fetch what is missing, in as many tries as it may take; whether the whole is of more than one piece."""
    joined, pauses = False, list(PAUSES)
    while True:
        before = _held(part)
        try:
            return _continue(address, part, size, progress) or joined
        except _Broken:
            joined = joined or _held(part) > 0
            if _held(part) - before >= WORTH:
                pauses = list(PAUSES)
            if not pauses:
                raise
            pause(pauses.pop(0))


def _held(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _continue(address: str, part: Path, size: int | None, progress: Progress | None) -> bool:
    """One request: from where `part` ends, or from the start when the server gives it anew; whether it was resumed."""
    done = _held(part)
    with _answer(_request(address, part, done), part) as answer:
        resumed = answer.status == 206 and (answer.headers.get("Content-Range") or "").startswith(f"bytes {done}-")
        _note_version(part, answer.headers.get("ETag"), resumed)
        done = done if resumed else 0
        length = answer.headers.get("Content-Length")
        total = done + int(length) if length else None
        with part.open("ab" if resumed else "wb") as out:
            while block := _read(answer):
                out.write(block)
                done += len(block)
                if progress:
                    progress(done, total or size or done)  # when nobody says how long it is, the count alone goes up
    if total is not None and done < total:
        raise _Broken(f"the line broke after {done} of {total} bytes")
    return resumed


def _request(address: str, part: Path, done: int) -> urllib.request.Request:
    """Ask for what is missing, and only if the file is still the version that was begun."""
    headers = {"User-Agent": f"ebmc-stream/{version('ebmc-stream')}"}
    if done:
        headers["Range"] = f"bytes={done}-"
        known = _version_file(part)
        if known.is_file():
            headers["If-Range"] = known.read_text("utf-8")
    try:
        return urllib.request.Request(address, headers=headers)
    except ValueError as error:  # no scheme, or none that is known
        raise TransferError(str(error)) from error


def _note_version(part: Path, tag: str | None, resumed: bool) -> None:
    """Keep a strong ETag beside the part; raise `_Broken` when the rest is of another version than the beginning."""
    beside = _version_file(part)
    strong = tag if tag and not tag.startswith("W/") else None
    if not resumed:
        beside.unlink(missing_ok=True)
        if strong:
            beside.write_text(strong, "utf-8")
    elif strong and beside.is_file() and beside.read_text("utf-8") != strong:
        discard(part)
        raise _Broken("the file there has changed since the download began")


def _answer(request: urllib.request.Request, part: Path) -> http.client.HTTPResponse:
    """The open answer; every way in which the network fails becomes one of our two errors."""
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT)
    except HTTPError as error:
        error.close()
        if error.code == RANGE_REFUSED:
            discard(part)  # it is longer than the file: of another version
            raise _Broken("what was there does not belong to it") from error
        raise (_Broken if error.code in PASSING else TransferError)(f"HTTP {error.code} {error.reason}") from error
    except URLError as error:
        broken = isinstance(error.reason, TimeoutError | ConnectionResetError)
        raise (_Broken if broken else TransferError)(str(error.reason)) from error
    except http.client.InvalidURL as error:
        raise TransferError("the address cannot be read") from error
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(str(error) or type(error).__name__) from error


def _read(answer: http.client.HTTPResponse) -> bytes:
    try:
        return answer.read(BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(str(error) or type(error).__name__) from error
