"""Nodes that exist in the API server only, and KWOK, which says of their pods that they run and succeed.

For measuring what thousands of pods cost the control plane, Argo's controller and Fairlead. A pod comes to such a
node only where it asks for it, by `Simulation.placement`; nothing of it is executed. Several simulations may run beside
each other.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from . import building, commands, kubectl, processes
from .faults import TestbedError

LABEL = "kwok.x-k8s.io/simulation"
"""The label of a simulation's nodes, whose value is its name."""
_TAINT = {"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}
_STARTING_S = 60.0


class Simulation(NamedTuple):
    """A running simulation.

    Attributes:
        nodes: The names of its nodes.
        process: The KWOK that keeps them.
    """

    name: str
    nodes: list[str]
    process: int

    @property
    def placement(self) -> dict[str, Any]:
        """The fields of a pod's spec, or of a workflow's, that bring pods to its nodes."""
        return {"nodeSelector": {LABEL: self.name}, "tolerations": [{**_TAINT, "operator": "Equal"}]}


@contextlib.contextmanager
def simulated(kubeconfig: Path, nodes: int = 1) -> Iterator[Simulation]:
    """Simulate nodes beside the real ones, and take them and their pods away at the end.

    Args:
        kubeconfig: The cluster's, of somebody who may do everything.
        nodes: How many; each takes any number of pods.

    Raises:
        TestbedError: KWOK did not start, or its nodes did not become ready.
    """
    name = secrets.token_hex(4)
    made = [f"fake-{name}-{number}" for number in range(nodes)]
    with tempfile.TemporaryDirectory(prefix="fairlead-kwok-") as folder, _kwok(kubeconfig, name, Path(folder)) as kwok:
        try:
            _kubectl(kubeconfig, "create", "--filename=-", given=json.dumps(_listed(name, made)))
            if not processes.wait_until(lambda: kwok.poll() is not None or _are_ready(kubeconfig, name), _STARTING_S):
                raise TestbedError(_failure("its nodes did not become ready", Path(folder)))
            if kwok.poll() is not None:
                raise TestbedError(_failure(f"it ended with {kwok.returncode}", Path(folder)))
            yield Simulation(name, made, kwok.pid)
        finally:
            _take_away(kubeconfig, name, made)


@contextlib.contextmanager
def _kwok(kubeconfig: Path, name: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [
        building.program("kwok", of="kwok"),
        f"--kubeconfig={kubeconfig}",
        f"--config={kubectl.MANIFESTS / 'kwok.yaml'}",
        f"--manage-nodes-with-label-selector={LABEL}={name}",
    ]
    with processes.beside(command, _log(folder), folder) as process:
        yield process


def _log(folder: Path) -> Path:
    return folder / "kwok.log"


def _failure(what: str, folder: Path) -> str:
    return f"kwok: {what}; its log ends with\n{processes.tail(_log(folder))}"


def _listed(name: str, nodes: list[str]) -> dict[str, Any]:
    items = [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": node, "labels": {LABEL: name, "kubernetes.io/hostname": node}},
            "spec": {"taints": [_TAINT]},
        }
        for node in nodes
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def _are_ready(kubeconfig: Path, name: str) -> bool:
    ready = '{.items[*].status.conditions[?(@.type=="Ready")].status}'
    found = _kubectl(kubeconfig, "get", "nodes", f"--selector={LABEL}={name}", f"--output=jsonpath={ready}").split()
    every = _kubectl(kubeconfig, "get", "nodes", f"--selector={LABEL}={name}", "--output=name").split()
    return found == ["True"] * len(every)


def _take_away(kubeconfig: Path, name: str, nodes: list[str]) -> None:
    """Remove the nodes, so that no pod comes any more, and then the pods that are on them."""
    _kubectl(kubeconfig, "delete", "nodes", f"--selector={LABEL}={name}")
    where = '{range .items[*]}{.metadata.namespace}{"\\n"}{end}'
    for node in nodes:
        chosen = f"fieldSelector=spec.nodeName={node}"
        found = _kubectl(
            kubeconfig, "get", "pods", "-A", f"--field-selector=spec.nodeName={node}", f"--output=jsonpath={where}"
        )
        for namespace in sorted(set(found.split())):
            pods = f"/api/v1/namespaces/{namespace}/pods?{chosen}&gracePeriodSeconds=0"
            _kubectl(kubeconfig, "delete", f"--raw={pods}")


def _kubectl(kubeconfig: Path, *arguments: str, given: str = "") -> str:
    program = building.program("kubectl", of="kubernetes")
    return commands.run(program, f"--kubeconfig={kubeconfig}", *arguments, given=given)
