"""The relay passes on what comes, refuses what it is told to, and can be cut and mended."""

from __future__ import annotations

import re
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from .relay import Relay


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def relay() -> Iterator[Relay]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    with Relay(("127.0.0.1", server.server_port), "127.0.0.1") as made:
        yield made
    server.shutdown()
    server.server_close()
    thread.join()


def get(relay: Relay, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{relay.port}{path}", timeout=10) as answer:
        return bytes(answer.read())


def test_a_cut_breaks_every_connection_and_ends(relay: Relay) -> None:
    assert get(relay, "/a") == b"/a"
    with socket.create_connection(("127.0.0.1", relay.port)) as standing:
        standing.sendall(b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n")
        assert standing.recv(1000)
        port = relay.port
        with relay.cut():
            while standing.recv(1000):
                pass
            with pytest.raises(urllib.error.URLError):
                get(relay, "/c")
    assert (relay.port, get(relay, "/d")) == (port, b"/d")


def test_what_is_denied_does_not_reach_the_server(relay: Relay) -> None:
    relay.denied = re.compile(rb"GET /secret")
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(relay, "/secret/a")
    assert refused.value.code == 403 and b"AccessDenied" in refused.value.read()
    refused.value.close()
    assert get(relay, "/open") == b"/open"
