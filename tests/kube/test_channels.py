"""Exec, attach and port-forward: against a container on loopback, and through a real API server."""

from __future__ import annotations

import contextlib
import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fairlead.kube import channels, executing
from fairlead.kube.channels import ERROR, RESIZE, STDERR, STDIN, STDOUT, V4, V5
from fairlead.kube.client import Client
from fairlead.kube.connection import Connection
from fairlead.kube.credentials import Fixed, Identity, bearer
from fairlead.kube.executing import Exit
from fairlead.kube.failures import ApiError, Forbidden, NotFound, Unauthorized, Unreachable
from fairlead.kube.resources import NODE, POD
from kube.cluster import new_namespace
from kube.container import Session, container, upper_case
from kube.scripted import html, scripted
from servers.apiserver import ApiServer


def client(port: int, token: str = "t") -> Client:
    return Client(Connection(f"http://127.0.0.1:{port}", Fixed(Identity(bearer(token))), namespace="ml"))


@pytest.mark.parametrize("protocol", [V5, V4])
def test_a_command_reads_writes_and_ends(protocol: str) -> None:
    with container(upper_case, [protocol]) as (port, sessions):
        assert executing.run(client(port), "a", ["tr", "a-z", "A-Z"], data=b"hello") == (
            Exit(3, "exit code 3"),
            b"HELLO!",
            b"done",
        )
    assert sessions[0].protocol == protocol
    assert [value for name, value in sessions[0].query if name == "command"] == ["tr", "a-z", "A-Z"]
    assert sessions[0].headers["authorization"] == "Bearer t"


def test_a_command_without_input_is_not_given_any() -> None:
    with container(upper_case) as (port, sessions):
        assert executing.run(client(port), "a", ["true"], container="main")[1] == b"!"
    assert dict(sessions[0].query) == {"container": "main", "command": "true", "stdout": "true", "stderr": "true"}


def test_only_so_much_is_kept() -> None:
    with container(upper_case) as (port, _):
        assert executing.run(client(port), "a", ["tr"], data=b"x" * 1000, limit=10)[1] == b"X" * 10


def test_a_terminal_is_one_channel_and_has_a_size() -> None:
    got: list[tuple[int, bytes]] = []

    def shell(session: Session) -> None:
        session.accept()
        got.append(next(session.messages()))
        session.exit(0)

    with (
        container(shell) as (port, sessions),
        executing.execute(client(port), "a", ["sh"], terminal=True, stdin=True) as opened,
    ):
        opened.resize(80, 24)
        assert [executing.read_exit(each.data) for each in opened.messages()] == [Exit(0)]
    assert got == [(RESIZE, b'{"Width":80,"Height":24}')]
    assert dict(sessions[0].query) == {"command": "sh", "stdin": "true", "stdout": "true", "tty": "true"}


def test_a_question_whether_anybody_is_there_is_answered() -> None:
    def asking(session: Session) -> None:
        session.accept()
        session.say(STDOUT, b"yes" if session.ping() else b"no")
        session.exit(0)

    with container(asking) as (port, _):
        assert executing.run(client(port), "a", ["x"])[1] == b"yes"


def test_a_port_is_forwarded_with_the_older_protocol() -> None:
    def echo(session: Session) -> None:
        session.accept()
        for channel in (0, 1):
            session.say(channel, (8080).to_bytes(2, "little"))
        for channel, data in session.messages():
            session.say(channel, data[::-1])

    with container(echo) as (port, sessions), executing.forward(client(port), "a", 8080) as opened:
        opened.send(0, b"abc")
        messages = opened.messages()
        assert [next(messages) for _ in range(3)] == [(0, b"\x90\x1f"), (1, b"\x90\x1f"), (0, b"cba")]
    assert sessions[0].protocol == V4
    assert sessions[0].query == [("ports", "8080")]


def rejecting(code: int, body: bytes) -> Callable[[Session], None]:
    return lambda session: session.reject(code, body)


def status(code: int, reason: str) -> bytes:
    return json.dumps({"kind": "Status", "code": code, "reason": reason, "message": "no"}).encode()


@pytest.mark.parametrize(
    ("code", "body", "error"),
    [
        (404, status(404, "NotFound"), NotFound),
        (403, status(403, "Forbidden"), Forbidden),
        (401, status(401, "Unauthorized"), Unauthorized),
        (502, b"<html>s3cret</html>", Unreachable),
        (500, status(500, "InternalError"), ApiError),
    ],
)
def test_a_refusal_is_the_same_error_as_elsewhere(code: int, body: bytes, error: type[Exception]) -> None:
    with container(rejecting(code, body)) as (port, _), pytest.raises(error) as caught:
        executing.run(client(port), "a", ["x"])
    assert "s3cret" not in str(caught.value)


def test_what_is_no_websocket_is_unreachable() -> None:
    with scripted(html(200)) as server, pytest.raises((Unreachable, ApiError)):
        executing.run(Client(server.connection()), "a", ["x"])
    with pytest.raises(Unreachable, match="refused"):
        executing.run(Client(server.connection()), "a", ["x"])


def test_an_end_that_nobody_told_is_no_success() -> None:
    def vanishing(session: Session) -> None:
        session.accept()
        session.say(STDOUT, b"half")

    with container(vanishing) as (port, _), pytest.raises(Unreachable):
        executing.run(client(port), "a", ["x"])


def test_closing_wakes_whoever_reads() -> None:
    def silent(session: Session) -> None:
        session.accept()
        list(session.messages())

    with container(silent) as (port, _):
        opened = executing.execute(client(port), "a", ["x"])
        ended = threading.Event()

        def read() -> None:
            with contextlib.suppress(Unreachable):
                list(opened.messages())
            ended.set()

        threading.Thread(target=read).start()
        opened.close()
        assert ended.wait(10)
        opened.__exit__()


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (b'{"status": "Success"}', Exit(0)),
        (b'{"status": "Failure", "reason": "NonZeroExitCode", "message": "m", "details": {"causes": [{"reason": "ExitCode", "message": "7"}]}}', Exit(7, "m")),
        (b'{"status": "Failure", "reason": "InternalError"}', None),
        (b"not JSON", None),
    ],
)  # fmt: skip
def test_an_exit_code_is_read_from_the_last_word(said: bytes, found: Exit | None) -> None:
    assert executing.read_exit(said) == found


def certificate(folder: Path) -> ssl.SSLContext:
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "9",
        "-keyout",
        "key",
        "-out",
        "crt",
        "-subj",
        "/CN=kubelet",
    ]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "crt", folder / "key")
    return context


@contextlib.contextmanager
def placed_pod(client: Client, port: int) -> Iterator[None]:
    """Make a pod on a node whose kubelet is at a port of this machine; the node is gone afterwards."""
    name = client.connection.namespace
    client.create(NODE, {"metadata": {"name": name}})
    addresses = [{"type": "InternalIP", "address": "127.0.0.1"}]
    client.patch(
        NODE,
        name,
        {"status": {"addresses": addresses, "daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}},
        subresource="status",
    )
    spec: dict[str, Any] = {"nodeName": name, "containers": [{"name": "main", "image": "localhost/none:1"}]}
    client.create(POD, {"metadata": {"name": "a"}, "spec": spec})
    try:
        yield
    finally:  # other tests on this server count its nodes
        client.delete(NODE, name)


@pytest.mark.apiserver
def test_a_command_runs_through_a_real_api_server(api_server: ApiServer, tmp_path: Path) -> None:
    with new_namespace(api_server) as client, container(upper_case, [V4], certificate(tmp_path)) as (port, _):
        command = [("command", "x"), ("stdin", "true"), ("stdout", "true")]
        path = POD.path(client.connection.namespace, "a", "exec")
        with placed_pod(client, port), channels.Channels(client, path, command, protocols=[V4]) as opened:
            opened.send(STDIN, b"hello")
            said = list(opened.messages())
    assert b"".join(each.data for each in said if each.channel == STDOUT) == b"HELLO!"
    assert b"".join(each.data for each in said if each.channel == STDERR) == b"done"
    assert [executing.read_exit(each.data) for each in said if each.channel == ERROR] == [Exit(3, "exit code 3")]


@pytest.mark.apiserver
def test_a_port_is_forwarded_through_a_real_api_server(api_server: ApiServer, tmp_path: Path) -> None:
    def upper(session: Session) -> None:
        session.accept()
        for channel in (0, 1):
            session.say(channel, (8080).to_bytes(2, "little"))
        channel, data = next(session.messages())
        session.say(channel, data.upper())

    with (
        new_namespace(api_server) as client,
        container(upper, [V4], certificate(tmp_path)) as (port, sessions),
        placed_pod(client, port),
        executing.forward(client, "a", 8080) as opened,
    ):
        opened.send(0, b"hello")
        said = list(opened.messages())
    assert said == [(0, b"\x90\x1f"), (1, b"\x90\x1f"), (0, b"HELLO")]
    assert [value for name, value in sessions[0].query if name in ("port", "ports")] == ["8080"]


@pytest.mark.apiserver
def test_a_real_api_server_refuses_as_elsewhere(api_server: ApiServer) -> None:
    with new_namespace(api_server) as client:
        with pytest.raises(NotFound):
            executing.run(client, "missing", ["x"])
        nobody = Client(api_server.connection(token="nonsense"))
        with pytest.raises(Unauthorized):
            executing.run(nobody, "missing", ["x"])
