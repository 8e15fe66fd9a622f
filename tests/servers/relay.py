"""A relay in front of a server, which can be cut: what a network does between a program and its store or its cluster.

It passes bytes on and understands none, so that signatures and TLS are as without it; only the beginning of what a
client sends is looked at, where some requests are to be refused.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_BLOCK = 1 << 16
_DENIED = (
    b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nConnection: close\r\nContent-Length: 52\r\n\r\n"
    b"<Error><Code>AccessDenied</Code><Message/></Error>\r\n"
)


class Relay:
    """Listens on a port of an address, and passes on what comes; a context manager.

    Args:
        upstream: The address and port of the server.
        address: Where clients find it: an address that they reach.

    Attributes:
        denied: How requests begin that are refused with 403, in the place of the server; None for no request.
    """

    def __init__(self, upstream: tuple[str, int], address: str) -> None:
        self.denied: re.Pattern[bytes] | None = None
        self._upstream = upstream
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listening: socket.socket | None = None
        self._place = (address, 0)
        self._listen()

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    @property
    def port(self) -> int:
        """The port, the same before and after a cut."""
        return self._place[1]

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Break every connection, and refuse new ones, while the ``with`` lasts."""
        self._end()
        try:
            yield
        finally:
            self._listen()

    def _listen(self) -> None:
        listening = socket.create_server(self._place, backlog=128)
        self._place = listening.getsockname()
        self._listening = listening
        threading.Thread(target=self._accept, args=(listening,), daemon=True).start()

    def _end(self) -> None:
        with self._lock:
            listening, self._listening = self._listening, None
            broken = [*self._open, *([listening] if listening else [])]
        for each in broken:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        if listening is not None:
            listening.close()

    def _accept(self, listening: socket.socket) -> None:
        with suppress(OSError):  # it was closed
            while True:
                threading.Thread(target=self._relay, args=(listening.accept()[0],), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(self._upstream, timeout=10) as server:
            server.settimeout(None)
            with self._lock:
                if self._listening is None:
                    return
                self._open |= {client, server}
            try:
                back = threading.Thread(target=_pass_on, args=(server, client), daemon=True)
                back.start()
                _pass_on(client, server, self._is_denied)
                back.join()
            finally:
                with self._lock:
                    self._open -= {client, server}

    def _is_denied(self, sent: bytes) -> bool:
        return self.denied is not None and self.denied.match(sent) is not None


def _pass_on(source: socket.socket, sink: socket.socket, is_denied: Callable[[bytes], bool] | None = None) -> None:
    """Pass on what comes until either end closes, or something comes that is refused."""
    with suppress(OSError):
        while block := source.recv(_BLOCK):
            if is_denied is not None and is_denied(block):
                source.sendall(_DENIED)
                break
            sink.sendall(block)
    for each in (source, sink):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
