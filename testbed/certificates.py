"""The cluster's own certificate authority, the certificates it signs, and the kubeconfigs made of them.

All are made by ``openssl``, and anew at every start: the node's address may have changed, and none is worth keeping.
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .commands import run
from .state import State, write

DAYS = 365
_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


class Certificate(NamedTuple):
    """A certificate to sign: who it names, and which names and addresses it serves under (none for a client)."""

    name: str
    subject: str
    serves: Sequence[str] = ()


def make(state: State, wanted: Sequence[Certificate]) -> None:
    """Make the authority (``ca``), the key of service account tokens (``tokens``), and the certificates."""
    folder = state.certificates
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    authority(folder, "fairlead-testbed")
    _openssl(folder, "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", "tokens.key")
    for each in wanted:
        sign(folder, each)


def authority(folder: Path, name: str, *, rsa: bool = False) -> None:
    """Make an authority of its own in a folder, as ``ca``.

    Args:
        folder: Where.
        name: Its name, which it could serve under too.
        rsa: Whether its key is one of RSA, in the form of PKCS #1, for programs that read no other.
    """
    key = ["-newkey", "rsa:2048", "-nodes"] if rsa else _KEY
    _openssl(
        folder, "req", "-x509", *key, "-days", str(DAYS), "-subj", f"/CN={name}", "-addext",
        f"subjectAltName=DNS:{name}", "-keyout", "ca.key", "-out", "ca.crt",
    )  # fmt: skip
    if rsa:
        _openssl(folder, "rsa", "-traditional", "-in", "ca.key", "-out", "ca.key")


def sign(folder: Path, wanted: Certificate) -> None:
    """Make a certificate that the authority of a folder has signed."""
    name = wanted.name
    extensions = ["extendedKeyUsage=clientAuth" + (",serverAuth" if wanted.serves else "")]
    if wanted.serves:
        extensions.append("subjectAltName=" + ",".join(wanted.serves))
    (folder / f"{name}.extensions").write_text("\n".join(extensions))
    _openssl(folder, "req", *_KEY, "-subj", wanted.subject, "-keyout", f"{name}.key", "-out", f"{name}.request")
    _openssl(
        folder, "x509", "-req", "-in", f"{name}.request", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
        "-days", str(DAYS), "-extfile", f"{name}.extensions", "-out", f"{name}.crt",
    )  # fmt: skip


def _openssl(folder: Path, *arguments: str) -> None:
    run("openssl", *arguments, where=folder)


def pair(state: State, name: str, folder: Path | None = None) -> Path:
    """Put a certificate where a controller's webhooks look for it, under the names that they have there.

    Args:
        state: Whose certificates.
        name: The certificate, and the folder in the state folder where none is given.
        folder: The folder.
    """
    found = folder or state.folder / name
    found.mkdir(parents=True, exist_ok=True)
    for suffix in ("crt", "key"):
        shutil.copy(state.certificates / f"{name}.{suffix}", found / f"tls.{suffix}")
    return found


def kubeconfig(state: State, path: Path, certificate: str, server: str) -> None:
    """Write a kubeconfig that holds its certificates, so that it works wherever it is copied to."""
    client = {"client-certificate-data": f"{certificate}.crt", "client-key-data": f"{certificate}.key"}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "testbed",
                "cluster": {"server": server, "certificate-authority-data": encoded(state, "ca.crt")},
            }
        ],
        "users": [{"name": "testbed", "user": {key: encoded(state, name) for key, name in client.items()}}],
        "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": "testbed"}}],
        "current-context": "testbed",
    }
    write(path, json.dumps(document, indent=1), mode=0o600)  # JSON is YAML


def encoded(state: State, name: str) -> str:
    """Return a file of the certificates in base64, as Kubernetes' documents hold it."""
    return base64.b64encode((state.certificates / name).read_bytes()).decode()
