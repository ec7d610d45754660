"""One file from the web: resumed where it stopped, tried again when the line breaks, checked before it gets its name.

What is under way is called `NAME.0.part` (from the first address); a file that has its own name is whole. Standard
library only, as in `stream.weights`: the machine's proxy and certificate settings apply as they stand.
"""

import hashlib
import http.client
import os
import time
import urllib.request
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from urllib.error import HTTPError, URLError

from ebmc_core.errors import DataError
from stream.datasets.dataset import RemoteFile, Report

BLOCK = 1 << 18
TIMEOUT = 60.0  # seconds without a byte
PAUSES = (1.0, 4.0, 15.0)  # seconds before the second, third and last try
RANGE_REFUSED = 416
PASSING = {408, 425, 429, 500, 502, 503, 504}  # a server says: later


class _Broken(Exception):
    """The line broke or the server is busy: worth another try."""


class _Unreachable(Exception):
    """No such host, no such file, no way there: another try would be the same."""


def download(
    file: RemoteFile, folder: Path, report: Report | None = None, pause: Callable[[float], None] = time.sleep
) -> Path:
    """`folder/NAME`, downloaded unless it is there. Raises `DataError` in one line, which says what to do by hand."""
    target = folder / file.name
    if target.is_file():
        if wrong := _mismatch(target, file.digest):
            raise DataError(f"{target} {wrong}: remove it, and it will be fetched again")
        return target
    failures: list[str] = []
    for index, address in enumerate(file.addresses):
        part = folder / f"{file.name}.{index}.part"  # two addresses may give two versions: never join them
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _transfer(address, part, file, report, pause)
            if wrong := _mismatch(part, file.digest):
                part.unlink()
                failures.append(f"{address} {wrong}, so it was not kept")
                continue
            os.replace(part, target)
            for other in folder.glob(f"{file.name}.*.part"):
                other.unlink()
            return target
        except (_Broken, _Unreachable) as error:
            failures.append(f"{address}: {error}")
        except OSError as error:
            raise DataError(
                f"{target} cannot be stored: {error.strerror or error}; make room there or name another --data"
            ) from error
    raise DataError(
        f"{file.name} could not be fetched ({'; '.join(failures)}); get it by hand, put it at {target}, repeat"
    )


def _transfer(
    address: str, part: Path, file: RemoteFile, report: Report | None, pause: Callable[[float], None]
) -> None:
    """Fill `part` from one address, in as many tries as it may take."""
    for wait in (*PAUSES, None):
        try:
            _continue(address, part, file, report)
        except _Broken:
            if wait is None:
                raise
            pause(wait)
        else:
            return


def _continue(address: str, part: Path, file: RemoteFile, report: Report | None) -> None:
    """One request: from where `part` ends, or from the start when the server knows no ranges."""
    done = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": f"ebmc-stream/{version('ebmc-stream')}"} | ({"Range": f"bytes={done}-"} if done else {})
    answer = _answer(urllib.request.Request(address, headers=headers), part)
    with answer:
        if not (answer.status == 206 and (answer.headers.get("Content-Range") or "").startswith(f"bytes {done}-")):
            done = 0
        length = answer.headers.get("Content-Length")
        total = done + int(length) if length else None
        with part.open("ab" if done else "wb") as out:
            while block := _read(answer):
                out.write(block)
                done += len(block)
                if report:
                    whole = total or file.size or done  # when nobody says how long it is, the count alone goes up
                    report(done // 1000, whole // 1000, f"kB of {file.name}")
    if total is not None and done < total:
        raise _Broken(f"the line broke after {done} of {total} bytes")


def _answer(request: urllib.request.Request, part: Path) -> http.client.HTTPResponse:
    """The open answer; every way in which the network fails becomes one of our two errors."""
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT)
    except HTTPError as error:
        error.close()
        if error.code == RANGE_REFUSED:
            part.unlink()  # it is longer than the file: of another version
            raise _Broken("what was there does not belong to it") from error
        raise (_Broken if error.code in PASSING else _Unreachable)(f"HTTP {error.code} {error.reason}") from error
    except URLError as error:
        broken = isinstance(error.reason, TimeoutError | ConnectionResetError)
        raise (_Broken if broken else _Unreachable)(str(error.reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(str(error) or type(error).__name__) from error


def _read(answer: http.client.HTTPResponse) -> bytes:
    try:
        return answer.read(BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(str(error) or type(error).__name__) from error


def _mismatch(path: Path, digest: str | None) -> str:
    """In words how the content differs from `kind:hexadecimal`; empty when it does not, or nothing is known."""
    if digest is None:
        return ""
    kind, _, expected = digest.partition(":")
    with path.open("rb") as content:
        seen = hashlib.file_digest(content, kind).hexdigest()
    return "" if seen == expected else f"has {kind} {seen[:12]}…, expected {expected[:12]}…"
