"""Kubeflow Trainer: its controller and webhooks as a process of the host. It needs JobSet."""

from __future__ import annotations

import json

from .. import asking
from ..building import build
from ..certificates import Certificate, pair
from ..processes import Process
from ..state import State, write

WEBHOOK_PORT, HEALTH_PORT = 9448, 9449
PORTS = {WEBHOOK_PORT: "trainer", HEALTH_PORT: "trainer"}


def certificates() -> list[Certificate]:
    """Return the certificate of the webhooks."""
    return [Certificate("trainer", "/CN=trainer", ["DNS:localhost", "IP:127.0.0.1"])]


def controller_manager(state: State) -> Process:
    """Return the controller without certificates of its own making, and without metrics."""
    temporary = state.folder / "trainer"
    pair(state, "trainer", temporary / "k8s-webhook-server/serving-certs")  # which no setting names
    configuration = {
        "apiVersion": "config.trainer.kubeflow.org/v1alpha1",
        "kind": "Configuration",
        "health": {"healthProbeBindAddress": f"127.0.0.1:{HEALTH_PORT}"},
        "metrics": {"bindAddress": "0"},
        "webhook": {"host": "127.0.0.1", "port": WEBHOOK_PORT},
        "leaderElection": {"leaderElect": False},
        "certManagement": {"enable": False},
        "clientConnection": {"qps": 200, "burst": 400},
    }
    write(state.folder / "trainer.json", json.dumps(configuration, indent=1))
    return Process(
        "trainer",
        [
            build("trainer") / "trainer-controller-manager",
            f"--config={state.folder / 'trainer.json'}",
            f"--kubeconfig={state.kubeconfig}",
        ],
        lambda: asking.over_http("127.0.0.1", HEALTH_PORT, "/readyz"),
        {"TMPDIR": str(temporary)},
        in_node=True,
    )
