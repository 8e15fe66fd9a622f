"""Pods for which there is no node."""

from __future__ import annotations

from insight.troubles.manifests import (
    Object,
    Step,
    Trouble,
    apply,
    container,
    delete,
    deployment,
    gpus,
    job,
    patch,
    pod,
    replace,
    shared,
    simulated,
    thing,
    wants,
)

_GPU = "nvidia.com/gpu"
_PORT = container(ports=[{"containerPort": 80, "hostPort": 31987}])
_APART = {"labelSelector": {"matchLabels": {"app": "d"}}, "topologyKey": "kubernetes.io/hostname"}
_SPREAD = {**_APART, "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}


def _holder(resource: str, count: int, node: int, **more: object) -> Object:
    """Return a pod that holds devices of a node."""
    return pod(name=f"holder-{node}", main=gpus(resource, count), **simulated(nodeName=f"$NODE{node}"), **more)


def _claim(name: str = "data", **fields: object) -> Object:
    of = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}, **fields}
    return thing("PersistentVolumeClaim", name, spec=of)


def _volume(node: str, kind: str) -> Object:
    terms = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}]
    return shared("PersistentVolume", "$NS", "v1", spec={
        "capacity": {"storage": "1Mi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": kind,
        "hostPath": {"path": "/tmp"}, "nodeAffinity": {"required": {"nodeSelectorTerms": terms}},
        "claimRef": {"namespace": "$NS", "name": "data"},
    })  # fmt: skip


_MOUNTING = {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}
_CLASS = {"provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer"}
_DEVICE = "resource.k8s.io/v1"
_REQUESTS = {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "$NS"}}]}}
_CLAIMING = {"resourceClaims": [{"name": "gpu", "resourceClaimName": "gpu"}],
             "main": container(resources={"claims": [{"name": "gpu"}]})}  # fmt: skip

TROUBLES = (
    Trouble("more-than-any-node", "pod/p", (pod(main=wants(cpu="640")),), remedy=(replace(pod(main=wants(cpu="1m"))),)),
    Trouble("more-than-any-node", "job/j", (job(main=wants(memory="9Ti")),), variant="memory",
            remedy=(replace(job(main=wants(memory="1Mi"))),)),
    Trouble("resource-not-offered", "pod/p", (pod(main=gpus("example.com/tpu", 1)),)),
    Trouble("insufficient-resources", "pod/p", (
        _holder(_GPU, 3, 0), pod(main=gpus(_GPU, 2), **simulated())), nodes=({_GPU: "4"},),
        remedy=(delete("pod/holder-0"),)),
    Trouble("gpus-scattered", "pod/p", (
        _holder(_GPU, 2, 0), _holder(_GPU, 3, 1), pod(main=gpus(_GPU, 3), **simulated())),
        nodes=({_GPU: "4"}, {_GPU: "4"}), remedy=(replace(pod(main=gpus(_GPU, 2), **simulated())),)),
    Trouble("mig-profile-absent", "pod/p", (pod(main=gpus("nvidia.com/mig-3g.20gb", 1), **simulated()),),
            nodes=({"nvidia.com/mig-1g.5gb": "7"},),
            remedy=(replace(pod(main=gpus("nvidia.com/mig-1g.5gb", 1), **simulated())),)),
    Trouble("untolerated-taint", "pod/p", (pod(nodeSelector={"why": "$NS"}),), nodes=({},),
            remedy=(replace(pod(**simulated())),)),
    Trouble("node-labels-unmatched", "pod/p", (pod(nodeSelector={"pool": "$NS"}),), remedy=(replace(pod()),)),
    Trouble("node-labels-unmatched", "deployment/d", (deployment(affinity={"nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [
            {"key": "card", "operator": "In", "values": ["$NS"]}]}]}}}),), variant="affinity",
        remedy=(replace(deployment()),)),
    Trouble("node-cordoned", "pod/p", (pod(**simulated()),), nodes=({"cordoned": "true"},),
            remedy=(patch("node/$NODE0", '{"spec":{"unschedulable":false}}'),)),
    Trouble("node-not-ready", "pod/p", (pod(**simulated()),), nodes=({"tainted": "node.cloudprovider.kubernetes.io/uninitialized"},)),
    Trouble("too-many-pods", "pod/p", (_holder(_GPU, 1, 0), pod(**simulated())), nodes=({"pods": "1", _GPU: "1"},),
            remedy=(delete("pod/holder-0"),)),
    Trouble("host-port-taken", "pod/p", (
        pod(name="first", main=_PORT, **simulated(nodeName="$NODE0")), pod(main=_PORT, **simulated())),
        nodes=({},), remedy=(delete("pod/first"),)),
    Trouble("spread-unmet", "deployment/d", (deployment(replicas=2, affinity={"podAntiAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [_APART]}}, **simulated()),), variant="anti-affinity",
        nodes=({},), remedy=(replace(deployment(replicas=2, **simulated())),)),
    Trouble("spread-unmet", "pod/p", (pod(affinity={"podAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [_APART]}}),), variant="affinity", remedy=(replace(pod()),)),
    Trouble("spread-unmet", "deployment/d", (deployment(replicas=3, topologySpreadConstraints=[
        {**_SPREAD, "minDomains": 3}], **simulated()),), nodes=({}, {}),
        remedy=(replace(deployment(replicas=3, topologySpreadConstraints=[
            {**_SPREAD, "whenUnsatisfiable": "ScheduleAnyway"}], **simulated())),)),
    Trouble("volume-claim-missing", "pod/p", (pod(**_MOUNTING),), remedy=(
        apply(_volume("$NODE", "$NS"), _claim(storageClassName="$NS")),)),
    Trouble("volume-claim-unbound", "job/j", (_claim(storageClassName=""), job(**_MOUNTING))),
    Trouble("storage-class-missing", "pod/p", (_claim(storageClassName="$NS"), pod(**_MOUNTING))),
    Trouble("volume-none-fits", "pod/p", (
        {**shared("StorageClass", "$NS", "storage.k8s.io/v1"), **_CLASS}, _claim(storageClassName="$NS"), pod(**_MOUNTING)),
        remedy=(apply(_volume("$NODE", "$NS")),)),
    Trouble("volume-in-other-zone", "pod/p", (
        _volume("elsewhere", "$NS"), _claim(storageClassName="$NS"), pod(**_MOUNTING))),
    Trouble("provisioner-missing", "pod/p", (
        {**shared("StorageClass", "$NS", "storage.k8s.io/v1"), "provisioner": "disk.example.com"},
        _claim(storageClassName="$NS"), pod(**_MOUNTING))),
    Trouble("scheduling-gated", "pod/p", (pod(schedulingGates=[{"name": "example.com/wait"}]),),
            remedy=(patch("pod/p", '{"spec":{"schedulingGates":null}}'),)),
    Trouble("scheduler-missing", "pod/p", (pod(schedulerName="volcano"),), remedy=(replace(pod()),)),
    Trouble("device-claim-missing", "pod/p", (pod(**_CLAIMING),)),
    Trouble("device-claim-unmet", "pod/p", (
        {**shared("DeviceClass", "$NS", _DEVICE), "spec": {}}, thing("ResourceClaim", "gpu", _DEVICE, spec=_REQUESTS),
        pod(**_CLAIMING))),
    Trouble("preempted-by-priority", "pod/p", (
        {**shared("PriorityClass", "$NS", "scheduling.k8s.io/v1"), "value": 1000},
        {**pod(main=gpus(_GPU, 1), **simulated()), "metadata": {
            "name": "p", "namespace": "$NS", "finalizers": ["example.com/keeps"]}}),
        then=(apply(pod(name="higher", main=gpus(_GPU, 1), priorityClassName="$NS", **simulated())),),
        nodes=({_GPU: "1"},), state="running"),  # nobody ends pods on simulated nodes
    Trouble("node-lost", "pod/p", (
        {**pod(**simulated()), "metadata": {"name": "p", "namespace": "$NS", "finalizers": ["example.com/keeps"]}},),
        then=(Step(("taint", "node", "$NODE0", "example.com/broken=yes:NoExecute")),), nodes=({},), state="running"),
)  # fmt: skip
