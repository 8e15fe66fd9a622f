"""Ports of this machine that lead to ports of a pod: one channel to the cluster for each connection.

The protocol can't say that one direction has ended: a client that has said all is held open for as long as answers
come. Source: https://kubernetes.io/docs/reference/kubectl/generated/kubectl_port-forward/
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from fairlead.errors import ClusterError, UsageError
from fairlead.kube.channels import Channels
from fairlead.kube.failures import Unreachable

HOST = "127.0.0.1"
LOOK_S = 2.0
"""Seconds between two looks at the pod."""
QUIET_S = 30.0
"""For how long no answer may come to a client that has said all, before its connection is ended."""

_BLOCK = 32 << 10
_DATA, _FAULT = 0, 1
_WAITING = 128


class Ports(NamedTuple):
    """A port of this machine, 0 for any that is free, and the port of the pod that it leads to."""

    local: int
    remote: int


def read_ports(texts: Sequence[str]) -> list[Ports]:
    """Read what users write: ``8888``, ``9000:8888``, ``0:8888``.

    Raises:
        UsageError: It is no port, or a port of this machine is named twice.
    """
    found = [_read(text) for text in texts]
    taken = [each.local for each in found if each.local]
    twice = next((port for port in taken if taken.count(port) > 1), None)
    if twice is not None:
        raise UsageError(f"port {twice} of this machine can't lead to two ports", next=f"write another: 0:{twice}")
    return found


def _read(text: str) -> Ports:
    local, colon, remote = text.rpartition(":")
    numbers = [
        int(each) if each.isascii() and each.isdecimal() and len(each) < 6 else -1
        for each in (local if colon else remote, remote)
    ]
    if not 0 <= numbers[0] <= 65535 or not 1 <= numbers[1] <= 65535:
        raise UsageError(
            f"{text!r} is no port", why="a port is a number from 1 to 65535", next="write 8888, or 9000:8888"
        )
    return Ports(*numbers)


class Forwarding:
    """Listens on this machine, and passes on every connection; a context manager.

    Args:
        reach: Connects to a port of the pod.
        is_there: Says whether the pod still runs.
        ports: What leads where.
        say: Is told what goes wrong with single connections.

    Raises:
        UsageError: A port of this machine is taken.
    """

    def __init__(
        self,
        reach: Callable[[int], Channels],
        is_there: Callable[[], bool],
        ports: Sequence[Ports],
        say: Callable[[str], None],
    ) -> None:
        self._reach = reach
        self._is_there = is_there
        self._say = say
        self._listening: dict[socket.socket, int] = {}
        self._open: set[_Connection] = set()
        self._lock = threading.Lock()
        try:
            for each in ports:
                self._listening[_listen(each)] = each.remote
        except BaseException:
            self.close()
            raise

    @property
    def ports(self) -> list[Ports]:
        """What leads where, with the ports that were free."""
        return [Ports(listening.getsockname()[1], remote) for listening, remote in self._listening.items()]

    def serve(self) -> None:
        """Pass on connections until the pod has ended."""
        looked = time.monotonic()
        while True:
            ready, _, _ = select.select([*self._listening], [], [], LOOK_S)
            for listening in ready:
                with suppress(OSError):  # gone again
                    self._begin(listening.accept()[0], self._listening[listening])
            if time.monotonic() - looked >= LOOK_S:
                looked = time.monotonic()
                if not self._pod_is_there():
                    return

    def close(self) -> None:
        """End every connection, and listen no more."""
        for listening in self._listening:
            listening.close()
        with self._lock:
            left = list(self._open)
        for each in left:
            each.close()

    def __enter__(self) -> Forwarding:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _pod_is_there(self) -> bool:
        try:
            return self._is_there()
        except ClusterError:  # away for a while; connections say so themselves
            return True

    def _begin(self, client: socket.socket, remote: int) -> None:
        connection = _Connection(self._reach, client, remote, self._say)
        with self._lock:
            self._open.add(connection)

        def pass_on() -> None:
            connection.run()
            with self._lock:
                self._open.discard(connection)

        threading.Thread(target=pass_on, name=f"fairlead-port-{remote}", daemon=True).start()


class _Connection:
    """One connection: what the client says goes to the pod, and what comes from there to the client."""

    def __init__(
        self, reach: Callable[[int], Channels], client: socket.socket, remote: int, say: Callable[[str], None]
    ) -> None:
        self._reach = reach
        self._client = client
        self._remote = remote
        self._say = say
        self._channels: Channels | None = None
        self._heard = 0.0

    def run(self) -> None:
        """Pass on until either side has ended; what breaks it ends this connection alone."""
        try:
            with self._client, self._reach(self._remote) as channels:
                self._channels = channels
                threading.Thread(target=self._send, args=(channels,), name="fairlead-port-out", daemon=True).start()
                try:
                    self._receive(channels)
                finally:
                    self.close()  # which wakes the thread that reads: a socket that is read is not closed
        except Unreachable as error:
            if self._channels is None:
                self._say(f"port {self._remote}: {error.why}")
        except ClusterError as error:
            self._say(f"port {self._remote}: {error.what}: {error.why}")

    def close(self) -> None:
        """End it, from another thread."""
        with suppress(OSError):
            self._client.shutdown(socket.SHUT_RDWR)
        if self._channels is not None:
            self._channels.close()

    def _receive(self, channels: Channels) -> None:
        """Pass on what the pod says. Each channel begins with the number of its port."""
        headers = {_DATA: 2, _FAULT: 2}
        for channel, data in channels.messages():
            if channel not in headers:
                continue
            skipped = min(headers[channel], len(data))
            headers[channel] -= skipped
            data = data[skipped:]
            if not data:
                continue
            if channel == _FAULT:
                self._say(f"port {self._remote}: {_fault(data)}")
                return
            self._heard = time.monotonic()
            try:
                self._client.sendall(data)
            except OSError:  # the client has gone
                return

    def _send(self, channels: Channels) -> None:
        """Pass on what the client says, and hold the connection while answers come to all of it."""
        with suppress(OSError, ValueError, Unreachable):
            for data in _blocks(self._client):
                channels.send(_DATA, data)
            self._heard = time.monotonic()
            while time.monotonic() - self._heard < QUIET_S and self._client.fileno() >= 0:
                time.sleep(0.2)
        channels.close()


def _blocks(client: socket.socket) -> Iterator[bytes]:
    while data := client.recv(_BLOCK):
        yield data


def _fault(data: bytes) -> str:
    """Return what the cluster says of a port that can't be reached, the end of it: what is wrong."""
    said = data.decode("utf-8", "replace").strip()
    if "connection refused" in said:
        return "nothing listens on it in the pod"
    return said


def _listen(ports: Ports) -> socket.socket:
    try:
        return socket.create_server((HOST, ports.local), backlog=_WAITING)
    except OSError as error:
        raise UsageError(
            f"cannot listen on port {ports.local} of this machine",
            why=error.strerror or str(error),
            next=f"take any that is free: 0:{ports.remote}",
        ) from error
