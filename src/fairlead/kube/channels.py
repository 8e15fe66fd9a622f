"""Streams in both directions through the API server: a WebSocket with numbered channels.

Each message begins with the number of its channel. Version 5 of the protocol can end the input, which version 4 can't;
older servers speak only that.

Source: https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4006-transition-spdy-to-websockets
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from fairlead.errors import MissingExtra
from fairlead.kube.api import Api
from fairlead.kube.failures import Unauthorized, Unreachable, call_of, refusal
from fairlead.kube.sockets import open_socket

try:
    import wsproto
    from wsproto import events
except ModuleNotFoundError as error:
    raise MissingExtra("wsproto", "kubernetes", "exec and port-forward") from error

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"

_READ = 1 << 16


class Message(NamedTuple):
    """What came on one channel."""

    channel: int
    data: bytes


class Channels:
    """One WebSocket with numbered channels; a context manager.

    One thread may read while others write; any may close it.

    Args:
        api: The cluster.
        path: As in the API.
        query: Parameters; a list gives one for each of its items.
        protocols: Versions of the protocol, the best first.
        silent_s: For how many seconds nothing may come before the connection counts as dead; None for ever.

    Raises:
        Unreachable: There was no connection, or no WebSocket.
        ApiError: The cluster refused, as the classes of `failures` say.
    """

    def __init__(
        self,
        api: Api,
        path: str,
        query: Sequence[tuple[str, str]],
        *,
        protocols: Sequence[str] = (V5, V4),
        silent_s: float | None = None,
    ) -> None:
        self._where = api.connection.where
        self._sending = threading.Lock()
        self._websocket = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        self.protocol = ""
        try:
            self._socket = self._connected(api, path, query, protocols)
        except Unauthorized:
            if not api.connection.credentials.renew():
                raise
            self._websocket = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
            self._socket = self._connected(api, path, query, protocols)
        self._socket.settimeout(silent_s)

    def _connected(
        self, api: Api, path: str, query: Sequence[tuple[str, str]], protocols: Sequence[str]
    ) -> socket.socket:
        opened = open_socket(api.connection, path, query)
        try:
            request = events.Request(
                host=opened.host, target=opened.target, extra_headers=[*opened.headers], subprotocols=[*protocols]
            )
            opened.socket.sendall(self._websocket.send(request))
            self._shake_hands(opened.socket, path)
        except OSError as error:
            opened.socket.close()
            raise Unreachable(self._where, error.strerror or "the connection broke", was_sent=True) from error
        except BaseException:
            opened.socket.close()
            raise
        return opened.socket

    def _shake_hands(self, plain: socket.socket, path: str) -> None:
        """Wait for the server's yes or no."""
        code, body = 0, b""
        while True:
            data = plain.recv(_READ)
            try:
                self._websocket.receive_data(data or None)
            except wsproto.utilities.RemoteProtocolError as error:
                raise Unreachable(self._where, "what answered speaks no WebSocket", was_sent=True) from error
            for event in self._websocket.events():
                if isinstance(event, events.AcceptConnection):
                    self.protocol = event.subprotocol or ""
                    return
                if isinstance(event, events.RejectConnection):
                    code = event.status_code
                if isinstance(event, events.RejectData):
                    body += event.data
                if isinstance(event, events.RejectData | events.RejectConnection) and _is_whole(event):
                    raise refusal(call_of("GET", path), self._where, code, body)
            if not data:
                raise Unreachable(self._where, "the connection broke", was_sent=True)

    def send(self, channel: int, data: bytes) -> None:
        """Write to a channel.

        Raises:
            Unreachable: The connection broke.
        """
        self._send(events.BytesMessage(bytes([channel]) + data))

    def end(self, channel: int) -> bool:
        """Say that no more is written to a channel; False where the protocol has no way to say so."""
        if self.protocol != V5:
            return False
        self.send(CLOSE, bytes([channel]))
        return True

    def resize(self, columns: int, rows: int) -> None:
        """Tell the size of the terminal."""
        self.send(RESIZE, msgspec.json.encode({"Width": columns, "Height": rows}))

    def messages(self) -> Iterator[Message]:
        """Yield what comes until the server ends it; a message that comes in parts comes so.

        Raises:
            Unreachable: The connection broke, or was silent for too long.
        """
        channel: int | None = None
        for event in self._events():
            if isinstance(event, events.BytesMessage | events.TextMessage):
                data = bytes(event.data) if isinstance(event, events.BytesMessage) else event.data.encode()
                if channel is None and data:
                    channel, data = data[0], data[1:]
                if channel is not None and data:
                    yield Message(channel, data)
                if event.message_finished:
                    channel = None
            elif isinstance(event, events.Ping):
                self._send(event.response())
            elif isinstance(event, events.CloseConnection):
                with contextlib.suppress(Unreachable):
                    self._send(event.response())
                return

    def _events(self) -> Iterator[Any]:
        while True:
            yield from self._websocket.events()
            try:
                data = self._socket.recv(_READ)
                self._websocket.receive_data(data or None)
            except (OSError, wsproto.utilities.RemoteProtocolError, wsproto.utilities.LocalProtocolError) as error:
                raise Unreachable(
                    self._where, getattr(error, "strerror", "") or "the connection broke", was_sent=True
                ) from error

    def _send(self, event: Any) -> None:
        with self._sending:
            try:
                self._socket.sendall(self._websocket.send(event))
            except (OSError, wsproto.utilities.LocalProtocolError) as error:
                raise Unreachable(self._where, "the connection broke", was_sent=True) from error

    def close(self) -> None:
        """End it; a thread that reads is woken."""
        with contextlib.suppress(Unreachable):
            self._send(events.CloseConnection(code=1000))
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Channels:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._socket.close()


def _is_whole(event: events.RejectData | events.RejectConnection) -> bool:
    return event.body_finished if isinstance(event, events.RejectData) else not event.has_body
