"""Messages between a driver and its processes: length-prefixed MessagePack over a Unix socket."""

from __future__ import annotations

import socket
import struct
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from fairlead.worker.tasks import FromWorker, ToWorker

CHANNEL = "FAIRLEAD_CHANNEL"
"""The variable that holds the descriptor of a process's end of the channel, where it was given one."""

_HEADER = struct.Struct("!I")
_encoder = msgspec.msgpack.Encoder()
_from_worker = msgspec.msgpack.Decoder(FromWorker)
_to_worker = msgspec.msgpack.Decoder(ToWorker)

T = TypeVar("T")


class Framing(Generic[T]):
    """Cuts a stream of bytes into messages."""

    def __init__(self, decoder: msgspec.msgpack.Decoder[Any]) -> None:
        self._decoder = decoder
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[T]:
        """Return the messages that are complete with these bytes."""
        self._buffer += data
        found: list[T] = []
        start = 0
        while len(self._buffer) - start >= _HEADER.size:
            (length,) = _HEADER.unpack_from(self._buffer, start)
            end = start + _HEADER.size + length
            if len(self._buffer) < end:
                break
            found.append(self._decoder.decode(memoryview(self._buffer)[start + _HEADER.size : end]))
            start = end
        if start:
            del self._buffer[:start]
        return found


def driver_framing() -> Framing[FromWorker]:
    """Return what cuts a driver's incoming bytes into messages."""
    return Framing(_from_worker)


def frame(message: Any) -> bytes:
    """Return a message as it is sent."""
    body = _encoder.encode(message)
    return _HEADER.pack(len(body)) + body


class Talk(Protocol):
    """A task's end of the channel."""

    def send(self, message: Any) -> None:
        """Send a message to the driver."""

    def receive(self) -> ToWorker | None:
        """Wait for the next message; None when the driver is gone."""


class Connection:
    """A worker's side of the channel: blocking, one message at a time."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self._framing: Framing[ToWorker] = Framing(_to_worker)
        self._arrived: list[ToWorker] = []

    @classmethod
    def to(cls, path: str) -> Connection:
        """Connect to a driver's socket."""
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connected.connect(path)
        return cls(connected)

    def send(self, message: Any) -> None:
        """Send a message."""
        self.socket.sendall(frame(message))

    def receive(self) -> ToWorker | None:
        """Wait for the next message; None when the driver is gone."""
        while not self._arrived:
            data = self.socket.recv(1 << 16)
            if not data:
                return None
            self._arrived = self._framing.feed(data)
        return self._arrived.pop(0)

    def has_message(self) -> bool:
        """Say whether a message has arrived already."""
        return bool(self._arrived)

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()
