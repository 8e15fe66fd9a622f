"""Taking a snapshot of a namespace: the objects that answers may lie in, what was said of them, and last words.

Requests are bounded: so many pages of a kind, so many logs, so many lines of each. What may not be read, or is more
than that, is said to be missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from fairlead.errors import ClusterError, NotFoundError
from fairlead.insight import gangs, recorded
from fairlead.insight.nodes import PODS_ELSEWHERE
from fairlead.insight.rules.queueing import is_queued
from fairlead.kube import resources
from fairlead.kube.client import EVERYWHERE, Client
from fairlead.kube.discovery import Discovery
from fairlead.kube.failures import Forbidden, NotFound
from fairlead.kube.resources import Kind, name_kind
from fairlead.naming import UTC
from fairlead.runs.surveying import QUEUES_ELSEWHERE, PodTaking, WorkloadInQueue
from fairlead.snapshots.redacting import redacted_object, redacted_text
from fairlead.snapshots.snapshot import LogName, Meta, Snapshot, Thing, Unread
from fairlead.targets.podcauses import is_unplaced

OBJECTS_MAX = 20_000
"""Of one kind."""
LOGS_MAX = 50
LOG_LINES = 200
LOG_BYTES = 64 << 10

KINDS: tuple[Kind, ...] = (
    resources.POD,
    resources.JOB,
    resources.CRON_JOB,
    resources.DEPLOYMENT,
    resources.REPLICA_SET,
    resources.STATEFUL_SET,
    resources.DAEMON_SET,
    resources.PERSISTENT_VOLUME_CLAIM,
    resources.RESOURCE_QUOTA,
    resources.LIMIT_RANGE,
    resources.SERVICE,
    resources.NETWORK_POLICY,
    resources.POD_DISRUPTION_BUDGET,
    resources.NODE,
    resources.STORAGE_CLASS,
    resources.PRIORITY_CLASS,
    resources.WORKFLOW,
    resources.CRON_WORKFLOW,
    resources.JOB_SET,
    resources.TRAIN_JOB,
    resources.RAY_JOB,
    resources.RAY_CLUSTER,
    resources.INFERENCE_SERVICE,
    resources.WORKLOAD,
    resources.LOCAL_QUEUE,
    resources.CLUSTER_QUEUE,
    resources.RESOURCE_FLAVOR,
    resources.WORKLOAD_PRIORITY_CLASS,
    *(Kind("kubeflow.org", "v1", each, f"{each.lower()}s") for each in ("PyTorchJob", "TFJob", "JAXJob", "XGBoostJob")),
    Kind("kubeflow.org", "v2beta1", "MPIJob", "mpijobs"),
    Kind("kubeflow.org", "v1", "Notebook", "notebooks"),
    Kind("sparkoperator.k8s.io", "v1beta2", "SparkApplication", "sparkapplications"),
    Kind("kubernetes.dask.org", "v1", "DaskJob", "daskjobs"),
    Kind("kubernetes.dask.org", "v1", "DaskCluster", "daskclusters"),
    Kind("tekton.dev", "v1", "PipelineRun", "pipelineruns"),
    Kind("tekton.dev", "v1", "TaskRun", "taskruns"),
    Kind("ray.io", "v1", "RayService", "rayservices"),
    Kind("kubernetes.dask.org", "v1", "DaskWorkerGroup", "daskworkergroups"),
    Kind("leaderworkerset.x-k8s.io", "v1", "LeaderWorkerSet", "leaderworkersets"),
    *(Kind("kubeflow.org", "v1beta1", each, f"{each.lower()}s") for each in ("Experiment", "Suggestion", "Trial")),
    Kind("kubeflow.org", "v1beta1", "ScheduledWorkflow", "scheduledworkflows"),
    Kind("batch.volcano.sh", "v1alpha1", "Job", "jobs"),
    Kind("scheduling.volcano.sh", "v1beta1", "PodGroup", "podgroups"),
    *(Kind("serving.knative.dev", "v1", each, f"{each.lower()}s") for each in ("Service", "Configuration", "Revision")),
    Kind("autoscaling.x-k8s.io", "v1", "ProvisioningRequest", "provisioningrequests"),
    Kind("kueue.x-k8s.io", "v1beta2", "AdmissionCheck", "admissionchecks", namespaced=False),
    Kind("karpenter.sh", "v1", "NodeClaim", "nodeclaims", namespaced=False),
    resources.RESOURCE_CLAIM,
    resources.RESOURCE_SLICE,
    resources.DEVICE_CLASS,
)
"""What is read, where it is served."""
_SHORT = {
    "ClusterQueue": ("cq",), "ConfigMap": ("cm",), "CronJob": ("cj",), "CronWorkflow": ("cwf",), "DaemonSet": ("ds",),
    "Deployment": ("deploy",), "HorizontalPodAutoscaler": ("hpa",), "InferenceService": ("isvc",),
    "LocalQueue": ("queue", "lq"), "Namespace": ("ns",), "NetworkPolicy": ("netpol",), "Node": ("no",),
    "PersistentVolume": ("pv",), "PersistentVolumeClaim": ("pvc", "pvcs"), "PipelineRun": ("pr",), "Pod": ("po",),
    "PodDisruptionBudget": ("pdb",), "ReplicaSet": ("rs",), "ResourceQuota": ("quota",), "Service": ("svc",),
    "ServiceAccount": ("sa",), "SparkApplication": ("sparkapp",), "StatefulSet": ("sts",), "StorageClass": ("sc",),
    "TaskRun": ("tr",), "Workflow": ("wf",), "Workload": ("wl",),
}  # fmt: skip
_MANY = (resources.POD, resources.WORKFLOW)
"""What there are thousands of in a namespace."""


def take(
    client: Client,
    namespace: str,
    *,
    subject: str = "",
    labels: Mapping[str, str] | None = None,
    now: datetime | None = None,
) -> Snapshot:
    """Take a snapshot of a namespace, and of what it shares with others: nodes, queues, classes, and who has them.

    Args:
        client: The cluster.
        namespace: The namespace.
        subject: What it is taken of, in words.
        labels: Only pods and workflows with these labels are read.
        now: The time; for tests.

    Raises:
        ClusterError: The cluster can't be reached.
    """
    unread: list[Unread] = []
    served = Discovery(client)
    objects = [
        redacted_object(each)
        for kind in KINDS
        if (best := served.best(kind)) is not None
        for each in _listed(client, best, namespace, unread, (labels or {}) if kind in _MANY else {})
    ]
    events = [redacted_object(each) for each in _listed(client, resources.EVENT, namespace, unread)]
    meta = Meta(subject=subject or namespace, taken=(now or datetime.now(UTC)).isoformat(timespec="seconds"))
    seen = Snapshot(meta, objects, events)
    logs = dict(logs_of(client, seen, unread))
    objects += map(redacted_object, _elsewhere(client, served, seen, unread))
    return Snapshot(msgspec.structs.replace(meta, unread=tuple(unread)), objects, events, logs)


def _listed(
    client: Client,
    kind: Kind,
    namespace: str,
    unread: list[Unread],
    labels: Mapping[str, str] = MappingProxyType({}),
    *,
    what: str = "",
    shape: Any = dict[str, Any],
) -> Iterator[dict[str, Any]]:
    """Yield the objects of a kind, as far as they may be read, and what of them a shape has."""
    count = 0
    try:
        for page in client.pages(kind.path(namespace if kind.namespaced else ""), labels=labels, shape=shape):
            for item in page.items or ():
                each = item if isinstance(item, dict) else msgspec.to_builtins(item)
                name_kind(each, kind)
                yield each
                count += 1
            if count >= OBJECTS_MAX:
                unread.append(Unread(what=what or kind.plural, why=f"there are more than the {count} that are read"))
                return
    except Forbidden:
        unread.append(Unread(what=what or kind.plural, why="you may not list them"))
    except NotFound:  # its component went away
        return


def _elsewhere(client: Client, served: Discovery, seen: Snapshot, unread: list[Unread]) -> Iterator[dict[str, Any]]:
    """Yield what of other namespaces decides on what waits in this one: who has the nodes, and who stands in queues."""
    if seen.of_kind("Node") and any(is_unplaced(each.value) for each in seen.of_kind("Pod")):
        yield from _listed(client, resources.POD, EVERYWHERE, unread, what=PODS_ELSEWHERE, shape=PodTaking)
    workload, queue = served.best(resources.WORKLOAD), served.best(resources.LOCAL_QUEUE)
    if workload and queue and any(map(is_queued, seen.of_kind("Workload"))):
        yield from _listed(client, workload, EVERYWHERE, unread, what=QUEUES_ELSEWHERE, shape=WorkloadInQueue)
        yield from _listed(client, queue, EVERYWHERE, unread, what=QUEUES_ELSEWHERE)


class _Wanted(NamedTuple):
    """A log that is read; of one that goes on, each line with its time."""

    since: str
    name: LogName
    namespace: str
    goes_on: bool = False


def logs_of(client: Client, seen: Snapshot, unread: list[Unread]) -> Iterator[tuple[LogName, str]]:
    """Yield the last lines of containers that ended badly, those that ended first first, and then of ranks that run.

    Args:
        client: The cluster.
        seen: What else is known of it.
        unread: Takes what may not be read, or can't be.
    """
    bad = sorted(each for pod in seen.of_kind("Pod") for each in _bad(pod))
    wanted = [*bad, *_ranks(seen)]
    if len(wanted) > LOGS_MAX:
        unread.append(Unread(what=f"the logs of {len(wanted) - LOGS_MAX} containers", why=f"{LOGS_MAX} are read"))
    for _, name, namespace, goes_on in wanted[:LOGS_MAX]:
        try:
            content = client.last_lines(
                name.pod,
                namespace=namespace,
                container=name.container,
                previous=name.previous,
                lines=LOG_LINES,
                size_bytes=LOG_BYTES,
                timestamps=goes_on,
            )
        except Forbidden:
            unread.append(Unread(what="logs", why="you may not read them"))
            return
        except ClusterError as failure:  # the node, or the container, is gone
            unread.append(Unread(what=f"the log of {name.pod}/{name.container}", why=failure.what))
            continue
        yield name, redacted_text(content.decode("utf-8", "replace"))


def _ranks(seen: Snapshot) -> Iterator[_Wanted]:
    """Yield the logs of gangs all of which runs, that which is asked about first: who is behind is seen by these."""
    asked = seen.meta.subject.rpartition("/")[2]
    for gang in sorted(
        gangs.gangs(seen), key=lambda each: all(asked != of.ref.name for of in (each.top, *each.running))
    ):
        for pod in gang.running if not gang.late else ():
            for each in gangs.running(pod):
                yield _Wanted("", LogName(pod.ref.name, each.text("name")), pod.ref.namespace, goes_on=True)


def _bad(pod: Thing) -> Iterator[_Wanted]:
    for path in ("status.initContainerStatuses", "status.containerStatuses"):
        for each in pod.each(path):
            for state, previous in (("state.terminated", False), ("lastState.terminated", True)):
                if each.number(f"{state}.exitCode"):
                    name = LogName(pod.ref.name, each.text("name"), previous)
                    yield _Wanted(each.text(f"{state}.finishedAt"), name, pod.ref.namespace)
                    break


def subject_of(snapshot: Snapshot, text: str, namespace: str) -> Thing:
    """Return the object that ``RUN``, ``RUN/STEP/INDEX``, ``KIND/NAME`` or the name of a pod names.

    Raises:
        NotFoundError: It is not in the snapshot, or several are named so.
    """
    for kind in recorded.KINDS:
        if found_record := snapshot.find(kind, text):
            return found_record
    kind, _, name = text.rpartition("/")
    asked = kind.lower().partition(".")[0]
    found = [
        thing
        for thing in snapshot.things.values()
        if thing.ref.name == name
        and thing.ref.namespace in ("", namespace or thing.ref.namespace)
        and (asked in names_of(thing.ref.kind) if asked else thing.ref.kind == "Pod")
    ]
    if len(found) == 1:
        return found[0]
    where = f"namespace {namespace}" if namespace else "the bundle"
    if found:
        raise NotFoundError(
            f"{len(found)} objects are named {text}",
            where=where,
            next=f"one of: {', '.join(str(each.ref) for each in found[:5])}",
        )
    alike = sorted(str(each.ref) for each in snapshot.things.values() if name in each.ref.name or each.ref.name in name)
    more = f"; alike: {', '.join(alike[:5])}" if alike else ""
    raise NotFoundError(
        f"there is no object {text!r}", where=where, next=f"write KIND/NAME, such as job/fit, or a pod's name{more}"
    )


def names_of(kind: str) -> tuple[str, ...]:
    """Return how a kind may be written: as in a manifest, in small letters, in the plural, or as kubectl has it."""
    small = kind.lower()
    plural = f"{small[:-1]}ies" if small.endswith("y") else f"{small}s"
    return small, plural, f"{small}es", *_SHORT.get(kind, ())
