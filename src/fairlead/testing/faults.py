"""A proxy in front of a real API server that does to reads what networks, gateways and servers do.

What it does follows from a seed, so that whatever was found once is found again. After a number of faults it passes
everything on: what was wrong must then become right.

Source: the ways in which clients of Kubernetes are known to lose events, each one a `Fault`.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import socket
import ssl
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, NamedTuple, get_args
from urllib.parse import parse_qs, urlsplit

HeadFault = Literal["refused", "gateway", "throttled", "unauthorized", "expired", "broken-page"]
"""In the place of an answer: the connection closes; HTML with 502; 429 with Retry-After; 401; 410; or half of one."""

StreamFault = Literal["cut", "truncated", "expired-in-stream", "error-in-stream", "repeated", "lost", "silent", "ended"]
"""In the middle of a watch: the connection breaks in a line; a line is half and the stream ends; an ERROR event with
410, or with 500; each event comes twice; events are dropped and the stream ends; nothing comes any more although the
connection stands; the stream ends."""

HEAD: Sequence[HeadFault] = get_args(HeadFault)
STREAM: Sequence[StreamFault] = get_args(StreamFault)


class Planned(NamedTuple):
    """What happens to one request: which fault, and after how many events of a watch."""

    fault: HeadFault | StreamFault | None
    after: int = 0


class Schedule:
    """Draws what happens to each request, from a seed.

    Args:
        seed: The same seed gives the same faults in the same order.
        faults: How many there are; after them all is well.
        density: How many requests have one, while there are any left.
        only: These faults and no others; empty for all.
    """

    def __init__(self, seed: int, *, faults: int = 6, density: float = 0.7, only: Sequence[str] = ()) -> None:
        self._random = random.Random(seed)
        self._left, self._density, self._only = faults, density, only
        self._lock = threading.Lock()
        self.done: list[str] = []
        """The faults that have been drawn, in order."""

    def draw(self, *, is_watch: bool) -> Planned:
        """Draw for the next request."""
        with self._lock:
            known = [*HEAD, *STREAM] if is_watch else [each for each in HEAD if each != "expired"]
            known = [each for each in known if not self._only or each in self._only]
            if not known or self._left <= 0 or self._random.random() >= self._density:
                return Planned(None)
            self._left -= 1
            planned = Planned(self._random.choice(known), self._random.randrange(4))
            self.done.append(planned.fault or "")
            return planned

    @property
    def is_over(self) -> bool:
        """All faults have been drawn."""
        with self._lock:
            return self._left <= 0

    def stop(self) -> None:
        """Let all be well from now on."""
        with self._lock:
            self._left = 0


class FaultyProxy:
    """Listens on loopback, and passes on what it does not spoil; a context manager.

    Args:
        upstream: The API server's URL.
        schedule: What happens to which read. Writes are passed on.
        tls: The settings of TLS towards the API server.
    """

    def __init__(self, upstream: str, schedule: Schedule, tls: ssl.SSLContext | None = None) -> None:
        self.schedule = schedule
        self._upstream, self._tls = urlsplit(upstream), tls
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        """Where clients find it."""
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def __enter__(self) -> FaultyProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening, and break every connection."""
        self._closed.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        with self._lock:
            for each in self._sockets:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def wait_closed(self) -> None:
        """Wait until the proxy closes: how a connection is kept on which nothing happens."""
        self._closed.wait()

    def remember(self, each: socket.socket, *, closed: bool = False) -> None:
        """Know a connection, to break it at the end."""
        with self._lock:
            self._sockets.discard(each) if closed else self._sockets.add(each)

    def connect(self) -> http.client.HTTPConnection:
        """Open a connection to the API server."""
        host, port = self._upstream.hostname or "", self._upstream.port
        connection = (
            http.client.HTTPSConnection(host, port, context=self._tls, timeout=60)
            if self._upstream.scheme == "https"
            else http.client.HTTPConnection(host, port, timeout=60)
        )
        connection.connect()
        return connection


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, proxy: FaultyProxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, *_: object) -> None:
        """Say nothing: broken connections are what this is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.proxy.remember(self.connection)

    def finish(self) -> None:
        self.server.proxy.remember(self.connection, closed=True)
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        is_watch = "watch" in parse_qs(urlsplit(self.path).query)
        planned = self.server.proxy.schedule.draw(is_watch=is_watch) if self.command == "GET" else Planned(None)
        if planned.fault in _SAID:
            self._say(*_SAID[planned.fault])
        elif planned.fault == "refused":
            self.close_connection = True
        else:
            self._ask(body, planned, is_watch=is_watch)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on  # the names that the base class looks for

    def _ask(self, body: bytes, planned: Planned, *, is_watch: bool) -> None:
        upstream = self.server.proxy.connect()
        self.server.proxy.remember(upstream.sock)
        raw = upstream.sock
        try:
            headers = {
                name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")
            }
            upstream.request(self.command, self.path, body or None, headers)
            answer = upstream.getresponse()
            if is_watch and answer.status == 200:
                self._stream(answer, planned)
            else:
                self._whole(answer, planned)
        finally:
            self.server.proxy.remember(raw, closed=True)
            upstream.close()

    def _whole(self, answer: http.client.HTTPResponse, planned: Planned) -> None:
        body = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() in ("content-type", "retry-after", "warning"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if planned.fault == "broken-page":
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        else:
            self.wfile.write(body)

    def _stream(self, answer: http.client.HTTPResponse, planned: Planned) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        passed = 0
        while line := answer.readline():
            if planned.fault is not None and passed >= planned.after and not self._spoil(planned.fault, line):
                return
            self._chunk(line)
            passed += 1
        self.wfile.write(b"0\r\n\r\n")

    def _spoil(self, fault: str, line: bytes) -> bool:
        """Do to a line of a watch what is planned; returns whether the watch goes on with it."""
        self.close_connection = True
        if fault == "repeated":
            self._chunk(line)
            return True
        if fault in _TOLD:
            self._chunk(_TOLD[fault])
        elif fault in ("cut", "broken-page"):
            self._chunk(line[: len(line) // 2])
            return False  # without the end that a stream in chunks has
        elif fault == "truncated":
            self._chunk(line[: len(line) // 2] + b"\n")
        elif fault == "silent":
            self.server.proxy.wait_closed()
            return False
        self.wfile.write(b"0\r\n\r\n")  # "lost" and "ended" as well: this line never came
        return False

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def _say(self, code: int, content_type: str, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if code == 429:
            self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(body)


def _status(code: int, reason: str) -> bytes:
    return json.dumps(
        {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason}
    ).encode()


def _error(code: int, reason: str) -> bytes:
    return b'{"type":"ERROR","object":' + _status(code, reason) + b"}\n"


_SAID = {
    "gateway": (502, "text/html", b"<html><body>Bad Gateway</body></html>"),
    "throttled": (429, "application/json", _status(429, "TooManyRequests")),
    "unauthorized": (401, "application/json", _status(401, "Unauthorized")),
    "expired": (410, "application/json", _status(410, "Expired")),
}
_TOLD = {
    "expired-in-stream": _error(410, "Expired"),
    "error-in-stream": _error(500, "InternalError"),
}
