"""Making troubles happen on a cluster, each in a namespace of its own, and seeing what is said of them.

Many at once, since most of the time is waiting. Nothing of it is left.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fairlead.errors import FairleadError
from fairlead.insight.why import Answer, explain
from fairlead.kube.client import Client
from fairlead.kube.connecting import connect
from fairlead.kube.resources import NODE, POD
from fairlead.runs.snapshotting import subject_of, take
from fairlead.snapshots import bundles
from fairlead.snapshots.snapshot import LogName, Snapshot, Thing
from insight.troubles.manifests import Object, Step, Trouble
from servers.cluster import Cluster
from testbed.faults import TestbedError

AT_ONCE = 30
RUNS_S = 240.0
_WORKERS = 5
_PAUSE_S = 3.0
_SHARED = (
    "validatingwebhookconfiguration", "validatingadmissionpolicybinding", "validatingadmissionpolicy", "priorityclass",
    "runtimeclass", "storageclass", "persistentvolume", "deviceclass", "clusterqueue", "resourceflavor", "admissioncheck",
    "workloadpriorityclass",
)  # fmt: skip
_KEPT = ("Node", "StorageClass", "PriorityClass", "ClusterQueue", "ResourceFlavor")
"""What has no namespace and belongs to a picture all the same."""


@dataclass
class Seen:
    """What came of a trouble.

    Attributes:
        answer: The last answer before the remedy; None where there was none.
        fault: Why it could not be made to happen, or be asked about.
        wrong: What was said too, confidently, before the right answer, and when.
        snapshot: What the last answer rests on.
        after: The answer once the remedy has been applied and the workload runs; None where it does not.
        after_s, right_s: How long these took.
    """

    answer: Answer | None = None
    fault: str = ""
    wrong: list[tuple[int, str, float]] = field(default_factory=list)
    snapshot: Snapshot | None = None
    after: Answer | None = None
    right_s: float = 0.0
    after_s: float = 0.0


class _Place:
    """The namespace of a trouble."""

    def __init__(self, cluster: Cluster, client: Client, trouble: Trouble, names: dict[str, str]) -> None:
        self.namespace = f"why-{trouble.name}"
        self.cluster = cluster._replace(namespace=self.namespace)
        self.client, self.trouble = client, trouble
        self.names = {**names, "$NS": self.namespace}
        self.seen = Seen()

    def filled(self, text: str) -> str:
        """Return a text with what its names stand for."""
        for name in sorted(self.names, key=len, reverse=True):
            text = text.replace(name, self.names[name])
        return text

    def do(self, step: Step) -> None:
        """Do a step."""
        if any("$WORKLOAD" in each for each in step.arguments):
            self.names["$WORKLOAD"] = self.cluster.get("workloads")["items"][0]["metadata"]["name"]
        given = ""
        if step.objects:
            listed = {"apiVersion": "v1", "kind": "List", "items": list(step.objects)}
            given = self.filled(json.dumps(step.objects[0] if len(step.objects) == 1 else listed))
        self.cluster.kubectl(*map(self.filled, step.arguments), given=given)

    def ask(self) -> tuple[Snapshot, Answer]:
        """Take a snapshot, and explain the subject."""
        snapshot = take(self.client, self.namespace, subject=self.trouble.subject)
        return snapshot, explain(snapshot, subject_of(snapshot, self.trouble.subject, self.namespace))


def happened(cluster: Cluster, troubles: Sequence[Trouble], registry: str, nodes: Sequence[str], record: Path | None
             ) -> dict[str, Seen]:  # fmt: skip
    """Make troubles happen, mend them where that is known, and return what was seen of each by its name."""
    client = Client(connect("testbed", kubeconfig=str(cluster.kubeconfig), namespace=cluster.namespace))
    own = next(each["metadata"]["name"] for each in client.list(NODE).items if "kwok" not in json.dumps(each))
    names = {"$IMAGE": cluster.image, "$REGISTRY": registry, "$NODE": own}
    left = list(nodes)
    places = []
    for trouble in troubles:
        given = {f"$NODE{number}": left.pop() for number in range(len(trouble.nodes))}
        places.append(_Place(cluster, client, trouble, {**names, **given}))
    for first in range(0, len(places), AT_ONCE):
        batch = places[first : first + AT_ONCE]
        try:
            _begin(cluster, client, batch)
            _watch(batch, record)
        finally:
            _end(cluster, batch)
    return {place.trouble.name: place.seen for place in places}


def _begin(cluster: Cluster, client: Client, places: Sequence[_Place]) -> None:
    """Make the namespaces, and in each what makes its trouble happen."""
    cluster.apply(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": each.namespace}} for each in places))
    with ThreadPoolExecutor(_WORKERS) as pool:
        list(pool.map(_begin_one, places))


def _begin_one(place: _Place) -> None:
    try:
        place.do(Step(("wait", "--for=create", "serviceaccount/default", "--timeout=60s")))
        for number, resources in enumerate(place.trouble.nodes):
            _furnish(place, f"$NODE{number}", resources)
        if place.trouble.objects:
            place.do(Step(("apply", "--server-side", "--force-conflicts", "--filename=-"), place.trouble.objects))
        for step in place.trouble.then:
            place.do(step)
    except (FairleadError, TestbedError) as failure:
        place.seen.fault = str(failure)


def _furnish(place: _Place, node: str, given: dict[str, str]) -> None:
    """Give a simulated node the label and the resources that a trouble asks for."""
    resources = {name: value for name, value in given.items() if name not in ("cordoned", "tainted")}
    place.do(Step(("label", "--overwrite", "node", node, "why=$NS")))
    if resources:
        change = json.dumps({"status": {"capacity": resources, "allocatable": resources}})
        place.do(Step(("patch", "node", node, "--subresource=status", "--type=merge", f"--patch={change}")))
    if "cordoned" in given:
        place.do(Step(("cordon", node)))
    if "tainted" in given:
        place.do(Step(("taint", "node", node, f"{given['tainted']}:NoSchedule")))


def _watch(places: Sequence[_Place], record: Path | None) -> None:
    """Ask about each until the answer is right, twice; apply remedies, and wait until the workloads run."""
    begun = time.monotonic()
    open_ = [each for each in places if not each.seen.fault]
    mending: dict[str, float] = {}
    end = begun + max((each.trouble.patience_s for each in open_), default=0.0) + RUNS_S
    with ThreadPoolExecutor(_WORKERS) as pool:
        while open_ and time.monotonic() < end:
            time.sleep(_PAUSE_S)
            done = list(pool.map(lambda place: _look(place, begun, mending, record), open_))
            open_ = [place for place, is_done in zip(open_, done, strict=True) if not is_done]


def _look(place: _Place, begun: float, mending: dict[str, float], record: Path | None) -> bool:
    """Ask about a workload, and do what is to be done next; say whether nothing is."""
    name, now = place.trouble.name, time.monotonic()
    until = begun + place.trouble.patience_s
    try:
        snapshot, answer = place.ask()
    except FairleadError as failure:
        if name not in mending:
            place.seen.fault = str(failure)
        return now > until + RUNS_S
    if name in mending:
        if runs(snapshot.things[subject_of(snapshot, place.trouble.subject, place.namespace).ref]):
            place.seen.after, place.seen.after_s = answer, now - mending[name]
            return True
        return now > mending[name] + RUNS_S
    place.seen.snapshot, place.seen.answer, place.seen.fault = snapshot, answer, ""
    first = answer.causes[0] if answer.causes else None
    if first is None or first.id != place.trouble.cause or answer.state != place.trouble.state:
        if first is not None and first.confidence > 0.5 and first.id not in (place.trouble.cause, *place.trouble.also):
            place.seen.wrong.append((int(now - begun), first.id, first.confidence))
        return now > until
    if not place.seen.right_s:  # once more: it must stay so
        place.seen.right_s = now - begun
        return False
    if record is not None:
        bundles.write(trimmed(snapshot, place), record / f"{name}.tgz")
    for step in place.trouble.remedy:
        try:
            place.do(step)
        except TestbedError as failure:
            place.seen.fault = f"the remedy failed: {failure}"
            return True
    mending[name] = time.monotonic()
    return not place.trouble.remedy


def runs(thing: Thing) -> bool:
    """Say whether a workload runs, or has done what it was to do."""
    conditions = {kind for kind, each in thing.conditions.items() if each.text("status") == "True"}
    ready = {
        "Pod": "Ready" in conditions or thing.text("status.phase") == "Succeeded",
        "Job": bool(thing.number("status.ready") or thing.number("status.succeeded")),
        "Deployment": thing.number("status.availableReplicas") == thing.number("spec.replicas"),
        "JobSet": "Completed" in conditions
        or any(each.number("ready") or each.number("succeeded") for each in thing.each("status.replicatedJobsStatus")),
        "Workflow": thing.text("status.phase") == "Succeeded",
        "PodDisruptionBudget": bool(thing.number("status.disruptionsAllowed")),
    }
    return ready[thing.ref.kind]


def _end(cluster: Cluster, places: Sequence[_Place]) -> None:
    """Remove everything that was made."""
    with ThreadPoolExecutor(_WORKERS) as pool:
        list(pool.map(_end_one, places))
    gone = ["delete", "namespace", "--ignore-not-found", "--timeout=120s", *(each.namespace for each in places)]
    with contextlib.suppress(TestbedError):
        cluster.kubectl(*gone)


def _end_one(place: _Place) -> None:
    names = [f"{kind}/{name}" for kind in _SHARED for name in (place.namespace, f"{place.namespace}-lender",
             f"{place.namespace}-low", f"{place.namespace}-high")]  # fmt: skip
    used = [each for each in names if each.partition("/")[0] in json.dumps(place.trouble).lower()]
    commands = [
        ("delete", "--ignore-not-found", "--wait=false", "--grace-period=1",
         "jobs,deployments,pods,cronjobs,workloads,workflows,jobsets,persistentvolumeclaims", "--all"),
        *([("delete", "--ignore-not-found", "--wait=false", *used)] if used else []),
    ]  # fmt: skip
    for command in commands:
        with contextlib.suppress(TestbedError):
            place.cluster.kubectl(*command)
    for pod in place.client.list(POD, namespace=place.namespace).items:
        if pod["metadata"].get("finalizers"):
            with contextlib.suppress(FairleadError):
                change = {"metadata": {"finalizers": None}}
                place.client.patch(POD, pod["metadata"]["name"], change, namespace=place.namespace)


def trimmed(snapshot: Snapshot, place: _Place) -> Snapshot:
    """Return a picture without what is not of its trouble, and without names of this machine."""
    replaced = {
        place.names["$REGISTRY"]: "registry.example.com",
        place.names["$IMAGE"]: "registry.example.com/python:3.11",
        place.names["$NODE"]: "node-1",
        socket.gethostname(): "node-1",
    }

    def plain(value: Any) -> Any:
        text = json.dumps(value)
        for old, new in replaced.items():
            text = text.replace(old, new)
        return json.loads(re.sub(r"\b(?!127\.|0\.)(?:\d{1,3}\.){3}\d{1,3}\b", "10.0.0.7", text))

    objects = [
        plain(_in_short(thing.value))
        for thing in snapshot.things.values()
        if thing.ref.namespace == place.namespace
        or (thing.ref.kind in _KEPT and (thing.ref.kind == "Node" or place.namespace in thing.ref.name))
    ]
    logs = {LogName(*name): plain(text) for name, text in snapshot.logs.items()}
    return Snapshot(snapshot.meta, objects, [plain(dict(each)) for each in snapshot.events], logs)


def _in_short(value: Any) -> Object:
    """Return an object; of a node only what answers may rest on."""
    if value["kind"] != "Node":
        return dict(value)
    metadata, spec, status = (value.get(name, {}) for name in ("metadata", "spec", "status"))
    ready = [each for each in status.get("conditions", ()) if each["type"] == "Ready"]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {name: metadata[name] for name in ("name", "uid", "labels") if name in metadata},
        "spec": {name: spec[name] for name in ("taints", "unschedulable") if name in spec},
        "status": {
            **{name: status[name] for name in ("allocatable", "capacity") if name in status},
            "nodeInfo": {"architecture": status.get("nodeInfo", {}).get("architecture", "")},
            "conditions": ready,
        },
    }
