"""What a run costs on a real cluster, beside what Argo and bare pods cost there. Prints JSON.

    fairlead context add testbed …        # make -s cluster-context prints the command
    python benchmarks/cluster.py [--on testbed] [--only chain submit logs] [--length 5] [--repetitions 3]

`chain`: seconds for each of a chain of steps that do nothing. `fairlead` is the run as `fairlead run` submits it, from
the creation of its first step's pod to the end of its last one's; `argo` a workflow of as many pods of the same image
that run `python3 -c pass`, as Argo makes them; `pods` the same as bare pods, one created when the one before has ended.
They take turns. Where the context's image is the one that delivers the worker, nothing is delivered.
`submit`: seconds of `fairlead run --detach` for a flow of 10,000 nodes, to an accepted Workflow.
`logs`: seconds from the moment that a step prints a line to its appearance in `fairlead logs -f`, and how long the pod
had been running when the first one came.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from fairlead.kube.client import Client
from fairlead.kube.failures import NotFound
from fairlead.kube.resources import POD, WORKFLOW
from fairlead.runs.clusters import Place, open_place
from fairlead.targets import naming, pods, workflow

FLOWS = "cluster_steps.py"
POLL_S = 0.1
LIMIT_S = 900.0
COMMAND = ["python3", "-c", "pass"]


def main() -> int:
    """Measure what is asked for, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--on", default="testbed")
    parser.add_argument("--only", nargs="+", default=["chain", "submit", "logs"], choices=["chain", "submit", "logs"])
    parser.add_argument("--length", type=int, default=5)
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    os.environ["FAIRLEAD_CONTEXT"] = options.on
    place = open_place(options.on)
    with tempfile.TemporaryDirectory() as project:  # the file alone: this repository would travel with it else
        shutil.copy(Path(__file__).with_name("flows") / FLOWS, project)
        os.chdir(project)
        print(json.dumps(measured(place, options), indent=2))
    return 0


def measured(place: Place, options: argparse.Namespace) -> dict[str, Any]:
    """Measure what is asked for."""
    found: dict[str, Any] = {}
    if "chain" in options.only:
        found["chain"] = chains(place, options.length, options.repetitions)
    if "submit" in options.only:
        found["submit"] = {"seconds": spread([submission(place) for _ in range(options.repetitions)])}
    if "logs" in options.only:
        found["logs"] = latencies(options.on)
    return found


def chains(place: Place, length: int, repetitions: int) -> dict[str, Any]:
    """Measure chains of steps, of Argo's pods, and of bare pods, in turns."""
    systems: dict[str, Callable[[Place, int], float]] = {"fairlead": of_fairlead, "argo": of_argo, "pods": of_pods}
    for measure in systems.values():  # once without counting
        measure(place, 1)
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for _ in range(repetitions):
        for name, measure in systems.items():
            seconds[name].append(measure(place, length) / length)
    over = [own - argo for own, argo in zip(seconds["fairlead"], seconds["argo"], strict=True)]
    share = [argo - bare for argo, bare in zip(seconds["argo"], seconds["pods"], strict=True)]
    return {
        "length": length,
        "seconds_a_step": {name: spread(each) for name, each in seconds.items()},
        "fairlead_over_argo_s": spread(over),
        "argo_over_pods_s": spread(share),
    }


def of_fairlead(place: Place, length: int) -> float:
    """Run a chain of steps; returns the seconds from the first pod's creation to the last one's end."""
    report = json.loads(fairlead("run", f"{FLOWS}:chain", "--length", str(length), "-o", "json"))
    found = place.client.list(POD, namespace=place.namespace, labels={naming.RUN: report["run"]}).items
    return lasted([each for each in found if naming.NODE in each["metadata"]["labels"]])


def of_argo(place: Place, length: int) -> float:
    """Run a chain of pods as a workflow."""
    context = place.context
    template = {
        "name": "nothing",
        "container": {
            "image": context.image,
            "command": COMMAND,
            "resources": {"requests": {"cpu": "500m", "memory": "128Mi"}, "limits": {"cpu": "500m", "memory": "128Mi"}},
            "securityContext": pods.container_security(),
        },
    }
    tasks = [
        {"name": f"n{number}", "template": "nothing", **({"depends": f"n{number - 1}"} if number else {})}
        for number in range(length)
    ]
    spec = {
        "entrypoint": "flow",
        "serviceAccountName": context.service_account,
        "automountServiceAccountToken": False,
        "executor": {"serviceAccountName": context.service_account},
        "securityContext": pods.pod_security(context.user),
        "templates": [{"name": "flow", "dag": {"tasks": tasks}}, template],
    }
    name = f"bare-{secrets.token_hex(4)}"
    manifest = {"apiVersion": WORKFLOW.api_version, "kind": WORKFLOW.kind, "metadata": {"name": name}, "spec": spec}
    place.client.create(WORKFLOW, manifest, namespace=place.namespace)
    try:
        wait_until(
            lambda: workflow.is_completed(place.client.get(WORKFLOW, name, namespace=place.namespace)),
            f"workflow {name}",
        )
        mine = {"workflows.argoproj.io/workflow": name}
        return lasted(place.client.list(POD, namespace=place.namespace, labels=mine).items)
    finally:
        place.client.delete(WORKFLOW, name, namespace=place.namespace, propagation="Background")


def of_pods(place: Place, length: int) -> float:
    """Run pods, one after the other."""
    context, client = place.context, place.client
    container = {
        "name": "main",
        "image": context.image,
        "command": COMMAND,
        "resources": {"requests": {"cpu": "500m", "memory": "128Mi"}, "limits": {"cpu": "500m", "memory": "128Mi"}},
        "securityContext": pods.container_security(),
    }
    made = []
    for _ in range(length):
        manifest = {
            "metadata": {"name": f"bare-{secrets.token_hex(4)}"},
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": False,
                "securityContext": pods.pod_security(context.user),
                "containers": [container],
            },
        }
        name = client.create(POD, manifest, namespace=place.namespace)["metadata"]["name"]
        wait_until(lambda name=name: ended(client, place.namespace, name), f"pod {name}")
        made.append(client.get(POD, name, namespace=place.namespace))
        client.delete(POD, name, namespace=place.namespace)
    return lasted(made)


def submission(place: Place) -> float:
    """Submit a flow of 10,000 nodes and cancel it; returns the seconds until its Workflow was accepted."""
    began = time.perf_counter()
    report = json.loads(fairlead("run", f"{FLOWS}:wide", "--detach", "-o", "json"))
    seconds = time.perf_counter() - began
    labels = {naming.RUN: report["run"]}
    assert place.client.list(WORKFLOW, namespace=place.namespace, labels=labels, metadata_only=True).items
    fairlead("cancel", report["run"])
    for each in place.client.list(WORKFLOW, namespace=place.namespace, labels=labels, metadata_only=True).items:
        with suppress(NotFound):  # it went with the one that it is a part of
            name = each["metadata"]["name"]
            place.client.delete(WORKFLOW, name, namespace=place.namespace, propagation="Background")
    return seconds


def latencies(on: str) -> dict[str, Any]:
    """Follow a step that prints the time, and say how late its lines come."""
    report = json.loads(fairlead("run", f"{FLOWS}:clocked", "--detach", "-o", "json"))
    late = []
    with followed(report["run"]) as lines:
        for line in lines:
            arrived = time.time()
            if "at " in line:
                late.append(arrived - float(line.rpartition("at ")[2]))
    return {"lines": len(late), "seconds": spread(late[1:]), "first_line_s": round(late[0], 3), "on": on}


@contextmanager
def followed(run: str) -> Iterator[Iterator[str]]:
    """Follow a run's log."""
    command = [sys.executable, "-m", "fairlead", "logs", run, "-f"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield iter(process.stdout)


def fairlead(*arguments: str) -> str:
    """Run a command; returns what it prints."""
    done = subprocess.run([sys.executable, "-m", "fairlead", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"fairlead {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def ended(client: Client, namespace: str, name: str) -> bool:
    """Say whether a pod has ended."""
    return client.get(POD, name, namespace=namespace).get("status", {}).get("phase") in ("Succeeded", "Failed")


def lasted(found: list[dict[str, Any]]) -> float:
    """Return the seconds from the creation of the first pod to the end of the last one's containers."""
    assert all(each["status"]["phase"] == "Succeeded" for each in found), "a pod has failed"
    began = min(moment(each["metadata"]["creationTimestamp"]) for each in found)
    ends = [
        status["state"]["terminated"]["finishedAt"] for each in found for status in each["status"]["containerStatuses"]
    ]
    return max(map(moment, ends)) - began


def moment(text: str) -> float:
    """Read a time of Kubernetes."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    """Wait until something is so."""
    until = time.monotonic() + LIMIT_S
    while not is_so():
        if time.monotonic() > until:
            raise SystemExit(f"{what} has not ended within {LIMIT_S:.0f} s")
        time.sleep(POLL_S)


def spread(values: list[float]) -> dict[str, float]:
    """Return the least, the middle and the most of some figures."""
    return {
        "min": round(min(values), 3), "median": round(statistics.median(values), 3), "max": round(max(values), 3),
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
