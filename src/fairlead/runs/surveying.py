"""Looking at a cluster for a plan: what of it decides whether pods would run, in few requests that go side by side.

Nothing of it is kept, and of Secrets and ConfigMaps only the names are asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from fairlead.engines.kubernetes.rights import QUEUES
from fairlead.errors import ClusterError
from fairlead.insight.planning.asked import Asked
from fairlead.insight.planning.facts import SCALER_STATUS, Facts
from fairlead.insight.planning.references import named_by, pull_secrets
from fairlead.kube import resources
from fairlead.kube.client import EVERYWHERE, Client
from fairlead.kube.discovery import Discovery
from fairlead.kube.failures import Forbidden, NotFound
from fairlead.kube.resources import Kind, name_kind
from fairlead.naming import UTC
from fairlead.snapshots.snapshot import Meta, Snapshot, Unread

QUEUES_ELSEWHERE = "queues of other namespaces"
"""What a snapshot says of who stands in them, where that could not be read."""
_AT_ONCE = 8
_NODE_POOL = Kind("karpenter.sh", "v1", "NodePool", "nodepools", namespaced=False)
_COHORT = Kind("kueue.x-k8s.io", "v1beta2", "Cohort", "cohorts", namespaced=False)
_QUEUES = (resources.LOCAL_QUEUE, resources.CLUSTER_QUEUE, resources.RESOURCE_FLAVOR, _COHORT)
_LISTED = (
    resources.NODE, resources.RESOURCE_QUOTA, resources.LIMIT_RANGE, resources.PRIORITY_CLASS, resources.STORAGE_CLASS,
    _NODE_POOL, *_QUEUES,
)  # fmt: skip
_GOT = {
    each.kind: each
    for each in (
        resources.SECRET, resources.CONFIG_MAP, resources.SERVICE_ACCOUNT, resources.PERSISTENT_VOLUME_CLAIM,
        resources.PRIORITY_CLASS, resources.WORKLOAD_PRIORITY_CLASS, resources.RESOURCE_CLAIM,
        resources.RESOURCE_CLAIM_TEMPLATE,
    )
}  # fmt: skip
_NAMES_ONLY = ("Secret", "ConfigMap", "ServiceAccount")


class _Container(msgspec.Struct, frozen=True, omit_defaults=True):
    resources: dict[str, Any] = {}
    restartPolicy: str = ""


class _Spec(msgspec.Struct, frozen=True, omit_defaults=True):
    nodeName: str = ""
    containers: list[_Container] = []
    initContainers: list[_Container] = []
    overhead: dict[str, Any] = {}
    resources: dict[str, Any] = {}
    affinity: dict[str, Any] = {}
    priority: int = 0


class _Owner(msgspec.Struct, frozen=True, omit_defaults=True):
    uid: str = ""


class _Name(msgspec.Struct, frozen=True, omit_defaults=True):
    name: str
    namespace: str = ""
    uid: str = ""
    creationTimestamp: str = ""
    ownerReferences: list[_Owner] = []
    labels: dict[str, str] = {}


class _Phase(msgspec.Struct, frozen=True, omit_defaults=True):
    phase: str = ""
    startTime: str = ""


class PodTaking(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of a pod takes something of a node, or keeps others away; all else is not even read."""

    metadata: _Name
    spec: _Spec = _Spec()
    status: _Phase = _Phase()


class _PlacedSpec(_Spec, frozen=True, omit_defaults=True):
    nodeSelector: dict[str, Any] = {}
    tolerations: list[Any] = []
    resourceClaims: list[Any] = []


class _PlacedPod(PodTaking, frozen=True, omit_defaults=True):
    """The same, and what decides on which nodes it may be."""

    spec: _PlacedSpec = _PlacedSpec()


class _Queued(msgspec.Struct, frozen=True, omit_defaults=True):
    priority: int = 0
    queueName: str = ""
    active: bool = True


class WorkloadInQueue(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of a Workload says how it stands in its queue; its pods are not even read."""

    metadata: _Name
    spec: _Queued = _Queued()
    status: dict[str, Any] = {}


class _Template(msgspec.Struct, frozen=True, omit_defaults=True):
    metadata: dict[str, Any] = {}


class _PodSet(msgspec.Struct, frozen=True, omit_defaults=True):
    template: _Template = _Template()


class _NamedSpec(_Queued, frozen=True, omit_defaults=True):
    podSets: list[_PodSet] = []


class _NamedWorkload(WorkloadInQueue, frozen=True, omit_defaults=True):
    """The same, and whose pods it is for."""

    spec: _NamedSpec = _NamedSpec()


_OF_DEVICES = (resources.DEVICE_CLASS, resources.RESOURCE_SLICE, resources.RESOURCE_CLAIM)
_ALL: dict[str, tuple[Kind, type[msgspec.Struct] | None]] = {
    "Workload": (resources.WORKLOAD, WorkloadInQueue), **{each.kind: (each, None) for each in _OF_DEVICES},
}  # fmt: skip
"""Kinds of which all objects are wanted, and what of these is read."""


class Wanted(NamedTuple):
    """An object of the namespace, by its kind and its name; all of a kind where it has none."""

    kind: str
    name: str = ""


class _Answer(NamedTuple):
    kind: str
    objects: list[dict[str, Any]]
    unread: tuple[Unread, ...] = ()

    @property
    def is_whole(self) -> bool:
        return not self.unread


class Slow(ClusterError):
    """The cluster answers too slowly for who waits."""


def survey(
    client: Client,
    namespace: str,
    wanted: Iterable[Wanted] = (),
    *,
    served: Discovery | None = None,
    within_s: float = 60.0,
    now: datetime | None = None,
) -> Facts:
    """Look at a cluster.

    Args:
        client: The cluster.
        namespace: Where pods are to be.
        wanted: The objects that they name.
        served: What is known of the kinds that the cluster serves.
        within_s: For how long, in seconds.
        now: The time; for tests.

    Raises:
        ClusterError: The cluster can't be reached, or takes longer.
    """
    served = served or Discovery(client)
    kinds = [(each, served.best(each)) for each in _LISTED]
    asked: list[Callable[[], _Answer]] = [
        lambda: _pods(client, namespace),
        lambda: _namespace(client, namespace),
        lambda: _scaler(client),
        *(_lister(client, kind, best, namespace) for kind, best in kinds),
        *(_asker(client, each, namespace, served) for each in dict.fromkeys(wanted)),
    ]
    answers = list(_within(asked, within_s))
    lacking = {each.kind for each in answers if not each.is_whole}
    read = {each.kind for each in answers} - lacking
    objects = [each for answer in answers for each in answer.objects]
    unread = tuple(each for answer in answers for each in answer.unread)
    meta = Meta(
        subject=namespace, taken=(now or datetime.now(UTC)).isoformat(timespec="seconds"),
        unread=tuple(dict.fromkeys(unread)),
    )  # fmt: skip
    return Facts(Snapshot(meta, objects), namespace, read)


def survey_placed(client: Client, namespace: str, *, within_s: float = 60.0) -> Snapshot:
    """Look at the nodes of a cluster and at all its pods, with what decides where they may be.

    Args:
        client: The cluster.
        namespace: Whose pods are read where those of all may not be.
        within_s: For how long, in seconds.

    Raises:
        ClusterError: The cluster can't be reached, or takes longer.
    """
    asked: list[Callable[[], _Answer]] = [
        lambda: _pods(client, namespace, _PlacedPod),
        _lister(client, resources.NODE, resources.NODE, namespace),
    ]
    answers = list(_within(asked, within_s, next="try again, or have a snapshot made: fairlead snapshot -o FILE"))
    meta = Meta(
        taken=datetime.now(UTC).isoformat(timespec="seconds"),
        unread=tuple(gap for answer in answers for gap in answer.unread),
    )
    return Snapshot(meta, [each for answer in answers for each in answer.objects])


def survey_queues(client: Client, *, within_s: float = 60.0) -> Snapshot:
    """Look at the queues of a cluster and at all that stands in them, with the labels of its pods.

    Args:
        client: The cluster.
        within_s: For how long, in seconds.

    Raises:
        ClusterError: The cluster can't be reached, or takes longer.
    """
    served, shapes = Discovery(client), {resources.WORKLOAD: _NamedWorkload}
    asked = [_lister(client, kind, served.best(kind), EVERYWHERE, shapes.get(kind)) for kind in QUEUES]
    answers = list(_within(asked, within_s, next="it is tried again"))
    meta = Meta(unread=tuple(gap for answer in answers for gap in answer.unread))
    return Snapshot(meta, [each for answer in answers for each in answer.objects])


def wanted_by(steps: Iterable[Asked]) -> list[Wanted]:
    """Return the objects that steps name, and the kinds that only some steps have to do with."""
    found = []
    for step in steps:
        found += [Wanted(each.kind, each.name) for each in (*named_by(step), *pull_secrets(step))]
        if step.queued:
            found.append(Wanted("Workload"))
        if any(pods.spec.get("resourceClaims") for pods in step.sets):
            found += [Wanted(each.kind) for each in _OF_DEVICES]
    return list(dict.fromkeys(found))


def of_bundle(snapshot: Snapshot, namespace: str) -> Facts:
    """Return what a bundle says of a cluster: of a kind of which it has nothing, nothing is known.

    Those of one namespace alone do not say what is taken in all: pods of nodes, Workloads of queues, claims of devices.
    """
    read = {ref.kind for ref in snapshot.things}
    for kind in ("Pod", "Workload", "ResourceClaim"):
        if len({each.ref.namespace for each in snapshot.of_kind(kind)}) < 2:
            read.discard(kind)
    return Facts(snapshot, namespace, read)


def _within(
    asked: Iterable[Callable[[], _Answer]], within_s: float, *, next: str = "fairlead plan FILE takes its time"
) -> Iterator[_Answer]:
    """Yield answers in the order of the questions, which are asked side by side, for so many seconds at most."""
    end = time.monotonic() + within_s
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        futures = [pool.submit(each) for each in asked]
        for future in futures:
            try:
                yield future.result(max(0.0, end - time.monotonic()))
            except TimeoutError:
                raise Slow(f"the cluster did not answer within {within_s:.0f} s", next=next) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _pods(client: Client, namespace: str, shape: type[PodTaking] = PodTaking) -> _Answer:
    """Return all pods, those of others too: they take what nodes have."""
    try:
        return _Answer("Pod", _plain(client, resources.POD, EVERYWHERE, shape))
    except Forbidden:
        why = "you may not list those of other namespaces: what nodes have left is not known"
        gap = (Unread(what="pods", why=why),)
    try:
        return _Answer("Pod", _plain(client, resources.POD, namespace, shape), gap)
    except Forbidden:
        return _Answer("Pod", [], gap)


def _plain(client: Client, kind: Kind, namespace: str, shape: type[msgspec.Struct]) -> list[dict[str, Any]]:
    return [
        {"kind": kind.kind, **msgspec.to_builtins(each)}
        for page in client.pages(kind.path(namespace), shape=shape, limit=1000)
        for each in page.items or ()
    ]


def _namespace(client: Client, namespace: str) -> _Answer:
    kind = resources.NAMESPACE
    try:
        found = client.get(kind, namespace, metadata_only=True)
    except Forbidden:
        return _Answer("Namespace", [], (Unread(what=f"the namespace {namespace}", why="you may not read it"),))
    except NotFound:
        return _Answer("Namespace", [])
    return _Answer("Namespace", [{**found, "apiVersion": kind.api_version, "kind": kind.kind}])


def _scaler(client: Client) -> _Answer:
    """Return the status of the Cluster Autoscaler, where whoever asks may see it."""
    try:
        found = client.get(resources.CONFIG_MAP, SCALER_STATUS, namespace="kube-system", metadata_only=True)
    except Forbidden:
        gap = Unread(what="whether nodes are added as they are asked for", why=f"you may not read {SCALER_STATUS}")
        return _Answer(SCALER_STATUS, [], (gap,))
    except NotFound:
        return _Answer(SCALER_STATUS, [])
    return _Answer(SCALER_STATUS, [{**found, "apiVersion": "v1", "kind": "ConfigMap"}])


def _lister(
    client: Client, kind: Kind, best: Kind | None, namespace: str, shape: type[msgspec.Struct] | None = None
) -> Callable[[], _Answer]:
    def ask() -> _Answer:
        if best is None:
            return _Answer(kind.kind, [])
        where = namespace if best.namespaced else EVERYWHERE
        try:
            items = _plain(client, best, where, shape) if shape else client.list(best, namespace=where).items
        except Forbidden:
            return _Answer(kind.kind, [], (Unread(what=kind.plural, why="you may not list them"),))
        except NotFound:  # its component went away
            items = []
        return _Answer(kind.kind, items)

    return ask


def _asker(client: Client, wanted: Wanted, namespace: str, served: Discovery) -> Callable[[], _Answer]:
    """Return what looks for an object, or for all of a kind, in all namespaces."""
    if wanted.name:
        best = served.best(_GOT[wanted.kind])
        return _getter(client, wanted, best, namespace) if best else lambda: _Answer(wanted.kind, [])
    kind, shape = _ALL[wanted.kind]
    return _lister(client, kind, served.best(kind), EVERYWHERE, shape)


def _getter(client: Client, wanted: Wanted, kind: Kind, namespace: str) -> Callable[[], _Answer]:
    """Return what looks for an object by its name; that there is none is an answer too."""

    def ask() -> _Answer:
        where = namespace if kind.namespaced else EVERYWHERE
        try:
            found = client.get(kind, wanted.name, namespace=where, metadata_only=kind.kind in _NAMES_ONLY)
        except Forbidden:
            return _Answer(kind.kind, [], (Unread(what=f"{kind.kind} {wanted.name}", why="you may not read it"),))
        except NotFound:
            return _Answer(kind.kind, [])
        found["kind"] = kind.kind  # instead of that of its metadata alone
        name_kind(found, kind)
        return _Answer(kind.kind, [found])

    return ask
