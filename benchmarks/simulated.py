"""What a run of thousands of steps costs Argo's controller and the API server, on simulated nodes. Prints JSON.

    python benchmarks/simulated.py [--sizes 50 1000] [--nodes 3]

The graph is twenty blocks, one after the other, each of which fans out and in. It is rendered as `fairlead run` renders
it, and sent to the testbed (docs/testbed.md), all parts of a large one at once; its pods come to simulated nodes, where
each runs for half a second to a second and nothing is executed. `tests/engines/kubernetes/test_scale.py` is a run in
which parts are created as they can begin.

`bytes_sent` is the workflow as it is created, `bytes_grown` as it is at its end, and `bytes_kept` that with the managed
fields, as etcd keeps it, all as JSON without blanks. CPU is that of the whole testbed's processes meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import msgspec

from fairlead import flow
from fairlead.kube.client import Client
from fairlead.kube.connecting import connect
from fairlead.kube.failures import NotFound
from fairlead.kube.resources import POD, WORKFLOW
from fairlead.specs.contexts import Context, Submission
from fairlead.specs.graphs import Graph
from fairlead.specs.steps import Overlay
from fairlead.targets import naming, workflow
from fairlead.targets.orders import Manifest, Order
from graph import join, work
from testbed import processes, simulation, state

COUNTED = ("workflow-controller", "kube-apiserver", "etcd", "kube-scheduler", "kube-controller-manager")
NAMESPACE = "fairlead"
BLOCKS = 20
LIMIT_S = 3600
PAUSE_S = 1.0


@flow
def blocks(n: int) -> int:
    """Twenty blocks, each of which fans out and in."""
    last = 0
    for _ in range(BLOCKS):
        last = join([work(last, each) for each in range(max(1, n // BLOCKS - 1))])
    return last


def rendered(size: int, placement: Mapping[str, Any]) -> tuple[Graph, list[Manifest]]:
    """Return the graph and its objects, whose pods go to simulated nodes."""
    graph = blocks.trace({"n": size}).graph
    overlay = Overlay(kind="Workflow", patch={"spec": dict(placement)})
    steps = {key: msgspec.structs.replace(step, overlays=(overlay,)) for key, step in graph.steps.items()}
    graph = msgspec.structs.replace(graph, steps=steps)
    context = Context(
        name="simulated",
        store="s3://fairlead/simulated",
        image="example/never-pulled",
        worker_image="example/never-pulled",
        service_account="fairlead-worker",
        user=65532,
    )
    run = f"00000000-000000-{secrets.token_hex(3)[:5]}"
    order = Order(
        Submission(run=run, flow="blocks", namespace=NAMESPACE, context=context),
        graph,
        dict.fromkeys(range(len(graph.nodes))),
    )
    return graph, workflow.render(order)


def cpu_s(process: int) -> float:
    """Return the seconds of CPU that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb(process: int) -> float:
    """Return the largest memory that a process has had."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e3, 1)


def measure(client: Client, size: int, running: simulation.Simulation) -> dict[str, Any]:
    """Run one graph to its end and say what it cost."""
    graph, manifests = rendered(size, running.placement)
    counted = {name: record.pid for name, record in processes.records(state.current()).items() if name in COUNTED}
    counted["kwok"] = running.process
    before = {name: cpu_s(process) for name, process in counted.items()}
    names = [manifest["metadata"]["name"] for manifest in manifests]
    began = time.perf_counter()
    try:
        for manifest in manifests:
            client.create(WORKFLOW, manifest)
        while not all(_has_ended(client, name) for name in names):
            if time.perf_counter() - began > LIMIT_S:
                raise SystemExit(f"{names[0]} has not ended within {LIMIT_S} s")
            time.sleep(PAUSE_S)
        wall_s = time.perf_counter() - began
        own = {naming.RUN: manifests[0]["metadata"]["labels"][naming.RUN]}
        found = client.list(WORKFLOW, labels=own).items
        return {
            "nodes": len(graph.nodes),
            "phase": {each["metadata"]["name"]: each["status"]["phase"] for each in found},
            "pods": len(client.list(POD, labels=own, metadata_only=True).items),
            "wall_s": round(wall_s, 1),
            "nodes_per_s": round(len(graph.nodes) / wall_s, 1),
            "cpu_s": {name: round(cpu_s(process) - before[name], 1) for name, process in counted.items()},
            "controller_peak_mb": peak_mb(counted["workflow-controller"]),
            "objects": len(found),
            "bytes_sent": max(len(naming.as_json(each)) for each in manifests),
            "bytes_grown": max(_size(each, managed=False) for each in found),
            "bytes_kept": max(_size(each, managed=True) for each in found),
            "compressed": any("compressedNodes" in each["status"] for each in found),
        }
    finally:
        for manifest in manifests:
            _delete(client, manifest["metadata"]["name"])


def _has_ended(client: Client, name: str) -> bool:
    labels: dict[str, str] = client.get(WORKFLOW, name, metadata_only=True)["metadata"].get("labels", {})
    return labels.get("workflows.argoproj.io/completed") == "true"


def _size(found: dict[str, Any], *, managed: bool) -> int:
    kept = {"managedFields"} if not managed else set()
    metadata = {name: value for name, value in found["metadata"].items() if name not in kept}
    return len(msgspec.json.encode({**found, "metadata": metadata}))


def _delete(client: Client, name: str) -> None:
    """Delete a workflow, and wait until it is gone with its pods."""
    try:
        client.delete(WORKFLOW, name, propagation="Foreground")
        while client.get(WORKFLOW, name, metadata_only=True):
            time.sleep(PAUSE_S)
    except NotFound:
        pass


def main() -> None:
    """Measure each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 1000])
    parser.add_argument("--nodes", type=int, default=3)
    options = parser.parse_args()
    workflow.BYTES_MAX = sys.maxsize
    kubeconfig = state.current().kubeconfig
    with (
        Client(connect(kubeconfig=str(kubeconfig), namespace=NAMESPACE)) as client,
        simulation.simulated(kubeconfig, options.nodes) as running,
    ):
        figures = []
        for size in options.sizes:
            figures.append(measure(client, size, running))
            print(figures[-1], file=sys.stderr)
    print(json.dumps({"benchmark": "simulated", "sizes": figures}, indent=2))


if __name__ == "__main__":
    main()
