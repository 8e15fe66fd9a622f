"""The Kubeflow Training Operator (v1) beside a running testbed, with its definitions and webhooks, for a while.

It makes sure by itself that its webhooks have a certificate, and accepts one that is there already: of an authority
with the name that it would have chosen, for the name of its Service. Nothing of it is left at the end.
"""

from __future__ import annotations

import base64
import contextlib
import shutil
import string
import tempfile
from collections.abc import Iterator
from pathlib import Path

from . import building, kubectl, processes
from .certificates import Certificate, authority, sign
from .state import State

KINDS = ("pytorchjob", "tfjob", "jaxjob", "xgboostjob")
WEBHOOK_PORT, HEALTH_PORT = 9450, 9451
_STARTING_S = 120.0


@contextlib.contextmanager
def operated(state: State) -> Iterator[tuple[str, ...]]:
    """Run the operator, and take it away with its kinds and all their objects at the end.

    Args:
        state: The testbed's.

    Yields:
        The kinds that it runs.

    Raises:
        TestbedError: It can't be built, or did not start.
    """
    definitions = [_definition(kind) for kind in KINDS]
    with tempfile.TemporaryDirectory(prefix="fairlead-operator-") as folder:
        manifest = _manifest(Path(folder))
        with kubectl.applied(state, definitions, manifest) as remove, _operator(state, Path(folder)):
            yield KINDS
            remove()


def _definition(kind: str) -> Path:
    return building.build("training-operator") / f"crds/kubeflow.org_{kind}s.yaml"


def _manifest(folder: Path) -> str:
    """Make the certificates in a folder, where the operator reads them too; returns the objects that hold them."""
    served = folder / "k8s-webhook-server/serving-certs"
    served.mkdir(parents=True)
    authority(folder, "training-operator-ca", rsa=True)
    names = ["DNS:training-operator.kubeflow.svc", "IP:127.0.0.1"]
    sign(folder, Certificate("tls", "/CN=training-operator", names))
    for name in ("tls.crt", "tls.key"):
        shutil.copy(folder / name, served)
    files = {"CA": "ca.crt", "CA_KEY": "ca.key", "CERTIFICATE": "tls.crt", "KEY": "tls.key"}
    values = {key: base64.b64encode((folder / name).read_bytes()).decode() for key, name in files.items()}
    text = (kubectl.MANIFESTS / "training-operator.yaml").read_text("utf-8")
    return string.Template(text).substitute(values, PORT=str(WEBHOOK_PORT))


@contextlib.contextmanager
def _operator(state: State, folder: Path) -> Iterator[None]:
    command = [
        building.program("training-operator", of="training-operator"),
        f"--kubeconfig={state.kubeconfig}",
        "--metrics-bind-address=0",
        f"--health-probe-bind-address=127.0.0.1:{HEALTH_PORT}",
        f"--webhook-server-port={WEBHOOK_PORT}",
        *(f"--enable-scheme={kind}" for kind in KINDS),
    ]
    log = folder / "operator.log"
    with processes.beside(command, log, folder, {"TMPDIR": str(folder)}) as process:
        processes.wait_ready("training-operator", process, log, HEALTH_PORT, "/readyz", _STARTING_S)
        yield
