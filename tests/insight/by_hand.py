"""Pictures that are made by hand: what components say, in their own words, where no cluster of ours can be made to say it.

`source` is the file that the words are of; those without one were in rules from the first, and are Kubernetes' own.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from fairlead.snapshots.snapshot import Snapshot
from insight import pictures as p


class Case(NamedTuple):
    """A picture, the cause that it shows, and the object that is asked about."""

    name: str
    cause: str
    snapshot: Snapshot
    subject: dict[str, Any]
    source: str


GPU = {"spec": {"containers": [{"name": "main", "resources": {"limits": {"nvidia.com/gpu": "8"}}}]}}
CREATING = 'pods "fit-x" is forbidden: '
JOB = p.job(active=0)
TRACEBACK = 'Traceback (most recent call last):\n  File "/app/fit.py", line 3, in fit\nValueError: no luck\n'

CASES: list[Case] = []


def case(cause: str, *objects: dict[str, Any], events: tuple[dict[str, Any], ...] = (), log: str = "",
         logs: Mapping[str, str] = MappingProxyType({}), source: str = "", variant: str = "") -> None:  # fmt: skip
    """Add a case: what the first object is explained with."""
    names = {each.name for each in CASES}
    name = f"{cause}-{variant}" if variant else cause
    name = name if name not in names else f"{name}-{len(CASES)}"
    CASES.append(Case(name, cause, p.picture(*objects, events=events, log=log, logs=logs), objects[0], source))


def said(cause: str, message: str) -> None:
    """Add a case of a Job whose pods are refused."""
    case(cause, JOB, events=(p.event("FailedCreate", f"Error creating: {message}", kind="Job", name="j"),))


# Placement -----------------------------------------------------------------------------------------
case("insufficient-resources", p.unplaced(
    "0/4 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 3 Insufficient"
    " cpu. preemption: 0/4 nodes are available: 1 Preemption is not helpful for scheduling, 3 No preemption victims"
    " found for incoming pod."))  # fmt: skip
case("more-than-any-node", p.unplaced("0/1 nodes are available: 1 Insufficient cpu. preemption: …", spec={
    "containers": [{"name": "main", "resources": {"requests": {"cpu": "64"}}}]}), p.node("n1", cpu="16"))  # fmt: skip
case("gpus-scattered", p.unplaced("0/2 nodes are available: 2 Insufficient nvidia.com/gpu.", **GPU),
     p.node("n1", **{"nvidia.com/gpu": "8"}),
     p.node("n2", **{"nvidia.com/gpu": "8"}),
     p.pod("other", spec={"nodeName": "n1", "containers": [{"name": "x", "resources": {"limits": {"nvidia.com/gpu": "4"}}}]},
           phase="Running"),
     p.pod("more", spec={"nodeName": "n2", "containers": [{"name": "x", "resources": {"limits": {"nvidia.com/gpu": "4"}}}]},
           phase="Running"))  # fmt: skip
case("untolerated-taint", p.unplaced(
    "0/2 nodes are available: 2 node(s) had untolerated taint {nvidia.com/gpu: present}. preemption: 0/2 nodes are"
    " available: 2 Preemption is not helpful for scheduling."))  # fmt: skip
case("node-labels-unmatched", p.unplaced(
    "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
    spec={"nodeSelector": {"pool": "a100"}}), p.node("n1", {"pool": "h100"}))  # fmt: skip
case("node-cordoned", p.unplaced("0/1 nodes are available: 1 node(s) were unschedulable."))
case("too-many-pods", p.unplaced("0/1 nodes are available: 1 Too many pods."))
case(
    "host-port-taken",
    p.unplaced("0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports."),
)
case("spread-unmet", p.unplaced("0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules."))
case("spread-unmet", p.unplaced("0/2 nodes are available: 2 node(s) didn't match pod topology spread constraints."))
case("device-claim-unmet", p.unplaced("0/2 nodes are available: 2 cannot allocate all claims."))
case("volume-claim-missing", p.unplaced('0/1 nodes are available: persistentvolumeclaim "data" not found.'))
case("volume-claim-unbound", p.unplaced(
    "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/1 nodes are available."))  # fmt: skip
case("volume-in-other-zone", p.unplaced("0/3 nodes are available: 3 node(s) had volume node affinity conflict."))
case("scheduling-gated", p.pod(
    spec={"schedulingGates": [{"name": "kueue.x-k8s.io/admission"}]}, phase="Pending",
    conditions=[p.condition("PodScheduled", "False", "SchedulingGated", "Scheduling is blocked due to non-empty"
                            " scheduling gates")]))  # fmt: skip
case("scheduler-missing", p.pod(spec={"schedulerName": "volcano"}, phase="Pending"))
# Images --------------------------------------------------------------------------------------------
_BACKOFF = 'Back-off pulling image "registry.example/fit:1"'
case("image-not-found", p.waiting("ErrImagePull", 'rpc error: code = NotFound desc = failed to pull and unpack image'
     ' "registry.example/fit:1": failed to resolve reference "registry.example/fit:1": registry.example/fit:1: not found'))  # fmt: skip
case("image-not-found", p.waiting("ImagePullBackOff", _BACKOFF), events=(p.event(
    "Failed", 'Failed to pull image "registry.example/fit:1": manifest unknown: manifest unknown'),))  # fmt: skip
case("registry-refuses", p.waiting("ErrImagePull", "pull access denied, repository does not exist or may require"
     " authorization: server message: insufficient_scope: authorization failed"))  # fmt: skip
case("registry-throttles", p.waiting("ErrImagePull", "429 Too Many Requests - Server message: toomanyrequests: You have"
     " reached your unauthenticated pull rate limit."))  # fmt: skip
case("registry-unreachable", p.waiting("ErrImagePull", "dial tcp: lookup registry.example: no such host"))
case("image-invalid", p.waiting("InvalidImageName", "couldn't parse image name: invalid reference format"))
case("image-never-pulled", p.waiting("ErrImageNeverPull", "Container image is not present with pull policy of Never"))
# Beginning -----------------------------------------------------------------------------------------
case("config-missing", p.waiting("CreateContainerConfigError", 'secret "keys" not found'))
case("config-missing", p.waiting("CreateContainerConfigError", "couldn't find key token in Secret team/keys"))
case("user-is-root", p.waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root"))
case("command-not-found", p.waiting("RunContainerError", 'failed to create containerd task: OCI runtime create failed:'
     ' runc create failed: unable to start container process: exec: "train": executable file not found in $PATH'))  # fmt: skip
case("command-not-executable", p.ended(126))
case("wrong-architecture", p.ended(255), log="exec /usr/bin/python3: exec format error\n")
case("sandbox-not-created", p.pod(spec={"nodeName": "n1"}, phase="Pending"), events=(p.event(
    "FailedCreatePodSandBox", "failed to setup network for sandbox: plugin type=\"aws-cni\" failed to assign an IP"),))  # fmt: skip
case("device-refused", p.failed("UnexpectedAdmissionError", "Allocate failed due to requested number of devices"
     " unavailable for nvidia.com/gpu. Requested: 1, Available: 0, which is unexpected"))  # fmt: skip
case("volume-in-use", p.pod(spec={"nodeName": "n1"}, phase="Pending"), events=(p.event(
    "FailedAttachVolume", 'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) other'),))  # fmt: skip
case("mounted-config-missing", p.pod(spec={"nodeName": "n1"}, phase="Pending"), events=(p.event(
    "FailedMount", 'MountVolume.SetUp failed for volume "settings" : configmap "settings" not found'),))  # fmt: skip
case("init-failed", p.ended(1, part="initContainerStatuses"))
case("readiness-probe-failed", p.pod(spec={"nodeName": "n1"}, phase="Running"), events=(p.event(
    "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503"),))  # fmt: skip
# Ends ----------------------------------------------------------------------------------------------
case("out-of-memory", p.ended(137, "OOMKilled"))
case("node-lacks-memory", p.failed("Evicted", "The node was low on resource: memory. Threshold quantity: 100Mi, available:"
     " 60Mi. Container main was using 2Gi, request is 1Gi, has larger consumption of memory."))  # fmt: skip
case(
    "disk-limit-exceeded",
    p.failed("Evicted", "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi."),
)
case("volume-too-large", p.failed("Evicted", 'Usage of EmptyDir volume "scratch" exceeds the limit "1Gi".'))
case("preempted-by-priority", p.failed("", conditions=[p.condition(
    "DisruptionTarget", "True", "PreemptionByScheduler", "default-scheduler: preempting to accommodate a higher priority pod")]))  # fmt: skip
case("evicted-by-request", p.failed("", conditions=[p.condition(
    "DisruptionTarget", "True", "EvictionByEvictionAPI", "Eviction API: evicting")]))  # fmt: skip
case("node-lost", p.failed("", conditions=[p.condition("DisruptionTarget", "True", "DeletionByTaintManager", "Taint manager:"
     " deleting due to NoExecute taint")]))  # fmt: skip
case("node-lost", p.failed("Terminated", "Pod was terminated in response to imminent node shutdown."))
case("deadline-of-pod", p.failed("DeadlineExceeded", "Pod was active on the node longer than the specified deadline"))
case("gpu-out-of-memory", p.ended(1), log="torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB.\n")
case("driver-too-old", p.ended(1), log="RuntimeError: CUDA driver version is insufficient for CUDA runtime version\n")
case("shared-memory-too-small", p.ended(135))
case("name-not-resolved", p.ended(1), log="socket.gaierror: [Errno -3] Temporary failure in name resolution\n")
case(
    "data-refused",
    p.ended(1),
    log="botocore.exceptions.ClientError: An error occurred (AccessDenied) when calling it\n",
)
case("exception", p.ended(1), log=TRACEBACK)
case("segmentation-fault", p.ended(139))
case("exit-code", p.ended(3))
# Policies ------------------------------------------------------------------------------------------
said("quota-of-namespace", f"{CREATING}exceeded quota: compute, requested: requests.cpu=4, used: requests.cpu=14, limited:"
     " requests.cpu=16")  # fmt: skip
said("quota-needs-requests", f"{CREATING}failed quota: compute: must specify requests.memory for: main")
said("limit-range", f"{CREATING}maximum cpu usage per Container is 2, but limit is 4")
said("pod-security", f'{CREATING}violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container'
     ' "main" must set securityContext.allowPrivilegeEscalation=false)')  # fmt: skip
said("webhook-unreachable", 'Internal error occurred: failed calling webhook "mpod.kb.io": failed to call webhook: Post'
     ' "https://kueue-webhook-service.kueue-system.svc:443/mutate--v1-pod?timeout=10s": context deadline exceeded')  # fmt: skip
said("webhook-denied", 'admission webhook "validate.kyverno.svc" denied the request: images must come from ours')
said("service-account-missing", f'{CREATING}error looking up service account team/fit: serviceaccount "fit" not found')
said("right-missing", 'workflowtaskresults.argoproj.io is forbidden: User "system:serviceaccount:team:default" cannot create'
     ' resource "workflowtaskresults" in API group "argoproj.io" in the namespace "team"')  # fmt: skip
said("kind-not-served", 'no matches for kind "JobSet" in version "jobset.x-k8s.io/v1alpha2"')
said("object-too-large", "etcdserver: request is too large")
# Queues --------------------------------------------------------------------------------------------
case("quota-used-up", p.workload(
    "couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu in flavor a100, 4 more needed"))  # fmt: skip
case("quota-never-enough", p.workload(
    "couldn't assign flavors to pod set main: insufficient quota for cpu in flavor default, previously considered podsets"
    " requests (0) + current podset request (20) > maximum capacity (10)"))  # fmt: skip
case("borrowing-limit", p.workload(
    "couldn't assign flavors to pod set main: borrowing limit for cpu in flavor default exceeded"))  # fmt: skip
case("queue-missing", p.workload("LocalQueue gpu doesn't exist", "Inadmissible"))
case("cluster-queue-missing", p.workload("ClusterQueue gpu doesn't exist", "Inadmissible"))
case("queue-inactive", p.workload("ClusterQueue gpu is inactive", "Inadmissible"))
case("no-flavor", p.workload("couldn't assign flavors to pod set main: untolerated taint {gpu true NoSchedule <nil>} in"
                             " flavor a100"))  # fmt: skip
case("topology-unfit", p.workload('couldn\'t assign flavors to pod set main: topology "default" allows to fit only 1 out'
                                  " of 2 pod(s)"))  # fmt: skip
case("workload-deactivated", p.workload("The workload is deactivated"))
# Workloads -----------------------------------------------------------------------------------------
case(
    "job-deadline",
    p.job(conditions=[p.condition("Failed", "True", "DeadlineExceeded", "Job was active longer than it may")]),
)
case("workload-failed", p.job(conditions=[p.condition(
    "Failed", "True", "BackoffLimitExceeded", "Job has reached the specified backoff limit")]))  # fmt: skip
# What one node, or no cloud, can't show ------------------------------------------------------------
_CA = "https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/core/scaleup/orchestrator/skippedreasons.go"
_KARPENTER = (
    "https://github.com/kubernetes-sigs/karpenter/blob/main/pkg/controllers/provisioning/scheduling/scheduler.go"
)
_FULL = p.unplaced("0/7 nodes are available: 5 Insufficient nvidia.com/gpu, 2 node(s) had untolerated taint(s).", **GPU)
for number, (reason, words, source) in enumerate((
    ("NotTriggerScaleUp", "pod didn't trigger scale-up: 1 node(s) had untolerated taint(s), 3 max node group size reached", _CA),
    ("NotTriggerScaleUp", "pod didn't trigger scale-up: 6 node(s) had volume node affinity conflict, 2 in backoff after failed"
     " scale-up", _CA),
    ("FailedScheduling", 'Failed to schedule pod, all available instance types exceed limits for nodepool: "default"', _KARPENTER),
)):  # fmt: skip
    case("autoscaler-at-limit", _FULL, events=(p.event(reason, words, at=p.LATER),), source=source, variant=str(number))
case("autoscaler-at-limit", p.unplaced("0/7 nodes are available: 2 Too many pods, 5 node(s) had untolerated taint(s)."),
     events=(p.event("NotTriggerScaleUp", "pod didn't trigger scale-up: 2 max node group size reached", at=p.LATER),),
     source=_CA, variant="pods")  # fmt: skip
case("insufficient-resources", _FULL, events=(p.event(
    "TriggeredScaleUp", "pod triggered scale-up: [{pool-a 1->2 (max: 4)}]", at=p.LATER),), source=_CA, variant="scaling")  # fmt: skip
_COSCHEDULING = "https://github.com/kubernetes-sigs/scheduler-plugins/blob/master/pkg/coscheduling/core/core.go"
case("gang-incomplete", p.unplaced("0/3 nodes are available: 3 pre-filter pod fit-0 cannot find enough sibling pods, current"
     " pods number: 2, minMember of group: 3."), source=_COSCHEDULING)  # fmt: skip
case("gang-incomplete", p.unplaced("1/1 tasks in gang unschedulable: pod group is not ready, 1 Pending, 1 minAvailable;"
     " Pending: 1 Unschedulable"), source="https://github.com/volcano-sh/volcano/blob/master/pkg/scheduler/api/job_info.go")  # fmt: skip
_SCHEDULER = "https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/scheduler/framework/plugins"
case("no-nodes", p.unplaced("no nodes available to schedule pods"), source=_SCHEDULER)
case("too-many-volumes", p.unplaced("0/3 nodes are available: 3 node(s) exceed max volume count."), source=_SCHEDULER)
case("volume-claim-taken", p.unplaced("0/3 nodes are available: 3 node(s) unavailable due to PersistentVolumeClaim with"
     " ReadWriteOncePod access mode already in-use by another pod."), source=_SCHEDULER)  # fmt: skip
case("volume-lost", p.unplaced("0/3 nodes are available: 3 node(s) unavailable due to one or more pvc(s) bound to non-existent"
     " pv(s)."), source=_SCHEDULER)  # fmt: skip
case("device-claim-missing", p.unplaced('0/2 nodes are available: resourceclaim "gpu" not found. preemption: 0/2 nodes are'
     " available: 2 Preemption is not helpful for scheduling."), source=f"{_SCHEDULER}/dynamicresources")  # fmt: skip
case("device-claim-missing", p.unplaced("0/2 nodes are available: 2 request gpu: device class gpu.nvidia.com does not exist."),
     source=f"{_SCHEDULER}/dynamicresources", variant="class")  # fmt: skip
case("device-claim-unmet", p.unplaced("0/2 nodes are available: 2 resourceclaim not available on the node."),
     source=f"{_SCHEDULER}/dynamicresources", variant="elsewhere")  # fmt: skip
case("device-claim-unprepared", p.pod(spec={"nodeName": "n1"}, phase="Pending"), events=(p.event(
    "FailedPrepareDynamicResources", "Failed to prepare dynamic resources: NodePrepareResources failed for claim team/gpu:"
    " error preparing devices: CDI spec missing"),),
    source="https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/kubelet/events/event.go")  # fmt: skip
case("mig-profile-absent", p.unplaced("0/2 nodes are available: 2 Insufficient nvidia.com/mig-3g.20gb.", spec={
    "containers": [{"name": "main", "resources": {"limits": {"nvidia.com/mig-3g.20gb": "1"}}}]}),
    p.node("n1", **{"nvidia.com/mig-1g.5gb": "7"}), p.node("n2", **{"nvidia.com/mig-1g.5gb": "7"}))  # fmt: skip
case(
    "resource-not-offered",
    p.unplaced("0/1 nodes are available: 1 Insufficient nvidia.com/gpu.", **GPU),
    p.node("n1", cpu="8"),
)
case(
    "node-not-ready",
    p.unplaced("0/2 nodes are available: 2 node(s) had untolerated taint {node.kubernetes.io/not-ready: }."),
)
case("node-not-ready", p.unplaced("0/1 nodes are available: 1 node(s) had untolerated taint"
     " {node.kubernetes.io/disk-pressure: }. preemption: 0/1 nodes are available: 1 Preemption is not helpful."),
     variant="disk")  # fmt: skip
case("untolerated-taint", p.unplaced("0/9 nodes are available: 3 node(s) had taint {nvidia.com/gpu: present}, that the pod"
     " didn't tolerate, 6 node(s) didn't match Pod's node affinity/selector.", spec={"nodeSelector": {"pool": "a100"}}),
     variant="selected")  # fmt: skip
case("node-labels-unmatched", p.unplaced("0/6 nodes are available: 3 node(s) had untolerated taint"
     " {node-role.kubernetes.io/control-plane: }, 3 node(s) didn't match Pod's node affinity/selector.",
     spec={"nodeSelector": {"pool": "a100"}}), variant="beside-control-plane")  # fmt: skip
case("provisioning-failed", p.unplaced("0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.", spec={
    "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]}),
    p.thing("PersistentVolumeClaim", "data", status={"phase": "Pending"}), events=(p.event(
        "ProvisioningFailed", 'failed to provision volume with StorageClass "gp3": rpc error: code = Internal desc = Could not'
        " create volume: VolumeLimitExceeded: You have exceeded your maximum gp3 storage limit", kind="PersistentVolumeClaim",
        name="data"),),
    source="https://github.com/kubernetes-sigs/sig-storage-lib-external-provisioner/blob/master/controller/controller.go")  # fmt: skip
# Images, in the words of other runtimes and registries ---------------------------------------------
_CRIO = "https://github.com/cri-o/cri-o/blob/main/server/image_pull.go"
case("image-not-found", p.waiting("ErrImagePull", 'initializing source docker://registry.example/fit:1: reading manifest 1 in'
     " registry.example/fit: manifest unknown"), source=_CRIO, variant="crio")  # fmt: skip
case("registry-refuses", p.waiting("ImagePullBackOff", 'Back-off pulling image "registry.example/fit:1": ErrImagePull: failed'
     " to pull and unpack image: failed to authorize: failed to fetch anonymous token: unexpected status from GET request to"
     " registry.example/token: 401 Unauthorized"), source=_CRIO, variant="anonymous")  # fmt: skip
case("registry-refuses", p.waiting("ErrImagePull", "rpc error: code = Unknown desc = failed to pull image: unexpected status"
     " from HEAD request to https://1.dkr.ecr.eu-west-1.amazonaws.com/v2/fit/manifests/1: 403 Forbidden"), variant="ecr")  # fmt: skip
case("registry-throttles", p.waiting("ErrImagePull", "pull QPS exceeded"), variant="kubelet",
     source="https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/kubelet/images/helpers.go")  # fmt: skip
case("registry-throttles", p.waiting("ErrImagePull", "GetAuthorizationToken: ThrottlingException: Rate exceeded"),
     variant="ecr", source="https://docs.aws.amazon.com/AmazonECR/latest/userguide/common-errors.html")  # fmt: skip
case("image-of-other-architecture", p.waiting("ErrImagePull", "no matching manifest for linux/arm64/v8 in the manifest list"
     " entries"), variant="docker")  # fmt: skip
case("registry-unreachable", p.waiting("ErrImagePull", "failed to do request: Head \"https://registry.example/v2/fit\": tls:"
     " failed to verify certificate: x509: certificate signed by unknown authority"), variant="certificate")  # fmt: skip
case("node-disk-full", p.waiting("ErrImagePull", "failed to pull and unpack image: failed to extract layer sha256:1: write"
     " /var/lib/containerd/x: no space left on device"))  # fmt: skip
case("image-signature-refused", p.waiting("SignatureValidationFailed", "image signature validation failed: Source image"
     " rejected: A signature was required, but no signature exists"), source=_CRIO)  # fmt: skip
case("image-being-pulled", p.pod(spec={"nodeName": "n1"}, phase="Pending", containerStatuses=[{
    "name": "main", "image": "registry.example/fit:1", "state": {"waiting": {"reason": "ContainerCreating"}}}]),
    events=(p.event("Pulling", 'Pulling image "registry.example/fit:1"', at=p.LATER),))  # fmt: skip
case("wrong-architecture", p.ended(255), log="standard_init_linux.go:228: exec user process caused: exec format error\n",
     variant="docker")  # fmt: skip
case("subpath-missing", p.waiting("CreateContainerConfigError", "failed to prepare subPath for volumeMount \"data\" of"
     ' container "main"'))  # fmt: skip
case("mount-refused", p.waiting("RunContainerError", "failed to create containerd task: OCI runtime create failed: error"
     " mounting \"/v/settings\" to rootfs at \"/app/settings.ini\": not a directory: Are you trying to mount a directory onto"
     " a file (or vice-versa)?"))  # fmt: skip
case("sandbox-not-created", p.pod(spec={"nodeName": "n1"}, phase="Pending"), events=(p.event(
    "FailedCreatePodSandBox", 'Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for'
    ' sandbox "1": plugin type="calico" failed (add): error getting ClusterInformation: connection is unauthorized'),),
    variant="calico")  # fmt: skip
case("volume-in-use", p.pod(spec={"nodeName": "n1"}, phase="Pending"), events=(p.event(
    "FailedAttachVolume", 'Multi-Attach error for volume "pvc-1" Volume is already exclusively attached to one node and can\'t'
    " be attached to another"),), variant="other-node",
    source="https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/controller/volume/attachdetach/reconciler/reconciler.go")  # fmt: skip
# Nodes, clouds and cards ---------------------------------------------------------------------------
_NODE_GONE = p.condition(
    "DisruptionTarget", "True", "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint"
)
_POD_GC = p.condition("DisruptionTarget", "True", "DeletionByPodGC", "PodGC: node no longer exists")
case("spot-reclaimed", p.pod(spec={"nodeName": "n1"}, phase="Failed", conditions=[_NODE_GONE]),
     p.node("n1", {"karpenter.sh/capacity-type": "spot"}))  # fmt: skip
case("spot-reclaimed", p.pod(spec={"nodeName": "n1"}, phase="Failed", conditions=[p.condition(
    "DisruptionTarget", "True", "EvictionByEvictionAPI", "Eviction API: evicting")]), p.node("n1"),
    events=(p.event("SpotInterrupted", "Spot interruption warning was triggered", kind="Node", name="n1", space=""),),
    variant="karpenter", source="https://github.com/aws/karpenter-provider-aws/blob/main/pkg/controllers/interruption/events/events.go")  # fmt: skip
case("spot-reclaimed", p.failed("Terminated", "Pod was terminated in response to imminent node shutdown."),
     p.node("n1", {"cloud.google.com/gke-spot": "true"}), variant="gke")  # fmt: skip
case("removed-with-its-node", p.failed("", conditions=[_POD_GC]))
case("evicted-by-node", p.failed("Evicted", "Pod was rejected: the node had condition: [PIDPressure]."))
case("node-lost", p.failed("NodeLost", "Node n1 which was running pod p is unresponsive"), variant="old")
case("node-lacks-disk", p.failed("Evicted", "The node was low on resource: ephemeral-storage. Threshold quantity: 2Gi, available:"
     " 1Gi. Container main was using 3Gi, request is 0, has larger consumption of ephemeral-storage."))  # fmt: skip
case("device-refused", p.failed("OutOfnvidia.com/gpu", "Pod was rejected: Node didn't have enough resource: nvidia.com/gpu,"
     " requested: 1, used: 8, capacity: 8"), variant="gpu")  # fmt: skip
case("device-refused", p.failed("TopologyAffinityError", "Pod was rejected: Resources cannot be allocated with Topology"
     " locality"), variant="topology")  # fmt: skip
_XID = "https://docs.nvidia.com/deploy/xid-errors/"
case("gpu-broken", p.ended(1), log="NVRM: Xid (PCI:0000:06:00): 79, pid=7, GPU has fallen off the bus.\nRuntimeError: CUDA"
     " error: unknown error\n", source=_XID)  # fmt: skip
case("gpu-broken", p.ended(1), p.node("n1", conditions=[p.condition("GpuXidError", "True", "XidError", "Xid 48 on GPU 3")]),
     log="RuntimeError: CUDA error: unspecified error\n", source=_XID, variant="condition")  # fmt: skip
case(
    "gpu-broken",
    p.ended(1),
    log="RuntimeError: CUDA error: uncorrectable ECC error encountered\n",
    source=_XID,
    variant="ecc",
)
case(
    "gpu-program-fault",
    p.ended(1),
    log="RuntimeError: CUDA error: an illegal memory access was encountered\n",
    source=_XID,
)
case("gpu-program-fault", p.ended(1), log="../aten/src/ATen/native/cuda/Loss.cu:250: Assertion `t >= 0` failed.\nRuntimeError:"
     " CUDA error: device-side assert triggered\n", variant="assert")  # fmt: skip
case("gpu-not-there", p.ended(1), log="RuntimeError: No CUDA GPUs are available\n")
case("gpu-not-there", p.ended(1), log="AssertionError: Torch not compiled with CUDA enabled\n", variant="build")
case("driver-too-old", p.waiting("RunContainerError", "nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.4,"
     " please update your driver to a newer version"), variant="runtime")  # fmt: skip
case("gpu-out-of-memory", p.ended(1), log="jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying"
     " to allocate 17179869184 bytes.\n", variant="jax")  # fmt: skip
case("shared-memory-too-small", p.ended(1), log="RuntimeError: DataLoader worker (pid 31) is killed by signal: Bus error. It is"
     " possible that dataloader's workers are out of shared memory.\n", variant="loader")  # fmt: skip
case(
    "out-of-memory-of-child",
    p.ended(1),
    log="RuntimeError: DataLoader worker (pid 4242) is killed by signal: Killed.\n",
)
case("out-of-memory-of-child", p.ended(1), log="concurrent.futures.process.BrokenProcessPool: A process in the process pool was"
     " terminated abruptly\n", variant="pool")  # fmt: skip
case("disk-full", p.ended(1), log="OSError: [Errno 28] No space left on device: '/data/out.parquet'\n")
case(
    "memory-error",
    p.ended(1),
    log="numpy.core._exceptions._ArrayMemoryError: Unable to allocate 74.5 GiB for an array\n",
)
case("import-failed", p.ended(1), log="ImportError: libGL.so.1: cannot open shared object file: No such file or directory\n",
     variant="shared")  # fmt: skip
case("data-refused", p.ended(1), log="FileNotFoundError: 404 Not Found: s3://bucket/data.csv\nNoSuchKey: The specified key does"
     " not exist.\n", variant="absent")  # fmt: skip
case(
    "name-not-resolved",
    p.ended(1),
    log="dial tcp: lookup minio.store.svc on 10.96.0.10:53: no such host\n",
    variant="go",
)
case("service-unreachable", p.ended(1), log="psycopg2.OperationalError: connection to server at \"db\" (10.0.0.3), port 5432"
     " failed: Connection refused\n", variant="database")  # fmt: skip
_SHUT = p.thing("NetworkPolicy", "deny-all", spec={"podSelector": {}, "policyTypes": ["Ingress"]})
case("network-policy-blocks", p.ended(1), _SHUT, log="torch.distributed.DistNetworkError: The client socket has timed out after"
     " 60000ms while trying to connect to (fit-0.fit, 29500).\n")  # fmt: skip
case("rendezvous-failed", p.ended(1), log="torch.distributed.DistNetworkError: The client socket has timed out after 60000ms"
     " while trying to connect to (fit-0.fit, 29500).\n")  # fmt: skip
# Queues --------------------------------------------------------------------------------------------
_KUEUE = "https://github.com/kubernetes-sigs/kueue/blob/v0.19.2/pkg"
case("waits-for-preempted", p.workload("couldn't assign flavors to pod set main: insufficient unused quota for cpu in flavor d,"
     " 1 more needed. Pending the preemption of 2 workload(s)"), source=f"{_KUEUE}/scheduler/scheduler.go")  # fmt: skip
case("waits-for-pods-ready", p.workload("waiting for all admitted workloads to be in PodsReady condition", "Waiting"),
     source=f"{_KUEUE}/scheduler/scheduler.go")  # fmt: skip
case("pods-not-ready-in-time", p.thing("Workload", "w", status={"conditions": [
    p.condition("Evicted", "True", "PodsReadyTimeout", "Exceeded the PodsReady timeout team/w"),
    p.condition("QuotaReserved", "False", "Pending", "Exceeded the PodsReady timeout team/w")]}))  # fmt: skip
case("admission-check-refused", p.thing("Workload", "w", status={"admissionChecks": [
    {"name": "capacity", "state": "Retry", "message": "Retrying after failure: the zone has no such machines left"}],
    "conditions": [p.condition("QuotaReserved", "True", "QuotaReserved", "Quota reserved in ClusterQueue gpu")]}),
    source=f"{_KUEUE}/controller/admissionchecks/provisioning/controller.go")  # fmt: skip
case("quota-never-enough", p.workload("couldn't assign flavors to pod set main: insufficient quota for nvidia.com/gpu in flavor"
     " a100, request > maximum capacity (8 > 4)", "ExceedsMaxQuota"), variant="reason")  # fmt: skip
case("topology-unfit", p.workload('couldn\'t assign flavors to pod set main: topology "default" doesn\'t allow to fit any of 4'
     " pod(s)", "TopologyPlacementFailed"), variant="none", source=f"{_KUEUE}/cache/scheduler/tas_flavor_snapshot.go")  # fmt: skip
# What controllers are refused, and what serves -----------------------------------------------------
said(
    "object-too-large",
    "rpc error: code = ResourceExhausted desc = trying to send message larger than max (2124221 vs. 2097152)",
)
said("object-too-large", "Request entity too large: limit is 3145728")
said(
    "namespace-terminating", f"{CREATING}unable to create new content in namespace team because it is being terminated"
)
said("priority-class-missing", f"{CREATING}no PriorityClass with name high was found")
said("webhook-denied", 'admission webhook "validation.gatekeeper.sh" denied the request: [require-team] you must provide labels:'
     ' {"team"}')  # fmt: skip
case("object-too-large", {**p.thing("Workflow", "w", status={"phase": "Error", "message": "workflow is longer than maximum allowed"
     " size. compressed size 1050000 > maxSize 1048576"}), "apiVersion": "argoproj.io/v1alpha1"}, variant="workflow",
     source="https://github.com/argoproj/argo-workflows/blob/v3.7.18/workflow/packer/packer.go")  # fmt: skip
case("model-not-loaded", p.thing("InferenceService", "i", status={"modelStatus": {"lastFailureInfo": {
    "reason": "ModelLoadFailed", "message": "Failed to load model: s3://models/a: NoSuchKey"}, "transitionStatus": "BlockedByFailedLoad"},
    "conditions": [p.condition("PredictorReady", "False", "PredictorConfigurationReady not ready"), p.condition("Ready", "False")]}),
    source="https://github.com/kserve/kserve/blob/master/pkg/apis/serving/v1beta1/inference_service_status.go")  # fmt: skip
case("serving-not-ready", p.thing("InferenceService", "i", status={"conditions": [p.condition(
    "PredictorReady", "False", "RevisionFailed", 'Revision "i-predictor-00001" failed with message: Initial scale was never'
    " achieved."), p.condition("Ready", "False", "PredictorNotReady", "x")]}),
    source="https://github.com/knative/serving/blob/main/pkg/apis/serving/v1/revision_lifecycle.go")  # fmt: skip
case("workflows-too-many", p.thing("Workflow", "w", status={"phase": "Pending", "message": "Workflow processing has been postponed"
     " because too many workflows are already running"}),
     source="https://github.com/argoproj/argo-workflows/blob/v3.7.18/workflow/controller/controller.go")  # fmt: skip
case("waits-for-lock", p.thing("Workflow", "w", status={"phase": "Pending", "message": "Waiting for team/ConfigMap/locks/fit lock."
     " Lock status: 0/1"}), source="https://github.com/argoproj/argo-workflows/blob/v3.7.18/workflow/sync/semaphore.go")  # fmt: skip
case("waits-for-approval", p.thing("Workflow", "w", status={"phase": "Running", "nodes": {"w-1": {
    "type": "Suspend", "phase": "Running", "displayName": "approve", "startedAt": p.BEGUN}}}))  # fmt: skip
case("out-of-memory", p.thing("Workflow", "w", status={"phase": "Failed", "message": "child 'w-1' failed", "nodes": {"w-1": {
    "type": "Pod", "phase": "Failed", "displayName": "fit", "message": "OOMKilled (exit code 137)", "finishedAt": p.BEGUN}}}),
    variant="workflow-without-pods")  # fmt: skip
case("output-missing", p.thing("Workflow", "w", status={"phase": "Error", "nodes": {"w-1": {
    "type": "Pod", "phase": "Error", "displayName": "fit", "message": "Error (exit code 2): failed to save outputs: stat"
    " /tmp/model.pkl: no such file or directory", "finishedAt": p.BEGUN}}}), variant="without-pods")  # fmt: skip
case("schedule-missed", p.thing("CronJob", "c", spec={"schedule": "* * * * *"}), events=(p.event(
    "MissSchedule", "Missed scheduled time to start a job: Fri, 20 Nov 2026 10:00:00 UTC", kind="CronJob", name="c"),),
    source="https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/controller/cronjob/cronjob_controllerv2.go")  # fmt: skip
case("earlier-run-goes-on", p.thing("CronJob", "c", spec={"schedule": "* * * * *"}), events=(p.event(
    "JobAlreadyActive", "Not starting job because prior execution is running and concurrency policy is Forbid", kind="CronJob",
    name="c"),), source="https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/controller/cronjob/cronjob_controllerv2.go")  # fmt: skip
case("queue-does-not-answer", {**p.thing("Job", "j", spec={"suspend": True}, status={"conditions": [
    p.condition("Suspended", "True", "JobSuspended", "Job suspended")]}), "metadata": {
        "name": "j", "namespace": p.NAMESPACE, "uid": "j", "labels": {"kueue.x-k8s.io/queue-name": "gpu"}}})  # fmt: skip
case("stuck-terminating", {**p.pod(spec={"nodeName": "n1"}, phase="Running"), "metadata": {
    "name": "p", "namespace": p.NAMESPACE, "deletionTimestamp": "2026-11-20T09:00:00Z", "deletionGracePeriodSeconds": 30}},
    variant="node-gone")  # fmt: skip
case("preempted-by-priority", p.pod(spec={"nodeName": "n1"}, phase="Failed", reason="Preempting", message="Preempted in order to"
     " admit critical pod"), variant="by-kubelet",
     source="https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/kubelet/preemption/preemption.go")  # fmt: skip
# What is worked out --------------------------------------------------------------------------------
_HALF = p.node("n1", **{"nvidia.com/gpu": "6"})
_HALF["status"]["capacity"] = {"nvidia.com/gpu": "8"}
case("devices-unwell", p.unplaced("0/1 nodes are available: 1 Insufficient nvidia.com/gpu.", **GPU), _HALF)
case("restarted-though-done", p.pod(spec={"nodeName": "n1"}, phase="Running", containerStatuses=[{
    "name": "main", "image": "i", "restartCount": 4, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
    "lastState": {"terminated": {"exitCode": 0, "reason": "Completed", "finishedAt": p.BEGUN}}}]))  # fmt: skip
case("sidecar-goes-on", p.pod(owner="j", spec={"nodeName": "n1"}, phase="Running", containerStatuses=[
    {"name": "main", "state": {"terminated": {"exitCode": 0, "reason": "Completed", "finishedAt": p.BEGUN}}},
    {"name": "istio-proxy", "state": {"running": {"startedAt": p.BEGUN}}}]))  # fmt: skip
_MUTE = p.thing("NetworkPolicy", "inside-only", spec={
    "podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [{"podSelector": {}}]}]})  # fmt: skip
case("network-policy-blocks", p.ended(1), _MUTE, variant="dns",
     log="socket.gaierror: [Errno -3] Temporary failure in name resolution\n")  # fmt: skip
_DOWN = p.node(
    "n1", conditions=[p.condition("Ready", "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")]
)
case(
    "node-lost",
    p.pod(spec={"nodeName": "n1"}, phase="Running", conditions=[p.condition("Ready", "False")]),
    _DOWN,
    variant="down",
)
case("gpu-broken", p.ended(1), p.node("n1"), events=(p.event("XIDError", "NVRM: Xid (PCI:0000:b1:00): 94, Contained ECC error",
     kind="Node", name="n1", space=""),), log="RuntimeError: CUDA error: unspecified\n", variant="event")  # fmt: skip
case("model-not-loaded", p.pod(spec={"nodeName": "n1"}, phase="Pending", initContainerStatuses=[{
    "name": "storage-initializer", "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
    "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": p.BEGUN, "message": "403 Forbidden"}}}]),
    variant="initializer",
    source="https://github.com/kserve/kserve/blob/master/pkg/webhook/admission/pod/storage_initializer_injector.go")  # fmt: skip
case("exception", p.ended(1, message=TRACEBACK), variant="message-alone")
case("exit-code", p.ended(42), variant="42")
case("step-deadline", p.thing("Workflow", "w", status={"phase": "Failed", "nodes": {"w-1": {
    "type": "Pod", "phase": "Failed", "displayName": "fit", "message": "Step exceeded its deadline", "finishedAt": p.BEGUN}}}),
    source="https://github.com/argoproj/argo-workflows/blob/v3.7.18/workflow/controller/exec_control.go")  # fmt: skip
case("step-deadline", p.thing("Workflow", "w", status={"phase": "Failed", "message": "Max duration limit exceeded"}),
     variant="retries")  # fmt: skip
# Gangs ---------------------------------------------------------------------------------------------
_RANKS = [p.rank(number) for number in range(4)]
_ABSENT = {"waiting": {"reason": "ErrImagePull", "message": "manifest unknown: manifest unknown"}}
_CREATING = {"waiting": {"reason": "ContainerCreating"}}
_PROGRESS = "https://docs.pytorch.org/docs/stable/elastic/train_script.html"
_ON = p.steps(200, 300)
_LATE = {**{f"fit-{number}": _ON for number in range(4)}, "fit-2": p.steps(150, 220, until="2026-11-20T10:16:40Z")}
case("straggler", p.gang(), *_RANKS, logs=_LATE, source=_PROGRESS)
case("straggler", _RANKS[0], p.gang(), *_RANKS[1:], logs=_LATE, source=_PROGRESS, variant="asked-of-another-rank")
case("straggler", p.gang("TrainJob", "t"), p.gang("JobSet", "s", owner="t"), p.gang(owner="s"), *_RANKS, variant="stands",
     logs={**_LATE, "fit-2": p.steps(20, 60, until="2026-11-20T10:05:00Z")}, source=_PROGRESS)  # fmt: skip
case("straggler", p.gang("PyTorchJob"), *_RANKS, variant="slow",
     logs={**_LATE, "fit-1": p.steps(150, 220, every_s=15), "fit-2": _ON}, source=_PROGRESS)  # fmt: skip
_STILL = p.steps(200, 300, until="2026-11-20T10:02:00Z")
case("hang", p.gang(), *_RANKS, logs={f"fit-{number}": _STILL for number in range(4)}, source=_PROGRESS)
case("hang", p.gang("MPIJob"), *_RANKS, logs={"fit-0": _STILL, "fit-1": "2026-11-20T10:00:01Z ready\n"},
     source=_PROGRESS, variant="one-rank-reports")  # fmt: skip
case("hang", p.gang("JobSet"), *_RANKS, source=_PROGRESS, variant="one-rank-is-behind", logs={
    **{f"fit-{number}": _STILL for number in range(4)}, "fit-3": p.steps(200, 299, until="2026-11-20T10:01:50Z")})  # fmt: skip
case("image-not-found", p.gang(), *_RANKS[:3], p.rank(3, state=_ABSENT), variant="of-one-rank")
case("image-not-found", _RANKS[0], p.gang("PyTorchJob"), _RANKS[1], p.rank(3, state=_ABSENT), variant="of-another-rank")
case("insufficient-resources", _RANKS[1], p.gang("MPIJob"), p.unplaced(
    "0/4 nodes are available: 4 Insufficient nvidia.com/gpu.", owner="j"), variant="of-another-rank")  # fmt: skip
case("init-failed", p.gang("RayJob", "r"), p.thing("RayCluster", "c", owner="r"), p.rank(0, owner="c"), p.pod(
    owner="c", spec={"nodeName": "n1"}, phase="Pending", initContainerStatuses=[{
        "name": "wait-gcs-ready", "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
        "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": p.BEGUN}}}]), variant="of-one-rank",
    source="https://github.com/ray-project/kuberay/blob/v1.4.2/ray-operator/controllers/ray/common/pod.go")  # fmt: skip
case("exception", _RANKS[0], p.gang(), p.pod(owner="j", spec={"nodeName": "n1"}, phase="Running", containerStatuses=[{
    "name": "main", "image": "i", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": p.BEGUN, "message": TRACEBACK}}}]),
    variant="of-another-rank")  # fmt: skip
case("waits-for-ranks", p.gang(), *_RANKS[:3], p.rank(3, state=_CREATING),
     source="https://docs.pytorch.org/docs/stable/elastic/rendezvous.html")  # fmt: skip
# Evictions -----------------------------------------------------------------------------------------
_POLICY = "https://github.com/kubernetes/kubernetes/blob/v1.34.4/staging/src/k8s.io/api/policy/v1/types.go"
case("eviction-refused", p.budget(expected=3, healthy=3, desired=3), source=_POLICY, variant="never")
case("eviction-refused", p.budget(expected=3, healthy=2, desired=2), source=_POLICY, variant="for-now")
case("eviction-refused", p.budget(expected=0, healthy=0, desired=0, reason="SyncFailed", message="found no controllers"
     ' for pod "fit-0"'), source="https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/controller/disruption/"
     "disruption.go", variant="uncounted")  # fmt: skip
