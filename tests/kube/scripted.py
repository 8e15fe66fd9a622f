"""A loopback server that gives the answers of a script, one after the other: what no healthy API server says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from fairlead.kube.connection import Connection
from fairlead.kube.credentials import Credentials, Fixed


class Answer(NamedTuple):
    """What is answered.

    Attributes:
        cut: The connection is closed after that many bytes of the whole answer.
        held: The answer never ends: the connection stays open, and nothing more comes.
    """

    code: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = {}
    cut: int | None = None
    held: bool = False


class Asked(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


def status(code: int, reason: str, message: str = "no", **more: Any) -> Answer:
    body = {"kind": "Status", "apiVersion": "v1", "code": code, "reason": reason, "message": message, **more}
    return Answer(code, json.dumps(body).encode(), {"Content-Type": "application/json"})


def html(code: int, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(code, b"<html>gateway s3cret</html>", {"Content-Type": "text/html", **(headers or {})})


CUT = Answer(cut=0)


def pod(name: str, version: int | str, uid: str = "", **more: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "ml", "uid": uid or f"u-{name}", "resourceVersion": f"{version}"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, **more}


def listed(version: int | str, *pods: dict[str, Any], next: str = "") -> Answer:
    metadata = {"resourceVersion": f"{version}", "continue": next}
    return Answer(body=json.dumps({"kind": "PodList", "metadata": metadata, "items": pods}).encode())


def told(*events: tuple[str, dict[str, Any]], then: bytes = b"", held: bool = False) -> Answer:
    """Return a watch of these events, which ends after them or is held."""
    lines = b"".join(json.dumps({"type": type, "object": each}).encode() + b"\n" for type, each in events)
    return Answer(body=lines + then, held=held)


SILENCE = told(held=True)


class Scripted:
    """The server: `asked` has what came, in order. The last answer is repeated."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self._closed = threading.Event()
        self.asked: list[Asked] = []
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline()
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                scripted.asked.append(Asked(self.command, self.path, dict(self.headers), body))
                self._write(scripted._next())

            def _write(self, answer: Answer) -> None:
                head = [f"HTTP/1.1 {answer.code} x", f"Content-Length: {len(answer.body) + answer.held}"]
                head += [f"{name}: {value}" for name, value in answer.headers.items()]
                whole = ("\r\n".join(head) + "\r\n\r\n").encode() + answer.body
                self.wfile.write(whole[: answer.cut])
                self.close_connection = answer.cut is not None or answer.held
                if answer.held:
                    scripted._closed.wait()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def _next(self) -> Answer:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def connection(self, credentials: Credentials | None = None, **more: Any) -> Connection:
        return Connection(self.url, credentials or Fixed(), namespace="ml", **more)

    def close(self) -> None:
        self._closed.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def scripted(*answers: Answer) -> Iterator[Scripted]:
    server = Scripted(*answers)
    try:
        yield server
    finally:
        server.close()
