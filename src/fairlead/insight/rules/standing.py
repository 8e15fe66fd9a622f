"""What stands beside pods, when it is asked about itself: claims of volumes, Services, DaemonSets, autoscalers."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.insight.findings import Layer
from fairlead.insight.seeing import Seen, Sign
from fairlead.insight.signs import event, has, rule
from fairlead.snapshots.snapshot import Snapshot, Thing

_DOCS = "https://kubernetes.io/docs"
_CLAIM, _HPA = ("PersistentVolumeClaim",), ("HorizontalPodAutoscaler",)
_VOLUMES = f"{_DOCS}/concepts/storage/persistent-volumes/"
_SCALING = f"{_DOCS}/tasks/run-application/horizontal-pod-autoscale/"


def _lost(claim: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a claim whose volume was deleted."""
    if claim.text("status.phase") == "Lost":
        yield Seen(claim.cite("status.phase", "spec.volumeName"), {"volume": claim.text("spec.volumeName")})


def _backless(service: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a Service of which no pod is ready, or that selects none."""
    wanted = service.mapping("spec.selector")
    pods = snapshot.of_kind("Pod", service.ref.namespace)
    if (
        not wanted
        or "pods" in {each.what for each in snapshot.meta.unread}
        or service.text("apiVersion") != "v1"
        or not pods
    ):
        return
    chosen = [each for each in pods if wanted.items() <= each.mapping("metadata.labels").items()]
    ready = [each for each in chosen if (said := each.condition("Ready")) and said.text("status") == "True"]
    labels = ", ".join(f"{key}={value}" for key, value in wanted.items())
    if not chosen:
        yield Seen(service.cite("spec.selector"), {"said": f"no pod has its labels {labels}"})
    elif not ready:
        evidence = (*service.cite("spec.selector"), *chosen[0].cite("status.phase"))
        yield Seen(
            evidence, {"said": f"none of its {len(chosen)} pods is ready; fairlead why pod/{chosen[0].ref.name}"}
        )


def _chooses_none(daemons: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a DaemonSet that is of no node."""
    if daemons.number("status.desiredNumberScheduled") == 0:
        wanted = daemons.mapping("spec.template.spec.nodeSelector")
        said = ", ".join(f"{key}={value}" for key, value in wanted.items())
        evidence = daemons.cite("status.desiredNumberScheduled", "spec.template.spec.nodeSelector")
        yield Seen(evidence, {"said": f": it wants {said}" if said else ""})


RULES = (
    rule(
        "volume-lost",
        Layer.VOLUME,
        Sign("paused", _lost),
        message="its volume {volume} is no more",
        remedy="restore the volume {volume}, or make the claim {name} anew",
        source=_VOLUMES,
        kinds=_CLAIM,
    ),
    rule(
        "storage-class-missing",
        Layer.VOLUME,
        event("ProvisioningFailed", r"storageclass(es)?\S* \"[^\"]*\" not found"),
        message="its storage class is not there: {said}",
        remedy="kubectl get storageclass; a claim of one of these, since the class of {name} can't be changed",
        source=f"{_DOCS}/concepts/storage/storage-classes/",
        kinds=_CLAIM,
    ),
    rule(
        "provisioning-failed",
        Layer.VOLUME,
        event("ProvisioningFailed"),
        message="no volume could be made for it: {said}",
        remedy="mend what the provisioner says: kubectl describe pvc {name} -n {namespace}",
        source=f"{_DOCS}/concepts/storage/dynamic-provisioning/",
        kinds=_CLAIM,
    ),
    rule(
        "volume-none-fits",
        Layer.VOLUME,
        event("FailedBinding"),
        message="there is no volume for it: {said}",
        remedy="name a storage class in the claim (kubectl get storageclass), or create a volume that fits it",
        source=_VOLUMES,
        kinds=_CLAIM,
    ),
    rule(
        "waits-for-consumer",
        Layer.VOLUME,
        event("WaitForFirstConsumer"),
        event("WaitForPodScheduled"),
        message="its storage class makes the volume once a pod that uses it is placed, and none is: {said}",
        remedy="nothing is wrong with it; where a pod uses it already, fairlead why of that pod",
        source=f"{_DOCS}/concepts/storage/storage-classes/#volume-binding-mode",
        kinds=_CLAIM,
        confidence=0.9,
    ),
    rule(
        "provisioner-missing",
        Layer.VOLUME,
        event("ExternalProvisioning"),
        message="nobody has made its volume yet: {said}",
        remedy="see that the provisioner that it names runs: kubectl get csidrivers; kubectl get pods -A",
        source=f"{_DOCS}/concepts/storage/dynamic-provisioning/",
        kinds=_CLAIM,
        confidence=0.7,
    ),
    rule(
        "service-without-pods",
        Layer.STRUCTURE,
        Sign("paused", _backless),
        message="nobody answers behind it: {said}",
        remedy="compare its selector with the pods' labels: kubectl get pods -n {namespace} --show-labels",
        source=f"{_DOCS}/tasks/debug/debug-application/debug-service/",
        kinds=("Service",),
        confidence=0.9,
    ),
    rule(
        "node-labels-unmatched",
        Layer.PLACEMENT,
        Sign("paused", _chooses_none),
        message="no node is to have a pod of it{said}",
        remedy="nothing is wrong where that is meant; else compare nodeSelector, affinity and tolerations with"
        " kubectl get nodes --show-labels",
        source=f"{_DOCS}/concepts/workloads/controllers/daemonset/",
        kinds=("DaemonSet",),
        confidence=0.7,
    ),
    rule(
        "scale-target-missing",
        Layer.STRUCTURE,
        has("AbleToScale", "False", "FailedGetScale"),
        message="what it is to scale is not there: {said}",
        remedy="correct spec.scaleTargetRef: kubectl edit hpa {name} -n {namespace}",
        source=_SCALING,
        kinds=_HPA,
    ),
    rule(
        "requests-missing",
        Layer.POLICY,
        has("ScalingActive", "False", "", r"missing request for"),
        message="it can't tell how much of its request a pod uses: {said}",
        remedy="set resources.requests of that resource in every container of the pods, sidecars too",
        source=_SCALING,
        kinds=_HPA,
    ),
    rule(
        "metrics-missing",
        Layer.STRUCTURE,
        has("ScalingActive", "False", "(FailedGet|InvalidMetric).*"),
        message="it gets no metrics, and so does not scale: {said}",
        remedy="see that metrics-server, or the adapter of these metrics, runs: kubectl get apiservices | grep metrics",
        source=_SCALING,
        kinds=_HPA,
    ),
    rule(
        "scaling-disabled",
        Layer.POLICY,
        has("ScalingActive", "False", "ScalingDisabled"),
        message="what it scales has no replicas, which turns it off: {said}",
        remedy="scale that to 1 or more by hand: from there on it scales again",
        source=_SCALING,
        kinds=_HPA,
    ),
    rule(
        "replicas-at-limit",
        Layer.QUOTA,
        has("ScalingLimited", "True", "TooManyReplicas"),
        message="it would have more replicas than it may: {said}",
        remedy="raise spec.maxReplicas: kubectl edit hpa {name} -n {namespace}; nothing is wrong where that is meant",
        source=_SCALING,
        kinds=_HPA,
    ),
)
