"""Each cause by its own signs: what components say, word for word, and the answer that follows."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.insight.rules import RULES
from fairlead.insight.why import explain
from fairlead.snapshots.snapshot import Snapshot, thing_of
from insight import pictures as p

GPU = {"spec": {"containers": [{"name": "main", "resources": {"limits": {"nvidia.com/gpu": "8"}}}]}}
CREATING = 'pods "fit-x" is forbidden: '
JOB = p.job(active=0)
TRACEBACK = 'Traceback (most recent call last):\n  File "/app/fit.py", line 3, in fit\nValueError: no luck\n'

CASES: dict[str, tuple[Snapshot, dict[str, Any]]] = {}


def case(cause: str, *objects: dict[str, Any], events: tuple[dict[str, Any], ...] = (), log: str = "") -> None:
    """Add a case: what the first object is explained with."""
    name = cause if cause not in CASES else f"{cause}:{len(CASES)}"
    CASES[name] = p.picture(*objects, events=events, log=log), objects[0]


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


@pytest.mark.parametrize("name", CASES)
def test_a_cause_is_known_by_its_signs_and_cites_them(name: str) -> None:
    snapshot, subject = CASES[name]
    found = thing_of(subject)
    assert found is not None
    answer = explain(snapshot, found)
    first = answer.causes[0]
    assert first.id == name.partition(":")[0], [each.id for each in answer.causes]
    assert first.evidence and all(each.value for each in first.evidence)
    assert first.message and first.remedy


def test_every_cause_has_one_layer_and_a_page_to_read() -> None:
    assert len({(rule.id, rule.layer) for rule in RULES}) == len({rule.id for rule in RULES})
    assert all(rule.source.startswith("https://") for rule in RULES)
