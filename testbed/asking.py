"""Asking a server whether it works, in the few ways that the components answer."""

from __future__ import annotations

import http.client
import socket
import ssl
import struct
from pathlib import Path

_TIMEOUT_S = 5


def over_http(host: str, port: int, path: str, *, tls: ssl.SSLContext | None = None) -> bool:
    """Say whether a server answers a path with 200."""
    return get(host, port, path, tls=tls)[0] == 200


def get(host: str, port: int, path: str, *, tls: ssl.SSLContext | None = None) -> tuple[int, bytes]:
    """Return a server's status and body; status 0 where it can't be reached."""
    connection = (
        http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_S, context=tls)
        if tls
        else http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    )
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def as_client(certificates: Path, name: str) -> ssl.SSLContext:
    """Return what a client of the API server brings: the authority, and its own certificate."""
    context = ssl.create_default_context(cafile=certificates / "ca.crt")
    context.load_cert_chain(certificates / f"{name}.crt", certificates / f"{name}.key")
    return context


def unverified() -> ssl.SSLContext:
    """Return a context for a component on loopback whose certificate it made itself."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def over_socket(path: Path) -> bool:
    """Say whether somebody listens on a Unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def over_dns(server: str, name: str, expected: str) -> bool:
    """Say whether a name server gives a name this IPv4 address (RFC 1035)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = struct.pack(">6H", 1, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(_TIMEOUT_S)
        try:
            probe.connect((server, 53))
            probe.send(query)
            return probe.recv(512).endswith(socket.inet_aton(expected))
        except OSError:
            return False
