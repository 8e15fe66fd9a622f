"""A Kubernetes cluster with nodes and the components that runs use, which is there already: the testbed, or another.

Tests do not start it: it takes a minute, and is the machine's. ``FAIRLEAD_TEST_KUBECONFIG`` names the kubeconfig of
another cluster that is furnished in the same way (``testbed/manifests``).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from testbed import building, cluster, commands, images, state

from .processes import Unavailable

ADVICE = "no testbed is up: make cluster starts one, as root"


class Cluster(NamedTuple):
    """A running cluster, and what was made in it for runs.

    Attributes:
        image: Debian with Python 3.11, and nothing else.
        store_environment: What a client of the S3 server must have in its environment; empty where not known.
        absent: Why a component is missing, by its name.
        delivery: How a worker comes into its pods; see `fairlead.specs.contexts.DELIVERIES`.
    """

    kubeconfig: Path
    image: str
    store_environment: dict[str, str]
    absent: dict[str, str]
    namespace: str = "fairlead"
    bucket: str = "fairlead"
    store_secret: str = "fairlead-store"
    worker_account: str = "fairlead-worker"
    driver_account: str = "fairlead-driver"
    queue: str = "fairlead"
    delivery: str = "volume"

    def kubectl(self, *arguments: str, given: str = "") -> str:
        """Run kubectl in the namespace and return what it prints."""
        program = building.build("kubernetes") / "kubectl"
        options = (f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}")
        return commands.run(program, *options, *arguments, given=given)

    def get(self, *arguments: str) -> Any:
        """Return what ``kubectl get`` finds, as a document."""
        return json.loads(self.kubectl("get", *arguments, "--output=json"))

    def apply(self, *documents: dict[str, Any], namespace: str = "") -> None:
        """Apply documents, in the namespace of tests where no other is named."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(documents)}
        where = f"--namespace={namespace or self.namespace}"
        self.kubectl("apply", where, "--filename=-", given=json.dumps(listed))


def find() -> Cluster:
    """Return the cluster that is up.

    Raises:
        Unavailable: None is; the message says how to get one.
    """
    named = os.environ.get("FAIRLEAD_TEST_KUBECONFIG")
    if named:
        image = os.environ.get("FAIRLEAD_TEST_IMAGE", images.python_tag())
        return Cluster(Path(named), image, {}, {}, delivery=os.environ.get("FAIRLEAD_TEST_DELIVERY", "copy"))
    here = state.current()
    running = cluster.running(here)
    if running is None or not cluster.is_healthy(here):
        raise Unavailable(ADVICE)
    lines = here.store_environment.read_text("utf-8").splitlines()
    store = dict(line.split("=", 1) for line in lines)
    return Cluster(here.kubeconfig, running.image, store, cluster.absent(here))
