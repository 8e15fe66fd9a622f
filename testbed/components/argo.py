"""Argo Workflows: the controller as a process of the host, for all namespaces; its executor is an image."""

from __future__ import annotations

import os

from .. import asking, images
from ..building import build
from ..processes import Process
from ..state import State

PORTS = {6060: "workflow-controller"}
NAMESPACE = "argo"


def workflow_controller(state: State) -> Process:
    """Return the controller; it is tuned for tests, where many short workflows follow each other."""
    return Process(
        "workflow-controller",
        [
            build("argo") / "workflow-controller",
            f"--kubeconfig={state.kubeconfig}",
            f"--namespace={NAMESPACE}",
            f"--executor-image={images.argoexec_tag()}",
            "--executor-image-pull-policy=IfNotPresent",
            "--qps=200",
            "--burst=400",
        ],
        lambda: asking.over_http("127.0.0.1", 6060, "/healthz"),
        {
            "LEADER_ELECTION_DISABLE": "true",
            # Argo's own 10 s are most of the time of a short workflow, and cost less where thousands of nodes run
            "DEFAULT_REQUEUE_TIME": os.environ.get("DEFAULT_REQUEUE_TIME", "1s"),
        },
        in_node=True,
    )
