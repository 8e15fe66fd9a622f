"""The remote back end on a real S3 server: the shared contract, and what a network does to it."""

from __future__ import annotations

import os
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("obstore")

from fairlead.errors import NotFoundError, StoreError, UsageError
from fairlead.store.opening import open_backend
from fairlead.store.remote import Remote
from fairlead.testing.racing import race_to_create
from fairlead.testing.stores import BackendContract, check_race
from memory import PEAK_MIB, needs_proc
from servers import minio
from servers.fixtures import start_or_skip

SECRET = "do-not-show-this-secret"


@pytest.fixture
def url(s3_store_url: str) -> str:
    """A prefix of its own, so that every test starts with an empty store."""
    return f"{s3_store_url}/{uuid.uuid4().hex}"


@pytest.fixture
def store(url: str) -> Remote:
    return Remote(url, patience_s=2)


class TestS3(BackendContract):
    model_examples = 6

    @pytest.fixture
    def backend(self, store: Remote) -> Remote:
        return store


class TestMemory(BackendContract):
    model_examples = 6

    @pytest.fixture
    def backend(self) -> Remote:
        return Remote("memory://")

    test_one_of_many_processes_creates = None  # type: ignore[assignment]  # a store in memory is one process's


def test_two_processes_race_to_create(store: Remote) -> None:
    rounds = [f"claims/{number}" for number in range(50)]
    check_race(store, rounds, race_to_create(Remote, store.url, rounds, 2))


def test_opening_probes_for_exclusive_create_and_can_be_repeated(url: str) -> None:
    for _ in range(2):
        backend = open_backend(url)
        assert isinstance(backend, Remote)
        assert backend.url == url
    backend.put("a", b"1")
    assert open_backend(url).get("a") == b"1"


def everything(store: Remote, file: Path) -> Iterator[StoreError]:
    """Try every method of a store that refuses, and give what each raises."""
    for act in (
        lambda: store.create("a", b"1"),
        lambda: store.put("a", b"1"),
        lambda: store.put_file("a", file),
        lambda: store.get("a"),
        lambda: store.get("a", 3, 4),
        lambda: store.list_after(""),
        lambda: store.delete("a"),
    ):
        with pytest.raises(StoreError) as refused:
            act()
        assert refused.value.where == f"store {store.url}"
        assert len(str(refused.value).splitlines()) == 4, "the four answers"
        for hidden in (SECRET, "<", "RequestId", os.environ.get("AWS_SECRET_ACCESS_KEY", SECRET)):
            assert hidden not in str(refused.value)
        assert refused.value.__cause__ is None
        assert refused.value.__suppress_context__
        yield refused.value


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"])
def test_wrong_credentials_are_denied(url: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, SECRET)
    for refused in everything(Remote(url), Path(__file__)):
        assert "denied" in refused.why
        assert "403" in refused.why
        assert "credentials" in refused.next


def test_a_missing_bucket_is_named(s3_store_url: str) -> None:
    for refused in everything(Remote("s3://no-such-bucket/prefix"), Path(__file__)):
        assert "there is no such bucket" in refused.why
        assert "s3://no-such-bucket/prefix" in refused.where
        assert "create the bucket" in refused.next


def test_http_needs_to_be_allowed(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    for refused in everything(Remote(url), Path(__file__)):
        assert "AWS_ALLOW_HTTP" in refused.next


def test_a_forked_child_is_refused_and_does_not_hang(store: Remote) -> None:
    store.put("a", b"1")
    code = (
        "import os, signal, sys; from fairlead.store.remote import Remote; from fairlead.errors import StoreError\n"
        "store = Remote(sys.argv[1]); store.get('a')\n"
        "child = os.fork()\n"
        "if child: sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "signal.alarm(20)\n"
        "try: store.get('a')\n"
        "except StoreError as error: os._exit(0 if 'forked' in error.why else 1)\n"
        "os._exit(2)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, store.url], check=False).returncode == 0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_server_that_dies_or_falls_silent_in_mid_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: signal.Signals
) -> None:
    server = start_or_skip(lambda: minio.start(tmp_path))
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    store = Remote(server.url, patience_s=1)
    failed, begun = [], threading.Event()

    def write() -> None:
        try:
            for number in range(1_000_000):
                store.put(f"a/{number}", b"1" * 10_000)
                begun.set()
        except StoreError as error:
            failed.append(error)

    writer = threading.Thread(target=write, daemon=True)
    try:
        writer.start()
        assert begun.wait(30)
        server.process.send_signal(how)
        started = time.monotonic()
        for refused in everything(store, Path(__file__)):
            assert "cannot be reached" in refused.why
            assert "AWS_ENDPOINT_URL" in refused.next
        assert time.monotonic() - started < 7 * 5, "seven calls, each of about twice the patience"
        writer.join(30)
    finally:
        server.process.send_signal(signal.SIGCONT)
        minio.end(server)
    assert [error.what.startswith("cannot write a/") for error in failed] == [True]


PUT_FILE = f"""{PEAK_MIB}
import sys
from pathlib import Path
from fairlead.store.remote import Remote
store = Remote(sys.argv[1])
store.put("warm", b"1")
before = peak_mib()
store.put_file("large", Path(sys.argv[2]))
print(peak_mib() - before)
"""


@needs_proc
def test_a_large_file_is_sent_in_parts_and_never_held_whole(store: Remote, tmp_path: Path) -> None:
    size, marks = 300 << 20, (0, 8 << 20, 123_456_789, (300 << 20) - 8)
    file = tmp_path / "large"
    with open(file, "wb") as target:
        target.truncate(size)
        for mark in marks:
            target.seek(mark)
            target.write(f"{mark % 10**8:08}".encode())
    child = subprocess.run(
        [sys.executable, "-c", PUT_FILE, store.url, file], stdout=subprocess.PIPE, check=True, timeout=300
    )
    assert [entry.size for entry in store.list_after("", "a")] == [size, 1]
    for mark in marks:
        assert store.get("large", mark, 8) == f"{mark % 10**8:08}".encode()
    assert int(child.stdout) < 100, "MiB more than before"
    store.delete("large")


class Scripted(BaseHTTPRequestHandler):
    """A server that answers as other stores do: what MinIO cannot be made to say."""

    protocol_version = "HTTP/1.1"
    answers: list[tuple[int, str]]
    asked: list[str]

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.asked.append(f"{self.command} {self.headers.get('If-None-Match', '')}")
        status, code = self.answers[min(len(self.asked), len(self.answers)) - 1]
        body = f"<Error><Code>{code}</Code><Message>{SECRET}</Message></Error>".encode() if code else b""
        self.send_response(status)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Scripted]]:
    handler = type("Handler", (Scripted,), {"answers": [(200, "")], "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }.items():
        monkeypatch.setenv(name, value)
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_store_that_creates_twice_is_refused(scripted: type[Scripted]) -> None:
    with pytest.raises(StoreError, match=r"(?s)cannot hold runs.*If-None-Match.*next"):
        open_backend("s3://bucket/prefix")
    assert scripted.asked == ["PUT *", "PUT *"]


@pytest.mark.parametrize(
    ("status", "code", "why", "then"),
    [
        (400, "ExpiredToken", "the credentials have expired", "renew"),
        (403, "RequestTimeTooSkewed", "clock", "set the clock"),
        (403, "AccessDenied", "denied", "credentials"),
        (501, "NotImplemented", "does not support", "conditional writes"),
        (503, "SlowDown", "overloaded", "wait"),
        (400, "AuthorizationHeaderMalformed", "refused the request", "region"),
    ],
)
def test_refusals_say_why_and_what_next(scripted: type[Scripted], status: int, code: str, why: str, then: str) -> None:
    scripted.answers = [(status, code)]
    for refused in everything(Remote("s3://bucket/prefix", patience_s=0.3), Path(__file__)):
        assert why in refused.why
        assert f"{status} {code}" in refused.why
        assert then in refused.next


def test_a_server_error_is_retried(scripted: type[Scripted]) -> None:
    scripted.answers = [(503, "SlowDown"), (500, "InternalError"), (200, "")]
    Remote("s3://bucket/prefix", patience_s=20).put("a", b"1")
    assert len(scripted.asked) == 3


def test_no_credentials_at_all(scripted: type[Scripted], monkeypatch: pytest.MonkeyPatch) -> None:
    scripted.answers = [(404, "")]
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StoreError, match=r"(?s)no credentials were found.*AWS_ACCESS_KEY_ID"):
        Remote("s3://bucket/prefix", patience_s=0.3).put("a", b"1")


def test_a_missing_object_is_not_a_refusal(store: Remote) -> None:
    with pytest.raises(NotFoundError, match="there is no a/b"):
        store.get("a/b")


def certificates(folder: Path) -> tuple[Path, Path]:
    """Make an authority and a certificate of it for 127.0.0.1; return the authority's file and the server's."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl, to make a certificate: apt-get install openssl")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    authority = ["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=tests"]
    server = ["-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "server.key", "-out", "server.pem", "-subj", "/CN=server"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE"]
    for more in (authority, [*server, *names]):
        subprocess.run(["openssl", "req", "-x509", *key, *more], cwd=folder, check=True, capture_output=True)
    (folder / "both.pem").write_text((folder / "server.pem").read_text() + (folder / "server.key").read_text())
    return folder / "ca.pem", folder / "both.pem"


def test_a_private_authority_is_trusted_when_named(
    scripted: type[Scripted], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, certificate = certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with ThreadingHTTPServer(("127.0.0.1", 0), scripted) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://127.0.0.1:{server.server_port}")
        with pytest.raises(StoreError, match=r"(?s)certificate is not trusted.*AWS_CA_BUNDLE"):
            Remote("s3://bucket/prefix", patience_s=0.5).put("a", b"1")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(authority))
        Remote("s3://bucket/prefix", patience_s=5).put("a", b"1")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "missing"))
        with pytest.raises(UsageError, match=r"(?s)missing.*AWS_CA_BUNDLE"):
            Remote("s3://bucket/prefix")
        server.shutdown()
        thread.join()
