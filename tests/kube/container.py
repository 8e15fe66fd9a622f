"""What a kubelet does at the other end of a channel: a loopback server that runs a function for each connection."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import wsproto
from wsproto import events

from fairlead.kube.channels import CLOSE, ERROR, STDERR, STDIN, STDOUT


class Session:
    """One connection, from the container's side."""

    def __init__(self, plain: socket.socket, protocols: Sequence[str]) -> None:
        self._socket, self._websocket = plain, wsproto.WSConnection(wsproto.ConnectionType.SERVER)
        self._events = self._all()
        request = next(self._events)
        self.query = parse_qsl(urlsplit(request.target).query)
        self.headers = {name.decode().lower(): value.decode() for name, value in request.extra_headers}
        self.protocol = next((each for each in request.subprotocols if each in protocols), None)

    def accept(self) -> None:
        self._send(events.AcceptConnection(subprotocol=self.protocol))

    def reject(self, code: int, body: bytes) -> None:
        self._send(
            events.RejectConnection(
                status_code=code, headers=[(b"content-length", str(len(body)).encode())], has_body=True
            )
        )
        self._send(events.RejectData(data=body))

    def _all(self) -> Iterator[Any]:
        while True:
            yield from self._websocket.events()
            data = self._socket.recv(65536)
            if not data:
                return
            self._websocket.receive_data(data)

    def messages(self) -> Iterator[tuple[int, bytes]]:
        """Yield what comes; a message that comes in parts comes so."""
        channel: int | None = None
        for event in self._events:
            if isinstance(event, events.BytesMessage):
                data = bytes(event.data)
                if channel is None:
                    channel, data = data[0], data[1:]
                yield channel, data
                if event.message_finished:
                    channel = None
            elif isinstance(event, events.CloseConnection):
                with contextlib.suppress(OSError, wsproto.utilities.LocalProtocolError):
                    self._send(event.response())
                return

    def say(self, channel: int, data: bytes) -> None:
        self._send(events.BytesMessage(bytes([channel]) + data))

    def say_in_parts(self, channel: int, *parts: bytes) -> None:
        for number, part in enumerate(parts):
            first = bytes([channel]) if number == 0 else b""
            self._send(events.BytesMessage(first + part, message_finished=number == len(parts) - 1))

    def ping(self) -> bool:
        self._send(events.Ping(b"there?"))
        return any(isinstance(event, events.Pong) for event in self._events)

    def exit(self, code: int) -> None:
        status: dict[str, Any] = {"metadata": {}, "status": "Success"}
        if code:
            causes = [{"reason": "ExitCode", "message": str(code)}]
            status = {
                "metadata": {},
                "status": "Failure",
                "reason": "NonZeroExitCode",
                "message": f"exit code {code}",
                "details": {"causes": causes},
            }
        self.end(status)

    def end(self, status: dict[str, Any]) -> None:
        """Say what has become of it, and close in good order: what is closed with something unread takes that along."""
        self.say(ERROR, json.dumps(status).encode())
        self._send(events.CloseConnection(code=1000))
        for _ in self._events:  # the other side's farewell
            pass

    def _send(self, event: Any) -> None:
        self._socket.sendall(self._websocket.send(event))


def upper_case(session: Session) -> None:
    """Say in capitals what is read until its end, or one message of it where the protocol has no end; exit with 3."""
    session.accept()
    said = b""
    if {("stdin", "true"), ("input", "1")} & {*session.query}:  # as it is asked, and as an API server passes it on
        for channel, data in session.messages():
            if (channel, data) == (CLOSE, bytes([STDIN])):
                break
            said += data
            if session.protocol == "v4.channel.k8s.io":
                break
    session.say_in_parts(STDOUT, b"", said.upper(), b"!")
    session.say(STDERR, b"")
    session.say(STDERR, b"done")
    session.exit(3)


@contextlib.contextmanager
def container(
    behaviour: Callable[[Session], None],
    protocols: Sequence[str] = ("v5.channel.k8s.io", "v4.channel.k8s.io"),
    tls: ssl.SSLContext | None = None,
) -> Iterator[tuple[int, list[Session]]]:
    """Serve on loopback; yields the port, and the sessions as they come."""
    listening, sessions = socket.create_server(("127.0.0.1", 0)), []
    threads: list[threading.Thread] = []

    def serve(plain: socket.socket) -> None:
        with contextlib.suppress(OSError), plain, tls.wrap_socket(plain, server_side=True) if tls else plain as opened:
            session = Session(opened, protocols)
            sessions.append(session)
            behaviour(session)

    def accept() -> None:
        while True:
            try:
                plain, _ = listening.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=serve, args=(plain,)))
            threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield listening.getsockname()[1], sessions
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        accepting.join()
        listening.close()
        for each in threads:
            each.join(10)
