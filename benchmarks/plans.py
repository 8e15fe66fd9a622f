"""How long `fairlead plan` takes, as a whole command, for many steps on a cluster of many nodes. Prints JSON.

    python benchmarks/plans.py [--steps 10000] [--nodes 1000] [--pods 10000] [--repetitions 5]

Nodes and the pods that are bound to them lie in a real API server, which is started for it, without controllers. The
flow has steps that fit, that fit nowhere now, that fit nowhere ever, and that may not be beside some pods.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from fairlead.kube.client import Client
from fairlead.kube.resources import NODE, POD, SERVICE_ACCOUNT
from kube.cluster import serving_workflows, write_kubeconfig
from measuring import summary
from servers import apiserver

HERE = Path(__file__).resolve()
FLOW = HERE.parent / "flows/fairlead_plan.py"
GPUS = "nvidia.com/gpu"


def fill(client: Client, nodes: int, pods: int) -> None:
    """Create the nodes, and the pods that run on them: on each node some, one of them with all GPUs but one."""
    client.create(SERVICE_ACCOUNT, {"metadata": {"name": "default"}})

    def add_node(number: int) -> None:
        name = f"node-{number:04}"
        labels = {"kubernetes.io/hostname": name, "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
        client.create(NODE, {"metadata": {"name": name, "labels": labels}})
        room = {"cpu": "96", "memory": "768Gi", "pods": "110", "ephemeral-storage": "1Ti", GPUS: "8"}
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
        status = {"status": {"allocatable": room, "capacity": room, "conditions": [ready]}}
        client.patch(NODE, name, status, subresource="status")
        client.patch(NODE, name, {"spec": {"taints": None}})  # that it is not ready, which its controller takes away

    def add_pod(number: int) -> None:
        requests = {"cpu": "6", "memory": "24Gi", **({GPUS: "7"} if number < nodes else {})}
        container = {"name": "main", "image": "i", "resources": {"requests": requests, "limits": requests}}
        metadata = {"name": f"pod-{number:06}", "labels": {"team": "red" if number % 7 else "blue"}}
        spec = {"nodeName": f"node-{number % nodes:04}", "containers": [container]}
        client.create(POD, {"metadata": metadata, "spec": spec})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add_node, range(nodes)))
        list(pool.map(add_pod, range(pods)))


def timed(command: list[str], environment: dict[str, str]) -> tuple[float, dict[str, Any]]:
    """Run a plan; returns its wall time and what it says."""
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    wall_s = time.perf_counter() - began
    assert done.stdout, done.stderr
    return wall_s, json.loads(done.stdout)


def measure(steps: int, nodes: int, pods: int, repetitions: int) -> dict[str, Any]:
    """Measure the plan of the flow, and that of one of its size 1 on the same cluster, in turns."""
    server = apiserver.start()
    try:
        with Client(server.connection()) as client, tempfile.TemporaryDirectory(prefix="fairlead-plans-") as scratch:
            fill(client, nodes, pods)
            kubeconfig = Path(scratch) / "kubeconfig"
            write_kubeconfig(server, kubeconfig)
            store = Path(scratch) / "store.env"
            store.write_text("AWS_ENDPOINT_URL=http://127.0.0.1:9\nAWS_ALLOW_HTTP=true\nAWS_REGION=none\n")
            outside = {**os.environ, "FAIRLEAD_HOME": scratch, "PYTHONPATH": str(HERE.parents[1] / "src")}
            fairlead = [sys.executable, "-m", "fairlead"]
            added = ["context", "add", "lab", "--store", "s3://nobody/has", "--store-env", str(store)]
            added += ["--image", "i", "--worker-image", "w", "--namespace", "default", "--kubeconfig", str(kubeconfig)]
            subprocess.run([*fairlead, *added], env=outside, check=True, stdout=subprocess.DEVNULL)
            walls: dict[str, list[float]] = {"1": [], str(steps): []}
            found: dict[str, Any] = {}
            with serving_workflows(client):
                for repetition in range(repetitions + 1):
                    for size in walls:
                        command = [*fairlead, "plan", f"{FLOW}:many", "--n", size, "--on", "lab", "-o", "json"]
                        wall_s, found = timed(command, outside)
                        if repetition:  # the first fills caches of the machine
                            walls[size].append(wall_s)
            verdicts = {each["step"]: [each["verdict"], *(r["id"] for r in each["reasons"])] for each in found["steps"]}
    finally:
        apiserver.end(server)
    return {
        "benchmark": "plans",
        "nodes": nodes,
        "pods": pods,
        "wall_s_by_steps": {size: summary(each) for size, each in walls.items()},
        "verdicts": verdicts,
    }


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--nodes", type=int, default=1_000)
    parser.add_argument("--pods", type=int, default=10_000)
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    print(json.dumps(measure(options.steps, options.nodes, options.pods, options.repetitions), indent=2))


if __name__ == "__main__":
    main()
