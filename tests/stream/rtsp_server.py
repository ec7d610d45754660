"""A small RTSP server with a camera that plays a file over and over, in a process of its own.

    python rtsp_server.py PORT FILE

FFmpeg's own RTSP muxer is the camera: it announces the stream and records to this server, which relays its RTP packets,
interleaved in the TCP connection, to everyone who plays. A new player first gets the packets since the last keyframe
began, as servers with a cache do.
"""

import re
import socketserver
import subprocess
import sys
import threading
import time

import av

KEYFRAME_EVERY = 25  # pictures


class Relay:
    """What the camera announced, and who plays it."""

    def __init__(self) -> None:
        self.description = b""
        self.ready = threading.Event()
        self.lock = threading.Lock()
        self.players: set[Conversation] = set()

    def send(self, packet: bytes) -> None:
        with self.lock:
            players = list(self.players)
        for player in players:
            player.push(packet)


class Conversation(socketserver.StreamRequestHandler):
    """One RTSP connection: the camera's or a player's."""

    server: "Server"

    def handle(self) -> None:
        try:
            while self._one():
                pass
        except OSError:
            pass
        finally:
            with self.server.relay.lock:
                self.server.relay.players.discard(self)

    def push(self, packet: bytes) -> None:
        try:
            self.connection.sendall(packet)
        except OSError:
            with self.server.relay.lock:
                self.server.relay.players.discard(self)

    def _one(self) -> bool:
        first = self.rfile.read(1)
        if first == b"$":
            header = self.rfile.read(3)
            body = self.rfile.read(int.from_bytes(header[1:], "big"))
            self.server.relay.send(b"$" + header + body)
            return True
        line = first + self.rfile.readline()
        if not line.strip():
            return False
        headers: dict[str, str] = {}
        while text := self.rfile.readline().decode().strip():
            name, _, value = text.partition(":")
            headers[name.lower()] = value.strip()
        body = self.rfile.read(int(headers.get("content-length", 0)))
        method, address, _ = line.decode().split(" ", 2)
        return self._answer(method, address, headers, body)

    def _answer(self, method: str, address: str, headers: dict[str, str], body: bytes) -> bool:
        relay, extra, content = self.server.relay, "", b""
        if method == "OPTIONS":
            extra = "Public: OPTIONS, DESCRIBE, ANNOUNCE, SETUP, PLAY, RECORD, TEARDOWN\r\n"
        elif method == "ANNOUNCE":
            relay.description = body
        elif method == "DESCRIBE":
            relay.ready.wait(10)
            content = relay.description
            extra = f"Content-Type: application/sdp\r\nContent-Base: {address}/\r\n"
        elif method == "SETUP":
            if "TCP" not in headers["transport"]:
                return self._reply(headers, "461 Unsupported Transport")
            track = int((re.search(r"streamid=(\d+)", address) or [0, 0])[1])
            extra = f"Transport: RTP/AVP/TCP;unicast;interleaved={2 * track}-{2 * track + 1}\r\n"
        elif method == "RECORD":
            relay.ready.set()
        goes_on = self._reply(headers, "200 OK", extra, content) and method != "TEARDOWN"
        if method == "PLAY":
            with relay.lock:
                relay.players.add(self)
        return goes_on

    def _reply(self, headers: dict[str, str], status: str, extra: str = "", content: bytes = b"") -> bool:
        size = f"Content-Length: {len(content)}\r\n" if content else ""
        head = f"RTSP/1.0 {status}\r\nCSeq: {headers['cseq']}\r\nSession: 1\r\n{extra}{size}\r\n"
        self.connection.sendall(head.encode() + content)
        return True


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int) -> None:
        self.relay = Relay()
        super().__init__(("127.0.0.1", port), Conversation)


def record(path: str, port: int) -> None:
    """Be the camera: encode the file with frequent keyframes and send it in real time, over and over."""
    options = {"rtsp_transport": "tcp"}
    with av.open(f"rtsp://127.0.0.1:{port}/live", "w", format="rtsp", options=options) as out, av.open(path) as source:
        video = out.add_stream("libx264", rate=25, options={"preset": "ultrafast", "tune": "zerolatency"})
        shape = source.streams.video[0]
        video.width, video.height, video.pix_fmt, video.gop_size = shape.width, shape.height, "yuv420p", KEYFRAME_EVERY
        audio = out.add_stream("aac", rate=44_100, layout="mono")
        begin, offset = time.monotonic(), 0.0
        while True:
            end = 0.0
            source.seek(0)
            for frame in source.decode(source.streams.video[0], source.streams.audio[0]):
                end = max(end, frame.time)
                time.sleep(max(0.0, begin + offset + frame.time - time.monotonic()))
                stream = video if isinstance(frame, av.VideoFrame) else audio
                frame.pts += round(offset / frame.time_base)
                if stream is video:
                    frame.pict_type = 0
                out.mux(stream.encode(frame))
            offset += end + 0.04


if __name__ == "__main__":
    if sys.argv[1] == "camera":
        record(sys.argv[3], int(sys.argv[2]))
    else:
        server = Server(int(sys.argv[1]))
        # a process of its own: PyAV does not let other threads run while it writes the header of a container
        subprocess.Popen([sys.executable, __file__, "camera", *sys.argv[1:]])
        server.serve_forever()
