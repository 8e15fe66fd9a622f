"""TLS, proxies and broken connections, against real sockets."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fairlead.errors import UsageError
from fairlead.kube.client import Client
from fairlead.kube.connection import Connection
from fairlead.kube.credentials import Fixed, Identity
from fairlead.kube.failures import CredentialsError, Unreachable
from fairlead.kube.resources import POD
from kube.scripted import Answer, scripted

OBJECT = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"kind": "Pod"}'


def quietly(server: str, **more: Any) -> Client:
    return Client(Connection(server, **({"credentials": Fixed(), "namespace": "ml"} | more)), sleep=lambda _: None)


class Authority:
    """A certificate authority with a server's and a client's certificate."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._run(
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "9",
            "-keyout",
            "ca.key",
            "-out",
            "ca.crt",
            "-subj",
            "/CN=authority",
        )
        self._issue("server", "DNS:inside.example,IP:127.0.0.1")
        self._issue("elsewhere", "DNS:inside.example")
        self._issue("client", "DNS:client")
        self.text = (folder / "ca.crt").read_text()

    def _run(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    def _issue(self, name: str, names: str) -> None:
        (self.folder / f"{name}.ext").write_text(f"subjectAltName={names}\n")
        self._run(
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.csr",
            "-subj",
            f"/CN={name}",
        )
        self._run(
            "x509",
            "-req",
            "-in",
            f"{name}.csr",
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "9",
            "-out",
            f"{name}.crt",
            "-extfile",
            f"{name}.ext",
        )

    def identity(self, name: str) -> Identity:
        return Identity("", (self.folder / f"{name}.crt").read_text(), (self.folder / f"{name}.key").read_text())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@contextmanager
def tls_server(
    authority: Authority, name: str = "server", *, asks_client: bool = False
) -> Iterator[tuple[str, list[Any]]]:
    """Serve one object over TLS; yields its URL, and the subjects of the clients' certificates as they come."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.folder / f"{name}.crt", authority.folder / f"{name}.key")
    if asks_client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority.folder / "ca.crt")
    listening, clients = socket.create_server(("127.0.0.1", 0)), []

    def serve() -> None:
        while True:
            try:
                plain, _ = listening.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(plain, server_side=True) as secure:
                    clients.append(secure.getpeercert())
                    secure.recv(65536)
                    secure.sendall(OBJECT)
            except OSError:
                plain.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"https://127.0.0.1:{listening.getsockname()[1]}", clients
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
        listening.close()


def test_a_server_is_trusted_by_the_clusters_own_authority_only(authority: Authority) -> None:
    with tls_server(authority) as (url, _):
        assert quietly(url, authority=authority.text).get(POD, "a") == {"kind": "Pod"}
        with pytest.raises(Unreachable, match=r"unable to get local issuer certificate") as caught:
            quietly(url).get(POD, "a")
    assert not caught.value.may_pass
    assert "certificate-authority" in caught.value.next


def test_a_certificates_name_must_be_the_servers_or_the_one_that_is_given(authority: Authority) -> None:
    with tls_server(authority, "elsewhere") as (url, _):
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1"):
            quietly(url, authority=authority.text).get(POD, "a")
        assert quietly(url, authority=authority.text, server_name="inside.example").get(POD, "a")


def test_insecure_means_any_certificate(authority: Authority) -> None:
    with tls_server(authority, "elsewhere") as (url, _):
        assert quietly(url, insecure=True).get(POD, "a")


def test_a_client_shows_its_certificate_and_a_new_one_after_it_changed(authority: Authority) -> None:
    class Changing:
        name = "client"

        def identity(self) -> Identity:
            return authority.identity(self.name)

        def renew(self) -> bool:
            return False

    credentials = Changing()
    with tls_server(authority, asks_client=True) as (url, clients):
        client = quietly(url, authority=authority.text, credentials=credentials)
        client.get(POD, "a")
        credentials.name = "server"
        client.get(POD, "a")
        with pytest.raises(Unreachable):
            quietly(url, authority=authority.text).get(POD, "a")
    assert [each["subject"][0][0][1] for each in clients] == ["client", "server"]


@pytest.mark.parametrize("key", ["", "nonsense"])
def test_a_key_that_is_none_is_an_error_without_it(authority: Authority, key: str) -> None:
    identity = Identity("", authority.identity("client").certificate, key)
    with pytest.raises(CredentialsError):
        quietly("https://127.0.0.1:1", credentials=Fixed(identity)).get(POD, "a")
    with pytest.raises(UsageError, match="is no certificate"):
        quietly("https://127.0.0.1:1", authority="nonsense").get(POD, "a")


def test_a_proxy_of_the_kubeconfig_is_used_and_named_when_it_fails() -> None:
    with scripted(Answer(body=b'{"kind": "Pod"}')) as proxy:
        assert quietly("http://cluster.example", proxy=proxy.url).get(POD, "a")
    assert proxy.asked[0].path == "http://cluster.example/api/v1/namespaces/ml/pods/a"
    with pytest.raises(Unreachable, match="through the proxy: Connection refused"):
        quietly("http://cluster.example", proxy=proxy.url).get(POD, "a")
    with pytest.raises(UsageError, match="socks5"):
        quietly("http://cluster.example", proxy="socks5://p:1").get(POD, "a")


def test_a_path_of_the_servers_url_is_kept() -> None:
    with scripted(Answer(body=b'{"kind": "Pod"}')) as server:
        assert quietly(f"{server.url}/k8s/clusters/c1/").get(POD, "a")
    assert server.asked[0].path == "/k8s/clusters/c1/api/v1/namespaces/ml/pods/a"


def test_a_name_without_an_address_is_unreachable() -> None:
    with pytest.raises(Unreachable) as caught:
        quietly("https://cluster.invalid").get(POD, "a")
    assert not caught.value.was_sent


def test_a_stream_that_waits_ends_when_another_thread_closes_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = quietly(f"http://127.0.0.1:{listening.getsockname()[1]}")
        accepted: list[socket.socket] = []

        def serve() -> None:
            accepted.append(listening.accept()[0])
            accepted[0].recv(65536)
            accepted[0].sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n")

        serving = threading.Thread(target=serve)
        serving.start()
        with client.stream("/x", silent_s=60) as stream:
            lines = stream.lines()
            assert next(lines) == b"one"
            ended = threading.Event()

            def read_on() -> None:
                list(lines)
                ended.set()

            threading.Thread(target=read_on).start()
            stream.close()
            assert ended.wait(10)
        serving.join()
        accepted[0].close()


def test_keepalive_is_on() -> None:
    with scripted(Answer(body=b'{"kind": "Pod"}')) as server, quietly(server.url) as client:
        client.get(POD, "a")
        manager = client._transport._pool
        assert manager is not None
        connection = manager.connection_from_url(server.url).pool.get()  # type: ignore[union-attr]
        assert connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        connection.close()


def test_without_the_library_the_message_says_what_to_install() -> None:
    code = "import sys; sys.modules['urllib3'] = None\nfrom fairlead.errors import MissingExtra\ntry: import fairlead.kube.client\nexcept MissingExtra as e: print(e)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "  next   pip install 'fairlead[kubernetes]'"
