"""A socket to the API server for what is no request and answer: TLS and the proxy as in `transport`."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import unquote, urlencode, urlsplit

from fairlead.errors import UsageError
from fairlead.kube.connection import Connection
from fairlead.kube.credentials import basic
from fairlead.kube.failures import Unreachable
from fairlead.kube.proxies import proxy_for
from fairlead.kube.tls import tls_context
from fairlead.kube.transport import CONNECT_S, socket_options


class Opened(NamedTuple):
    """A socket, and what the first request on it must say."""

    socket: socket.socket
    host: str
    target: str
    headers: Sequence[tuple[bytes, bytes]]


def open_socket(
    connection: Connection, path: str, query: Sequence[tuple[str, str]], environment: Mapping[str, str] = os.environ
) -> Opened:
    """Open a connection of its own to the server.

    Raises:
        Unreachable: There is none to be had.
        CredentialsError: The identity can't be had.
    """
    identity = connection.credentials.identity()
    url = urlsplit(connection.server)
    port = url.port or (443 if url.scheme == "https" else 80)
    secure = tls_context(connection, identity) if url.scheme == "https" else None
    try:
        opened = _reached(connection, url.hostname or "", port, environment)
        for option in socket_options():
            opened.setsockopt(*option)
        if secure is not None:  # where this fails, it closes the socket
            opened = secure.wrap_socket(opened, server_hostname=connection.server_name or url.hostname)
    except ssl.SSLCertVerificationError as error:
        raise Unreachable(connection.where, error.verify_message, was_sent=False, may_pass=False) from error
    except OSError as error:
        raise Unreachable(connection.where, error.strerror or "the connection broke", was_sent=False) from error
    headers = [*connection.headers]
    if identity.authorization:
        headers.append(("Authorization", identity.authorization))
    target = f"{url.path.rstrip('/')}{path}?{urlencode(query)}"
    return Opened(opened, url.netloc, target, [(name.encode(), value.encode()) for name, value in headers])


def _reached(connection: Connection, host: str, port: int, environment: Mapping[str, str]) -> socket.socket:
    proxy = urlsplit(connection.proxy or proxy_for(connection.server, environment))
    if not proxy.hostname:
        return socket.create_connection((host, port), CONNECT_S)
    if proxy.scheme != "http":
        raise UsageError(
            f"exec and port-forward can't go through a proxy of the kind {proxy.scheme!r}", where=connection.where
        )
    through = http.client.HTTPConnection(proxy.hostname, proxy.port or 80, timeout=CONNECT_S)
    login = basic(unquote(proxy.username), unquote(proxy.password or "")) if proxy.username else ""
    through.set_tunnel(host, port, {"Proxy-Authorization": login} if login else {})
    through.connect()
    opened: socket.socket = through.sock
    return opened
