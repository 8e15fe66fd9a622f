"""What listing pods costs here and in the official Python client, in CPU seconds. Prints one JSON document.

The pods lie in a real API server, which is started for it. Every figure is taken in a process of its own, around the
listing alone: the interpreter, imports and the first connection are not in it. Who lists first alternates.

    python benchmarks/kube_list.py [--pods 5000] [--repetitions 5]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1] / "src"), str(HERE.parents[1] / "tests")]

PAGE = 500


def pod(number: int) -> dict[str, Any]:
    """Return a pod such as a workflow's step has: an init container, variables, volumes, tolerations."""
    variables = [{"name": f"VARIABLE_{each}", "value": f"value-{number}-{each}"} for each in range(12)]
    mounts = [{"name": f"volume-{each}", "mountPath": f"/mnt/{each}"} for each in range(3)]
    container = {
        "image": "registry.example/team/train:2026.11",
        "command": ["python", "-m", "fairlead.worker", "--run", "20261123-141256-k3f9x", "--index", str(number)],
        "env": variables,
        "volumeMounts": mounts,
        "resources": {"requests": {"cpu": "2", "memory": "4Gi"}, "limits": {"memory": "4Gi"}},
    }
    return {
        "metadata": {
            "name": f"train-{number:05}",
            "labels": {"app": "train", "run": f"run-{number % 50}", "team": f"team-{number % 7}"},
            "annotations": {f"fairlead.example/{each}": "x" * 40 for each in ("digest", "step", "flow", "commit")},
        },
        "spec": {
            "restartPolicy": "Never",
            "initContainers": [{"name": "prepare", **container}],
            "containers": [{"name": "main", **container}, {"name": "wait", **container}],
            "volumes": [{"name": f"volume-{each}", "emptyDir": {}} for each in range(3)],
            "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
        },
    }


def status(number: int) -> dict[str, Any]:
    """Return what a kubelet would say of it."""
    began = "2026-11-23T14:12:56Z"
    conditions = [
        {"type": each, "status": "True", "lastProbeTime": None, "lastTransitionTime": began}
        for each in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    ]

    def container(name: str) -> dict[str, Any]:
        return {
            "name": name,
            "image": "registry.example/team/train:2026.11",
            "imageID": "sha256:" + "ab" * 32,
            "ready": True,
            "restartCount": 0,
            "started": True,
            "containerID": "containerd://" + "cd" * 32,
            "state": {"running": {"startedAt": began}},
        }

    return {
        "status": {
            "phase": "Running",
            "conditions": conditions,
            "startTime": began,
            "podIP": f"10.1.{number // 256}.{number % 256}",
            "containerStatuses": [container("main"), container("wait")],
            "initContainerStatuses": [container("prepare")],
        }
    }


def fill(connection: Any, pods: int) -> None:
    """Create the pods."""
    from fairlead.kube.client import Client
    from fairlead.kube.resources import POD

    with Client(connection) as client, ThreadPoolExecutor(8) as pool:

        def create(number: int) -> None:
            made = client.create(POD, pod(number))
            client.patch(POD, made["metadata"]["name"], status(number), subresource="status")

        list(pool.map(create, range(pods)))


def fairlead(place: dict[str, str]) -> dict[str, Callable[[], int]]:
    """Return the ways to list here."""
    import msgspec

    from fairlead.kube.client import Client
    from fairlead.kube.connection import Connection
    from fairlead.kube.credentials import Fixed, Identity, bearer
    from fairlead.kube.resources import POD
    from fairlead.kube.shapes import Lean

    client = Client(Connection(place["url"], Fixed(Identity(bearer(place["token"]))), authority=place["authority"]))

    metadata = msgspec.defstruct("Metadata", [("name", str), ("labels", dict[str, str])])
    phase = msgspec.defstruct("Status", [("phase", str)])
    shape = msgspec.defstruct("Pod", [("metadata", metadata), ("status", phase)])

    return {
        "full": lambda: len(client.list(POD).items),
        "lean": lambda: len(client.list(POD, shape=Lean).items),
        "projected": lambda: len(client.list(POD, shape=shape).items),
        "metadata": lambda: len(client.list(POD, metadata_only=True).items),
    }


def official_api(place: dict[str, str]) -> Any:
    """Return the official client's API of the core's kinds."""
    from kubernetes import client

    with tempfile.NamedTemporaryFile("w", suffix=".crt", delete=False) as file:
        file.write(place["authority"])
    configuration = client.Configuration()
    configuration.host, configuration.ssl_ca_cert = place["url"], file.name
    configuration.api_key = {"authorization": f"Bearer {place['token']}"}
    return client.CoreV1Api(client.ApiClient(configuration))


def official(place: dict[str, str]) -> dict[str, Callable[[], int]]:
    """Return the ways to list with the official client: its objects, and its bytes decoded by the standard library."""
    api = official_api(place)

    def objects() -> int:
        found, token = 0, None
        while True:
            page = api.list_namespaced_pod("default", limit=PAGE, _continue=token)
            found, token = found + len(page.items), page.metadata._continue
            if not token:
                return found

    def raw() -> int:
        found, token = 0, None
        while True:
            answer = api.list_namespaced_pod("default", limit=PAGE, _continue=token, _preload_content=False)
            page = json.loads(answer.data)
            found, token = found + len(page["items"]), page["metadata"].get("continue")
            if not token:
                return found

    return {"full": objects, "raw": raw}


def list_once(system: str, way: str, place: dict[str, str], pods: int) -> dict[str, float]:
    """List once and say what it cost."""
    list_all = (fairlead if system == "fairlead" else official)(place)[way]
    began, cpu = time.perf_counter(), time.process_time()
    found = list_all()
    cost = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - began}
    assert found == pods, f"{found} instead of {pods}"
    return cost


def measure(repetitions: int, pods: int) -> dict[str, Any]:
    """Measure every way as often, in pairs, against one server."""
    import environments
    from measuring import summary
    from servers import apiserver

    peer = environments.interpreter("kubernetes")
    ways = [
        ("fairlead", "full"),
        ("fairlead", "lean"),
        ("fairlead", "projected"),
        ("fairlead", "metadata"),
        ("official", "full"),
        ("official", "raw"),
    ]
    costs: dict[str, list[dict[str, float]]] = {f"{system} {way}": [] for system, way in ways}
    server = apiserver.start()
    try:
        fill(server.connection(), pods)
        place = {"url": server.url, "token": server.token, "authority": server.authority}
        for repetition in range(repetitions + 1):
            for system, way in ways if repetition % 2 else ways[::-1]:
                python = sys.executable if system == "fairlead" else str(peer)
                done = subprocess.run(
                    [python, str(HERE), "--list", system, way, "--pods", str(pods)],
                    env={**os.environ, "PLACE": json.dumps(place)},
                    check=True,
                    stdout=subprocess.PIPE,
                )
                if repetition:  # the first warms the server's cache
                    costs[f"{system} {way}"].append(json.loads(done.stdout))
    finally:
        apiserver.end(server)
    figures = {name: {key: summary(each[key] for each in found) for key in found[0]} for name, found in costs.items()}
    theirs = [each["cpu_s"] for each in costs["official full"]]
    ratios = {
        name: summary(one / other["cpu_s"] for one, other in zip(theirs, costs[name], strict=True))
        for name in ("fairlead full", "fairlead lean", "fairlead projected")
    }
    return {
        "benchmark": "kube_list",
        "pods": pods,
        "python": platform.python_version(),
        "figures": figures,
        "cpu_of_official_full_over": ratios,
        "versions": {"kubernetes": environments.version(peer, "kubernetes")},
    }


def main() -> None:
    """Measure, or be one of the measured processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--list", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.list:
        print(json.dumps(list_once(*options.list, json.loads(os.environ["PLACE"]), options.pods)))
    else:
        print(json.dumps(measure(options.repetitions, options.pods), indent=2))


if __name__ == "__main__":
    main()
