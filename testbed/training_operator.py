"""The Kubeflow Training Operator (v1) beside a running testbed, with its definitions and webhooks, for a while.

It makes sure by itself that its webhooks have a certificate, and accepts one that is there already: of an authority
with the name that it would have chosen, for the name of its Service. Nothing of it is left at the end.
"""

from __future__ import annotations

import base64
import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from . import building, operators
from .certificates import Certificate, authority, sign
from .state import State

KINDS = ("pytorchjob", "tfjob", "jaxjob", "xgboostjob")
_WEBHOOK_PORT, _HEALTH_PORT = 9450, 9451


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
    program = building.build("training-operator")
    command: list[str | Path] = [
        program / "training-operator",
        f"--kubeconfig={state.kubeconfig}",
        "--metrics-bind-address=0",
        f"--health-probe-bind-address=127.0.0.1:{_HEALTH_PORT}",
        f"--webhook-server-port={_WEBHOOK_PORT}",
        *(f"--enable-scheme={kind}" for kind in KINDS),
    ]
    definitions = [program / f"crds/kubeflow.org_{kind}s.yaml" for kind in KINDS]
    health = _HEALTH_PORT, "/readyz"
    with operators.operated(state, "training-operator", command, definitions, health, prepare=_certificates):
        yield KINDS


def _certificates(folder: Path) -> dict[str, str]:
    """Make the certificates in a folder, where the operator reads them too; returns what its manifest says of them."""
    served = folder / "k8s-webhook-server/serving-certs"
    served.mkdir(parents=True)
    authority(folder, "training-operator-ca", rsa=True)
    names = ["DNS:training-operator.kubeflow.svc", "IP:127.0.0.1"]
    sign(folder, Certificate("tls", "/CN=training-operator", names))
    for name in ("tls.crt", "tls.key"):
        shutil.copy(folder / name, served)
    files = {"CA": "ca.crt", "CA_KEY": "ca.key", "CERTIFICATE": "tls.crt", "KEY": "tls.key"}
    values = {key: base64.b64encode((folder / name).read_bytes()).decode() for key, name in files.items()}
    return {**values, "PORT": str(_WEBHOOK_PORT)}
