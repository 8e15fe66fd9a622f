"""One connection pool to one API server: TLS, proxies, timeouts, and the library's errors as ours.

Not for retries, which are the client's, nor for the meaning of an answer.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

from fairlead.errors import MissingExtra, UsageError
from fairlead.kube.clock import ServerClock
from fairlead.kube.connection import Connection
from fairlead.kube.credentials import Identity, basic
from fairlead.kube.failures import Unreachable
from fairlead.kube.proxies import proxy_for
from fairlead.kube.tls import tls_context

try:
    import urllib3
    from urllib3 import exceptions
except ModuleNotFoundError as error:
    raise MissingExtra("urllib3", "kubernetes", "a Kubernetes cluster") from error

CONNECT_S = 10.0
"""How long a connection may take to come about: names, TCP and TLS over the slowest VPN."""

READ_S = 60.0
"""How long the server may be silent in the middle of an answer; it gives up after 60 s itself."""

_CONNECTIONS = 64  # kept; there may be more, one for each watch and each followed log
_KEEPALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPALIVE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))


class Stream:
    """An answer that is read as it comes. Another thread may close it, which ends a read that waits."""

    def __init__(self, answer: urllib3.BaseHTTPResponse, where: str) -> None:
        self._answer, self._where = answer, where
        self._closed = threading.Event()
        self.code = answer.status
        self.content_type = answer.headers.get("Content-Type", "").partition(";")[0]
        self.retry_after = answer.headers.get("Retry-After", "")

    def read(self) -> bytes:
        """Read all of it, and give the connection back."""
        with _translated(self._where, was_sent=True):
            data = self._answer.read()
            self._answer.release_conn()
            return data

    def lines(self, *, unfinished: bool = False) -> Iterator[bytes]:
        """Yield lines without their ends, as they come.

        Args:
            unfinished: Yield what stands after the last line's end, too.

        Raises:
            Unreachable: The connection broke or was silent for too long.
        """
        rest = b""
        for chunk in self.chunks():
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
        if rest and unfinished:
            yield rest

    def chunks(self) -> Iterator[bytes]:
        """Yield what comes as it comes, in pieces of any size.

        Raises:
            Unreachable: The connection broke or was silent for too long.
        """
        while not self._closed.is_set():
            try:
                with _translated(self._where, was_sent=True):
                    chunk = self._answer.read1()
            except Unreachable:
                if self._closed.is_set():  # by another thread: no fault
                    return
                raise
            if not chunk:
                return
            yield chunk

    def close(self) -> None:
        """End it. A connection whose answer was not read to its end is not used again."""
        if self._closed.is_set():
            return
        self._closed.set()
        with contextlib.suppress(OSError, RuntimeError, ValueError):  # it has ended by itself
            self._answer.shutdown()  # wakes a thread that reads; closing alone does not

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._answer.close()


class Transport:
    """A pool of connections to one server. Threads share it.

    Args:
        connection: The server and who is asking.
        environment: The environment variables, for the proxies.
    """

    def __init__(self, connection: Connection, *, environment: Mapping[str, str] = os.environ) -> None:
        self.connection = connection
        url = urlsplit(connection.server)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise UsageError("the cluster's server is no http or https URL", where=connection.where)
        self._root = connection.server.rstrip("/")
        self._proxy = connection.proxy or proxy_for(connection.server, environment)
        self._lock = threading.Lock()
        self._pool: urllib3.PoolManager | None = None
        self._identity = Identity()
        self.clock = ServerClock()

    def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        headers: Mapping[str, str],
        body: bytes | None,
        read_s: float,
    ) -> Stream:
        """Send one request and return its answer when its head has come.

        Args:
            method: GET, POST, …
            path: As in the API, without the server's own path.
            query: Parameters; an empty text or None is left out.
            headers: Beside those of the connection.
            body: What is sent.
            read_s: How long the server may be silent.

        Raises:
            Unreachable: There was no answer.
            CredentialsError: The identity can't be had.
        """
        identity = self.connection.credentials.identity()
        given = urllib3.HTTPHeaderDict(self.connection.headers)
        given.update({"User-Agent": "fairlead", **headers})
        if identity.authorization:
            given["Authorization"] = identity.authorization
        parameters = urlencode({name: value for name, value in query.items() if value not in ("", None)})
        sent = time.monotonic()
        with _translated(self.connection.where, was_sent=False):
            answer = self._pool_for(identity).urlopen(
                method,
                f"{self._root}{path}" + (f"?{parameters}" if parameters else ""),
                body=body,
                headers=given,
                timeout=urllib3.Timeout(connect=CONNECT_S, read=read_s),
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=True,
            )
        self.clock.take(answer.headers.get("Date", ""), sent, time.monotonic())
        return Stream(answer, self.connection.where)

    def _pool_for(self, identity: Identity) -> urllib3.PoolManager:
        """Return the pool; a new one where the client's certificate is another."""
        with self._lock:
            same = (identity.certificate, identity.key) == (self._identity.certificate, self._identity.key)
            if self._pool is None or not same:
                self._pool, self._identity = self._new_pool(identity), identity
            return self._pool

    def _new_pool(self, identity: Identity) -> urllib3.PoolManager:
        settings: dict[str, Any] = {"maxsize": _CONNECTIONS, "socket_options": socket_options()}
        if self.connection.server.startswith("https"):
            settings["ssl_context"] = tls_context(self.connection, identity)
            if self.connection.server_name:
                settings["server_hostname"] = settings["assert_hostname"] = self.connection.server_name
            if self.connection.insecure:
                settings["cert_reqs"], settings["assert_hostname"] = ssl.CERT_NONE, False
                urllib3.disable_warnings(exceptions.InsecureRequestWarning)  # the kubeconfig says so in plain words
        if not self._proxy:
            return urllib3.PoolManager(**settings)
        url = urlsplit(self._proxy)
        if url.scheme not in ("http", "https"):
            raise UsageError(
                f"a proxy of the kind {url.scheme!r} can't be used",
                where=self.connection.where,
                next="give an http or https proxy as proxy-url in the kubeconfig, or as HTTPS_PROXY",
            )
        login = basic(unquote(url.username), unquote(url.password or "")) if url.username else ""
        headers = {"Proxy-Authorization": login} if login else None
        return urllib3.ProxyManager(self._proxy, proxy_headers=headers, **settings)

    def close(self) -> None:
        """Close the connections that are not in use."""
        with self._lock:
            if self._pool is not None:
                self._pool.clear()
            self._pool = None


def socket_options() -> list[tuple[int, int, int]]:
    """Return the options of every socket: the system notices within a minute that nobody is there any more."""
    keepalive = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    names = [
        each
        for each in _KEEPALIVE
        if hasattr(socket, each[0]) and (sys.platform != "linux" or each[0] != "TCP_KEEPALIVE")
    ]
    return keepalive + [(socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in names]


@contextlib.contextmanager
def _translated(where: str, *, was_sent: bool) -> Iterator[None]:
    """Raise the library's errors as ours. Its texts name addresses and reasons, never headers or bodies."""
    try:
        yield
    except (exceptions.NewConnectionError, exceptions.ConnectTimeoutError) as error:
        raise Unreachable(where, _cause(error), was_sent=was_sent) from error
    except exceptions.ProxyError as error:
        raise Unreachable(where, f"through the proxy: {_cause(error)}", was_sent=was_sent) from error
    except exceptions.SSLError as error:
        refused = isinstance(error.args[0] if error.args else None, ssl.SSLCertVerificationError)
        raise Unreachable(
            where,
            _cause(error),
            was_sent=not refused,
            may_pass=not refused,
            next="check certificate-authority and tls-server-name in the kubeconfig" if refused else "",
        ) from error
    except (exceptions.HTTPError, OSError, ValueError) as error:
        # ValueError: the TLS of a connection that another thread has shut down.
        raise Unreachable(where, _cause(error), was_sent=True) from error


def _cause(error: BaseException) -> str:
    """Say why, in the words of the system where it gave any: the library wraps its errors several times."""
    timed_out, inner = False, [error]
    while inner:
        error = inner.pop()
        timed_out |= isinstance(error, exceptions.TimeoutError | TimeoutError)
        if isinstance(error, ssl.SSLError) and (said := getattr(error, "verify_message", "") or error.reason):
            return said
        if isinstance(error, OSError) and error.strerror:
            return error.strerror
        wrapped = (*error.args, getattr(error, "reason", None), error.__cause__)
        inner += [each for each in wrapped if isinstance(each, BaseException) and each is not error]
    return "no answer came in time" if timed_out else "the connection broke"
