"""Kueue: its controllers and webhooks as a process of the host, for pods, jobs and their like that name a queue."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from .. import asking
from ..building import build
from ..certificates import Certificate, pair
from ..processes import Process
from ..state import State, write

WEBHOOK_PORT, HEALTH_PORT = 9443, 9445
PORTS = {WEBHOOK_PORT: "kueue", HEALTH_PORT: "kueue"}
NAMESPACE = "kueue-system"
FRAMEWORKS = [
    "batch/job", "pod", "jobset.x-k8s.io/jobset", "trainer.kubeflow.org/trainjob",
    "kubeflow.org/mpijob", "ray.io/rayjob", "sparkoperator.k8s.io/sparkapplication",
]  # fmt: skip
"""The kinds that it admits. Those whose definitions are not there it looks for from time to time: seconds after its
start, and every two minutes at last."""


def certificates() -> list[Certificate]:
    """Return the certificate of the webhooks."""
    return [Certificate("kueue", "/CN=kueue", ["DNS:localhost", "IP:127.0.0.1"])]


def kueue(
    state: State,
    webhook_port: int = WEBHOOK_PORT,
    health_port: int = HEALTH_PORT,
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> Process:
    """Return Kueue without certificates of its own making, metrics, or its API of pending workloads.

    Args:
        state: Whose certificates and kubeconfig it has.
        webhook_port: Where its webhooks listen, on loopback.
        health_port: Where it says whether it is ready.
        settings: More of its configuration.
    """
    certificates = pair(state, "kueue")  # also its /etc/kueue/metrics/certs, without which it does not start
    configuration = {
        "apiVersion": "config.kueue.x-k8s.io/v1beta2",
        "kind": "Configuration",
        "namespace": NAMESPACE,
        "health": {"healthProbeBindAddress": f"127.0.0.1:{health_port}"},
        "metrics": {"bindAddress": "0"},
        "webhook": {"host": "127.0.0.1", "port": webhook_port, "certDir": str(certificates)},
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {"enable": False},
        "manageJobsWithoutQueueName": False,
        "clientConnection": {"qps": 200, "burst": 400},
        "integrations": {"frameworks": FRAMEWORKS},
        **settings,
    }
    write(state.folder / "kueue.json", json.dumps(configuration, indent=1))
    return Process(
        "kueue",
        [
            build("kueue") / "kueue",
            f"--config={state.folder / 'kueue.json'}",
            f"--kubeconfig={state.kubeconfig}",
            "--feature-gates=VisibilityOnDemand=false,SparkApplicationIntegration=true",
        ],
        lambda: asking.over_http("127.0.0.1", health_port, "/readyz"),
        in_node=True,
    )
