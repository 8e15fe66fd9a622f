"""TLS from certificates and keys that are in memory."""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
from collections.abc import Iterator
from typing import NoReturn

from fairlead.errors import UsageError
from fairlead.kube.connection import Connection
from fairlead.kube.credentials import Identity
from fairlead.kube.failures import CredentialsError


def tls_context(connection: Connection, identity: Identity) -> ssl.SSLContext:
    """Make the settings of TLS for a connection and whoever is asking.

    Raises:
        UsageError: The certificate authority is no certificate.
        CredentialsError: The client's certificate or key is none, or they do not belong together.
    """
    try:
        context = ssl.create_default_context(cadata=connection.authority or None)
    except (ssl.SSLError, ValueError) as error:
        raise UsageError("the certificate authority is no certificate", where=connection.where) from error
    # Many clusters' own authorities lack what the strict check of Python 3.13 wants; kubectl does not ask for it.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", ssl.VerifyFlags(0))
    if connection.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if identity.certificate:
        with _as_file(f"{identity.certificate}\n{identity.key}") as path:
            try:
                context.load_cert_chain(path, password=_no_password)
            except (ssl.SSLError, ValueError) as error:
                raise CredentialsError(
                    "the client's certificate and key can't be used",
                    where=connection.where,
                    why=getattr(error, "reason", "") or "they are no PEM, or do not belong together",
                ) from error
    return context


def _no_password() -> NoReturn:
    raise ValueError  # rather than asking on the terminal, as OpenSSL does


@contextlib.contextmanager
def _as_file(text: str) -> Iterator[str]:
    """Give a text a path for a moment: `ssl` reads keys from files only. On Linux it is memory, not a disk."""
    if hasattr(os, "memfd_create"):
        with open(os.memfd_create("fairlead-tls"), "wb") as file:
            file.write(text.encode())
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
        return
    with tempfile.NamedTemporaryFile() as disk:  # mode 600, gone at the end of this block
        disk.write(text.encode())
        disk.flush()
        yield disk.name
