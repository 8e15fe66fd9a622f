"""JobSet: its controller and webhooks as a process of the host."""

from __future__ import annotations

import json

from .. import asking
from ..building import build
from ..certificates import Certificate, pair
from ..processes import Process
from ..state import State, write

WEBHOOK_PORT, HEALTH_PORT = 9446, 9447
PORTS = {WEBHOOK_PORT: "jobset", HEALTH_PORT: "jobset"}


def certificates() -> list[Certificate]:
    """Return the certificate of the webhooks."""
    return [Certificate("jobset", "/CN=jobset", ["DNS:localhost", "IP:127.0.0.1"])]


def controller(state: State) -> Process:
    """Return the controller without certificates of its own making, and without metrics."""
    configuration = {
        "apiVersion": "config.jobset.x-k8s.io/v1alpha1",
        "kind": "Configuration",
        "health": {"healthProbeBindAddress": f"127.0.0.1:{HEALTH_PORT}"},
        "metrics": {"bindAddress": "0"},
        "webhook": {"host": "127.0.0.1", "port": WEBHOOK_PORT, "certDir": str(pair(state, "jobset"))},
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {"enable": False},
    }
    write(state.folder / "jobset.json", json.dumps(configuration, indent=1))
    return Process(
        "jobset",
        [build("jobset") / "jobset", f"--config={state.folder / 'jobset.json'}", f"--kubeconfig={state.kubeconfig}"],
        lambda: asking.over_http("127.0.0.1", HEALTH_PORT, "/readyz"),
        in_node=True,
    )
