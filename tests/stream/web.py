"""A web server on this machine whose faults are data: how many bytes it gives before the line breaks, which codes."""

import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Web:
    """files: path -> content. cuts: bytes after which the next answers break off. codes: what the next answers are.

    tags: path -> ETag. holds: bytes after which the next answers stand still until `gate` is set.
    """

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    holds: list[int] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    ranges: bool = True
    if_range: bool = True
    asked: list[str] = field(default_factory=list)  # path and range of each request
    sent: int = 0

    def put(self, path: str, content: bytes) -> str:
        """Serve `content`; its address."""
        self.files[f"/{path}"] = content
        return f"{self.address}/{path}"


def _handler(web: Web) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range") or ""
            web.asked.append(f"{self.path} {wanted}".strip())
            content = web.files.get(self.path)
            if web.codes or content is None:
                self.send_error(web.codes.pop(0) if web.codes else 404)
                return
            start = int(found[1]) if web.ranges and (found := re.match(r"bytes=(\d+)-", wanted)) else 0
            if web.if_range and self.headers.get("If-Range", web.tags.get(self.path)) != web.tags.get(self.path):
                start = 0
            if start >= len(content) > 0:
                self.send_error(416)
                return
            body = content[start:]
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            if self.path in web.tags:
                self.send_header("ETag", web.tags[self.path])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            body = body[: web.cuts.pop(0)] if web.cuts else body
            web.sent += len(body)
            if web.holds:
                held = web.holds.pop(0)
                self.wfile.write(body[:held])
                web.gate.wait(60)
                body = body[held:]
            with suppress(ConnectionError):  # who asked may be gone
                self.wfile.write(body)

        def log_message(self, *args: object) -> None: ...

    return Handler


@contextmanager
def serving() -> Iterator[Web]:
    """A server while the block runs."""
    web = Web()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(web)) as server:
        web.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield web
        finally:
            web.gate.set()
            server.shutdown()
            thread.join()
