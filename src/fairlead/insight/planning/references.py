"""Whether what a step's pods name is there: accounts, priorities, secrets, configuration, volumes and their classes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fairlead.insight.findings import Layer
from fairlead.insight.planning.asked import Asked, Pods
from fairlead.insight.planning.documents import Reason, reason
from fairlead.insight.planning.facts import Facts
from fairlead.insight.planning.priorities import CLASS_IN_QUEUE, SYSTEM, class_in_queue
from fairlead.snapshots.parts import Evidence, Part
from fairlead.snapshots.snapshot import Thing, Unread

_DOCS = "https://kubernetes.io/docs"
_VOLUMES = f"{_DOCS}/concepts/storage/persistent-volumes/"
_CLASSES = f"{_DOCS}/concepts/storage/storage-classes/"
_IS_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_CONTAINERS = ("spec.initContainers", "spec.containers")


class Named(NamedTuple):
    """What a pod names, and where.

    Attributes:
        kind: The kind of the object.
        name: Its name.
        at: The field that names it.
    """

    kind: str
    name: str
    at: Evidence


_MISSING = {
    "ServiceAccount": (
        "service-account-missing", Layer.STRUCTURE, f"{_DOCS}/tasks/configure-pod-container/configure-service-account/",
        "kubectl -n {namespace} create serviceaccount {name}",
    ),
    "PriorityClass": (
        "priority-class-missing", Layer.POLICY, f"{_DOCS}/concepts/scheduling-eviction/pod-priority-preemption/",
        "name one of these: kubectl get priorityclasses",
    ),
    "WorkloadPriorityClass": (
        "priority-class-missing", Layer.QUOTA, "https://kueue.sigs.k8s.io/docs/concepts/workload_priority_class/",
        "name one of these: kubectl get workloadpriorityclasses",
    ),
    "Secret": (
        "secret-missing", Layer.START, f"{_DOCS}/concepts/configuration/secret/",
        "kubectl -n {namespace} create secret generic {name} --from-literal=KEY=VALUE",
    ),
    "ConfigMap": (
        "config-map-missing", Layer.START, f"{_DOCS}/concepts/configuration/configmap/",
        "kubectl -n {namespace} create configmap {name} --from-literal=KEY=VALUE",
    ),
    **{kind: (
        "device-claim-missing", Layer.PLACEMENT, f"{_DOCS}/concepts/scheduling-eviction/dynamic-resource-allocation/",
        f"create it, or name another: kubectl -n {{namespace}} get {kind.lower()}s",
    ) for kind in ("ResourceClaim", "ResourceClaimTemplate")},
    "PersistentVolumeClaim": (
        "volume-claim-missing", Layer.VOLUME, _VOLUMES,
        "create the claim, or name another: kubectl -n {namespace} get pvc",
    ),
}  # fmt: skip
"""What the absence of an object is: its id, its layer, where that is documented, and what to do."""


_OF_CLUSTER = ("PriorityClass", "WorkloadPriorityClass")
"""Kinds of these that have no namespace."""


def named_by(asked: Asked) -> Iterator[Named]:
    """Yield the objects of the namespace, and the priorities, that a step's pods can't be without."""
    made = {(each.ref.kind, each.ref.name) for each in (*asked.claims, *asked.templates)}
    for pods in asked.sets:
        for each in _named(pods.pod):
            if each.name and (each.kind, each.name) not in made:
                yield each
    for pods in asked.queued:
        if name := class_in_queue(pods):
            at = Evidence(str(pods.pod.ref), f"metadata.labels[{CLASS_IN_QUEUE}]", name)
            yield Named("WorkloadPriorityClass", name, at)


def pull_secrets(asked: Asked) -> Iterator[Named]:
    """Yield the secrets by which the images of a step's pods are pulled."""
    for pods in asked.sets:
        for each in pods.pod.each("spec.imagePullSecrets"):
            yield _name("Secret", each, "name")


def check(asked: Asked, facts: Facts) -> Iterator[Reason | Unread]:
    """Yield what a step's pods name and is not there, or can't be had."""
    lacking: set[tuple[str, str]] = set()
    for each in named_by(asked):
        found = _found(each, facts)
        if found is None and not facts.knows(each.kind):
            yield Unread(what=f"{each.kind} {each.name}", why="it could not be read whether it is there")
        elif found is None and (each.kind, each.name) not in lacking:
            lacking.add((each.kind, each.name))
            yield _missing(each, facts)
        elif found is not None and each.kind == "PersistentVolumeClaim":
            yield from _unready(found, asked, facts)
    for each in pull_secrets(asked):
        if facts.knows("Secret") and facts.find("Secret", each.name) is None:
            yield reason(
                "pull-secret-missing", Layer.IMAGE, "warning",
                f"the Secret {each.name}, by which its image is pulled, is not there", each.at,
                remedy=f"kubectl -n {facts.namespace} create secret docker-registry {each.name} …",
                source=f"{_DOCS}/concepts/containers/images/",
            )  # fmt: skip
    yield from _classes(asked, facts)


def _found(each: Named, facts: Facts) -> Thing | None:
    if each.kind in _OF_CLUSTER:
        return facts.snapshot.find(each.kind, each.name)
    return facts.find(each.kind, each.name)


def _missing(each: Named, facts: Facts) -> Reason:
    id, layer, source, remedy = _MISSING[each.kind]
    others = sorted(other.ref.name for other in facts.all(each.kind))[:5] if each.kind in _OF_CLUSTER else []
    return reason(
        id, layer, "never", f"it names the {each.kind} {each.name}, which is not there", each.at,
        fits=", ".join(others),
        remedy=remedy.format(namespace=facts.namespace, name=each.name), source=source,
    )  # fmt: skip


def _unready(claim: Thing, asked: Asked, facts: Facts) -> Iterator[Reason]:
    """Yield why a claim that is there can't be mounted."""
    phase, modes = claim.text("status.phase"), claim.part("spec.accessModes").value
    if claim.text("metadata.deletionTimestamp"):
        yield reason(
            "volume-claim-going", Layer.VOLUME, "never", f"its claim {claim.ref.name} is being removed",
            *claim.cite("metadata.deletionTimestamp"), remedy="create it anew, or name another", source=_VOLUMES,
        )  # fmt: skip
    elif phase == "Lost":
        yield reason(
            "volume-claim-unready", Layer.VOLUME, "never", f"the volume of its claim {claim.ref.name} is lost",
            *claim.cite("status.phase", "spec.volumeName"), remedy="create it anew, or name another", source=_VOLUMES,
        )  # fmt: skip
    elif phase == "Pending" and not _waits_for_pods(claim, facts):
        yield reason(
            "volume-claim-unready", Layer.VOLUME, "not-now", f"its claim {claim.ref.name} has no volume yet",
            *claim.cite("status.phase", "spec.storageClassName"), source=_VOLUMES,
            remedy=f"kubectl -n {claim.ref.namespace} describe pvc {claim.ref.name}",
        )  # fmt: skip
    count = sum(each.count for each in asked.gang or asked.own if _mounts(each, claim.ref.name))
    if count > 1 and isinstance(modes, list) and not {"ReadWriteMany", "ReadOnlyMany"} & set(map(str, modes)):
        is_of_pod = modes == ["ReadWriteOncePod"]
        yield reason(
            "volume-of-one-node", Layer.VOLUME, "never" if is_of_pod else "warning",
            f"its {count} pods mount the claim {claim.ref.name}, which one {'pod' if is_of_pod else 'node'} can have "
            "at a time", *claim.cite("spec.accessModes"), fits="ReadWriteMany",
            remedy="name a claim with ReadWriteMany, or have a volume made for each pod: lasts='pod'", source=_VOLUMES,
        )  # fmt: skip


def _mounts(pods: Pods, claim: str) -> bool:
    return any(each.text("persistentVolumeClaim.claimName") == claim for each in pods.pod.each("spec.volumes"))


def _waits_for_pods(claim: Thing, facts: Facts) -> bool:
    """Say whether a claim gets its volume when a pod needs it, as far as is known."""
    name = claim.text("spec.storageClassName")
    found = facts.snapshot.find("StorageClass", name)
    if found is not None:
        return found.text("volumeBindingMode") == "WaitForFirstConsumer"
    return not facts.knows("StorageClass")


def _classes(asked: Asked, facts: Facts) -> Iterator[Reason | Unread]:
    """Yield the storage classes that are not there of claims which are made for a step."""
    made = [each.part("spec") for each in asked.claims]
    for pods in asked.sets:
        made += [each.part("ephemeral.volumeClaimTemplate.spec") for each in pods.pod.each("spec.volumes")
                 if each.mapping("ephemeral.volumeClaimTemplate.spec")]  # fmt: skip
    if made and not facts.knows("StorageClass"):
        yield Unread(what="storage classes", why="they could not be read")
        return
    known = {each.ref.name: each for each in facts.all("StorageClass")}
    for claim in made:
        wanted = claim.text("storageClassName")
        if wanted and wanted not in known:
            yield _no_class(claim, f"there is no StorageClass {wanted}", known)
        elif claim.value.get("storageClassName") is None and not any(map(_is_default, known.values())):
            yield _no_class(claim, "it names no StorageClass, and none is the default", known)


def _no_class(claim: Part, message: str, known: Iterable[str]) -> Reason:
    return reason(
        "storage-class-missing", Layer.VOLUME, "never", f"a volume is made for it, and {message}",
        *(claim.cite("storageClassName") or claim.cite("resources")), fits=", ".join(sorted(known)[:5]),
        remedy="name one of these: kubectl get storageclasses", source=_CLASSES,
    )  # fmt: skip


def _is_default(found: Thing) -> bool:
    return found.mapping("metadata.annotations").get(_IS_DEFAULT) == "true"


def _named(pod: Thing) -> Iterator[Named]:
    """Yield what a pod can't be without."""
    yield Named("ServiceAccount", pod.text("spec.serviceAccountName") or "default",
                Evidence(str(pod.ref), "spec.serviceAccountName", pod.text("spec.serviceAccountName")))  # fmt: skip
    priority = pod.text("spec.priorityClassName")
    if priority and priority not in SYSTEM:
        yield _name("PriorityClass", pod, "spec.priorityClassName")
    for each in pod.each("spec.resourceClaims"):
        yield _name("ResourceClaim", each, "resourceClaimName")
        yield _name("ResourceClaimTemplate", each, "resourceClaimTemplateName")
    for path in _CONTAINERS:
        for container in pod.each(path):
            for each in container.each("envFrom"):
                yield from _required(each, "secretRef", "Secret")
                yield from _required(each, "configMapRef", "ConfigMap")
            for each in container.each("env"):
                yield from _required(each, "valueFrom.secretKeyRef", "Secret")
                yield from _required(each, "valueFrom.configMapKeyRef", "ConfigMap")
    for volume in pod.each("spec.volumes"):
        if volume.text("persistentVolumeClaim.claimName"):
            yield _name("PersistentVolumeClaim", volume, "persistentVolumeClaim.claimName")
        yield from _required(volume, "secret", "Secret", "secretName")
        yield from _required(volume, "configMap", "ConfigMap")
        yield from _required(volume, "csi.nodePublishSecretRef", "Secret")
        for source in volume.each("projected.sources"):
            yield from _required(source, "secret", "Secret")
            yield from _required(source, "configMap", "ConfigMap")


def _required(part: Part, path: str, kind: str, field: str = "name") -> Iterator[Named]:
    if part.part(f"{path}.optional").value is not True and part.text(f"{path}.{field}"):
        yield _name(kind, part, f"{path}.{field}")


def _name(kind: str, part: Part, path: str) -> Named:
    found = part.part(path)
    return Named(kind, part.text(path), Evidence(str(part.ref), found.path, part.text(path)))
