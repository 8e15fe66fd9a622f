"""A real kube-apiserver with etcd, without nodes and controllers, on free loopback ports.

The programs are those of the testbed, which builds them (`FAIRLEAD_TOOLS` names its folder), or those of envtest
(`KUBEBUILDER_ASSETS` names theirs).
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import ssl
import subprocess
import tempfile
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

from fairlead.kube.connection import Connection
from fairlead.kube.credentials import Fixed, Identity, bearer

from .processes import ServerDied, Unavailable, free_port, stop, wait_until

_STARTING_S = 120.0


class ApiServer(NamedTuple):
    """A running server: its URL, what to trust it by, and the token of somebody who may do everything."""

    etcd: subprocess.Popen[bytes]
    process: subprocess.Popen[bytes]
    folder: Path
    url: str
    authority: str
    token: str

    def connection(self, *, token: str = "", namespace: str = "default", server: str = "") -> Connection:
        """Return a connection: the administrator's, or that of a token; to the server, or to a proxy before it."""
        return Connection(
            server or self.url,
            Fixed(Identity(bearer(token or self.token))),
            namespace=namespace,
            authority="" if server else self.authority,
        )

    def tls(self) -> ssl.SSLContext:
        """Return the settings with which another program reaches it."""
        return ssl.create_default_context(cadata=self.authority)


def programs() -> dict[str, Path]:
    """Return the newest ``etcd`` and ``kube-apiserver`` that have been built here."""
    tools = Path(os.environ.get("FAIRLEAD_TOOLS") or Path.home() / ".cache/fairlead/tools")
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    found = {}
    for name, component in (("etcd", "etcd"), ("kube-apiserver", "kubernetes")):
        built = [each.parent / name for each in tools.glob(f"{component}/*/built.json")]
        paths = [Path(assets) / name] if assets else sorted(built, key=lambda path: path.stat().st_mtime)
        if not paths or not paths[-1].exists():
            raise Unavailable(
                f"there is no {name}: `python -m testbed build kubernetes etcd`, or set KUBEBUILDER_ASSETS"
            )
        found[name] = paths[-1]
    return found


def start() -> ApiServer:
    """Start both in a new temporary folder."""
    binaries = programs()
    for attempt in range(3):
        folder = Path(tempfile.mkdtemp(prefix="fairlead-apiserver-"))
        try:
            return _start(binaries, folder)
        except ServerDied:  # somebody else may have taken a port meanwhile
            shutil.rmtree(folder)
            if attempt == 2:
                raise
    raise AssertionError("unreachable")


def _start(binaries: dict[str, Path], folder: Path) -> ApiServer:
    etcd_port, peer_port, port = free_port(), free_port(), free_port()
    etcd_url, url = f"http://127.0.0.1:{etcd_port}", f"https://127.0.0.1:{port}"
    token = secrets.token_hex(16)
    (folder / "tokens.csv").write_text(f"{token},admin,admin,system:masters\n")
    key = folder / "accounts.key"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    etcd = _run(
        folder, binaries["etcd"], f"--data-dir={folder / 'etcd'}", f"--listen-client-urls={etcd_url}", f"--advertise-client-urls={etcd_url}",
        f"--listen-peer-urls=http://127.0.0.1:{peer_port}", "--unsafe-no-fsync", "--log-level=error",
    )  # fmt: skip
    server = _run(
        folder, binaries["kube-apiserver"], f"--etcd-servers={etcd_url}", "--bind-address=127.0.0.1", f"--secure-port={port}",
        f"--cert-dir={folder / 'certificates'}", f"--token-auth-file={folder / 'tokens.csv'}", "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.96.0.0/16", "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}",
        "--disable-admission-plugins=ServiceAccount",  # there is no controller that makes the accounts of namespaces
    )  # fmt: skip
    certificate = folder / "certificates/apiserver.crt"
    try:
        wait_until(lambda: _is_ready(url, certificate, token), server, folder / "kube-apiserver.log", _STARTING_S)
    except ServerDied:
        stop(etcd)
        raise
    return ApiServer(etcd, server, folder, url, certificate.read_text(), token)


def _run(folder: Path, program: Path, *arguments: str) -> subprocess.Popen[bytes]:
    with open(folder / f"{program.name}.log", "wb") as log:
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        return subprocess.Popen([program, *arguments], stdout=log, stderr=log, cwd=folder, env=environment)


def _is_ready(url: str, certificate: Path, token: str) -> bool:
    if not certificate.exists():
        return False
    request = urllib.request.Request(f"{url}/readyz", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(
            request, timeout=5, context=ssl.create_default_context(cafile=certificate)
        ) as answer:
            return answer.status == 200  # type: ignore[no-any-return]
    except OSError:
        return False


def crash(server: ApiServer) -> None:
    """Kill the API server, whose watches and caches go with it; etcd keeps what there is."""
    stop(server.process, signal.SIGKILL)


def start_again(server: ApiServer) -> ApiServer:
    """Start the API server on the same port."""
    program, *arguments = map(str, server.process.args)  # type: ignore[arg-type]
    process = _run(server.folder, Path(program), *arguments)
    certificate = server.folder / "certificates/apiserver.crt"
    wait_until(
        lambda: _is_ready(server.url, certificate, server.token),
        process,
        server.folder / "kube-apiserver.log",
        _STARTING_S,
    )
    return server._replace(process=process)


def compact(server: ApiServer) -> None:
    """Let etcd forget all but the present, as it does by itself every five minutes."""
    url = str(server.etcd.args[2]).partition("=")[2]  # type: ignore[index]

    def ask(path: str, body: dict[str, object]) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{url}/v3/kv/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    revision = ask("range", {"key": "AA==", "count_only": True})["header"]["revision"]
    ask("compaction", {"revision": revision, "physical": True})


def end(server: ApiServer) -> None:
    """Stop both by their process ids, and remove their folder."""
    stop(server.process)
    stop(server.etcd)
    shutil.rmtree(server.folder)
