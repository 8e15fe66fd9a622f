"""Ports of this machine that lead elsewhere: many connections at once, and what breaks one leaves the others."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from fairlead.errors import UsageError
from fairlead.kube import executing
from fairlead.kube.client import Client
from fairlead.kube.connection import Connection
from fairlead.kube.credentials import Fixed, Identity, bearer
from fairlead.runs import forwarding
from fairlead.runs.forwarding import Forwarding, Ports, read_ports
from kube.container import Session, container

REMOTE = 8080


def echo(session: Session) -> None:
    """Say everything that comes once more, until a ``.`` comes."""
    begin(session)
    for channel, data in session.messages():
        session.say(channel, data)
        if data.endswith(b"."):
            return


def begin(session: Session) -> None:
    session.accept()
    for channel in (0, 1):
        session.say(channel, REMOTE.to_bytes(2, "little"))


class Forwarded:
    """Something that is forwarded, and what was said of it."""

    def __init__(self, port: int, said: list[str], there: threading.Event, serving: threading.Thread) -> None:
        self.port = port
        self.said = said
        self.there = there
        self.serving = serving

    def connect(self) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port), 10)
        client.settimeout(30)
        return client


@contextlib.contextmanager
def forwarded(behaviour: Callable[[Session], None]) -> Iterator[Forwarded]:
    said: list[str] = []
    there = threading.Event()
    there.set()
    with container(behaviour) as (port, _):
        client = Client(Connection(f"http://127.0.0.1:{port}", Fixed(Identity(bearer("t"))), namespace="ml"))
        reach = lambda remote: executing.forward(client, "a", remote)  # noqa: E731  # an argument of the next line
        with Forwarding(reach, there.is_set, [Ports(0, REMOTE)], said.append) as opened:
            serving = threading.Thread(target=opened.serve)
            serving.start()
            try:
                yield Forwarded(opened.ports[0].local, said, there, serving)
            finally:
                there.clear()
                serving.join(30)
                assert not serving.is_alive()


def received(client: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length:
        data = client.recv(65536)
        if not data:
            break
        found += data
    return found


def test_many_connections_carry_their_bytes_both_ways_at_once() -> None:
    with forwarded(echo) as opened:

        def talk(number: int) -> bool:
            data = bytes([number]) * 300_000 + b"."
            with opened.connect() as client:
                sending = threading.Thread(target=client.sendall, args=(data,))
                sending.start()
                found = received(client, len(data))
                sending.join(30)
                return found == data

        with ThreadPoolExecutor(20) as clients:
            assert all(clients.map(talk, range(20)))
    assert opened.said == []


def test_a_connection_that_is_reset_ends_alone() -> None:
    with forwarded(echo) as opened, opened.connect() as staying:
        staying.sendall(b"a")
        assert received(staying, 1) == b"a"
        broken = opened.connect()
        broken.sendall(b"b")
        assert received(broken, 1) == b"b"
        broken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        broken.close()  # a reset
        for data in (b"c", b"d."):
            staying.sendall(data)
            assert received(staying, len(data)) == data
        with opened.connect() as later:
            later.sendall(b"e.")
            assert received(later, 2) == b"e."


def test_a_client_that_has_said_all_still_hears_the_answer() -> None:
    def answering(session: Session) -> None:
        begin(session)
        channel, data = next(session.messages())
        session.say(channel, data.upper())

    with forwarded(answering) as opened, opened.connect() as client:
        client.sendall(b"hello")
        client.shutdown(socket.SHUT_WR)
        assert received(client, 100) == b"HELLO"


def test_a_client_that_has_said_all_is_not_held_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarding, "QUIET_S", 0.5)

    def silent(session: Session) -> None:
        begin(session)
        list(session.messages())

    with forwarded(silent) as opened, opened.connect() as client:
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""


def test_a_port_on_which_nothing_listens_is_said_and_others_go_on() -> None:
    def refusing(session: Session) -> None:
        begin(session)
        said = f"error forwarding port {REMOTE} to pod 0f: failed to connect to localhost:{REMOTE}: connection refused"
        session.say(1, said.encode())

    with forwarded(refusing) as opened:
        for _ in range(2):
            with opened.connect() as client, contextlib.suppress(ConnectionResetError):
                assert client.recv(1) == b""
    assert opened.said == [f"port {REMOTE}: nothing listens on it in the pod"] * 2


def test_it_ends_with_the_pod() -> None:
    with forwarded(echo) as opened:
        begun = time.monotonic()
        opened.there.clear()
        opened.serving.join(30)
        assert time.monotonic() - begun < 3 * forwarding.LOOK_S


@pytest.mark.parametrize(
    ("text", "ports"),
    [("8888", (8888, 8888)), ("9000:8888", (9000, 8888)), ("0:8888", (0, 8888)), ("1:65535", (1, 65535))],
)
def test_ports_are_read(text: str, ports: tuple[int, int]) -> None:
    assert read_ports([text]) == [ports]


@pytest.mark.parametrize("text", ["", "x", "0", "8888:", ":8888", "65536", "1:65536", "-1", "1:2:3", "٣", "8888:0"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no port"):
        read_ports([text])


def test_a_port_that_is_named_twice_or_taken_is_refused() -> None:
    with pytest.raises(UsageError, match="port 8888 of this machine can't lead to two ports"):
        read_ports(["8888", "8888:9999"])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError) as caught:
            Forwarding(lambda remote: None, lambda: True, [Ports(0, 1), Ports(port, 8888)], print)  # type: ignore[arg-type,return-value]
    assert caught.value.next == "take any that is free: 0:8888"
