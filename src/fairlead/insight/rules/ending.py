"""Pods that ran: what ended them from outside, how their containers ended, and what they said last."""

from __future__ import annotations

from fairlead.insight.findings import Layer
from fairlead.insight.signs import ended, event, fails, has, logs, rule
from fairlead.snapshots.snapshot import MAINS

_DOCS = "https://kubernetes.io/docs"
_DISRUPTIONS = f"{_DOCS}/concepts/workloads/pods/disruptions/"
_TARGET = "DisruptionTarget"

RULES = (
    # Ended from outside --------------------------------------------------------------------------
    rule(
        "preempted-by-priority",
        Layer.RUN,
        has(_TARGET, "True", "PreemptionByScheduler"),
        event("Preempted"),
        message="a pod with a higher priority took its place: {said}",
        remedy="let it be retried from its checkpoint, or give it a higher priority class",
        source=_DISRUPTIONS,
    ),
    rule(
        "quota-taken-back",
        Layer.QUOTA,
        has("TerminationTarget", "True", "WorkloadEvicted.*"),
        message="its queue took the quota back: {said}",
        remedy="let it be retried from its checkpoint; the queue's reclaim and priority rules say who may",
        source="https://kueue.sigs.k8s.io/docs/concepts/preemption/",
    ),
    rule(
        "node-lacks-disk",
        Layer.RUN,
        fails("Evicted", r"ephemeral[- ](local )?storage|disk|imagefs|nodefs|inodes"),
        message="it was evicted for what it wrote to the node's disk: {said}",
        remedy="raise resources.limits.ephemeral-storage, or write to a volume",
        source=f"{_DOCS}/concepts/storage/ephemeral-storage/",
    ),
    rule(
        "volume-too-large",
        Layer.RUN,
        fails("Evicted", r"emptyDir volume .* exceeds"),
        message="it was evicted: {said}",
        remedy="raise the sizeLimit of the emptyDir, or write less to it",
        source=f"{_DOCS}/concepts/storage/volumes/#emptydir",
    ),
    rule(
        "node-lacks-memory",
        Layer.RUN,
        fails("Evicted", r"low on resource: memory|memory"),
        message="the node had too little memory, and it was among those that used more than they had asked for: {said}",
        remedy="ask for the memory that it uses: requests equal to limits",
        source=f"{_DOCS}/concepts/scheduling-eviction/node-pressure-eviction/",
    ),
    rule(
        "node-lost",
        Layer.RUN,
        has(_TARGET, "True", "DeletionByTaintManager"),
        fails("NodeLost|NodeShutdown|Terminated"),
        event("TaintManagerEviction"),
        message="its node went away or was tainted: {said}",
        remedy="let it be retried elsewhere: kubectl get nodes shows what became of the node",
        source=_DISRUPTIONS,
    ),
    rule(
        "evicted-by-request",
        Layer.RUN,
        has(_TARGET, "True", "EvictionByEvictionAPI"),
        message="somebody had it evicted, as a drain of its node does: {said}",
        remedy="let it be retried from its checkpoint; a PodDisruptionBudget holds drains back",
        source=_DISRUPTIONS,
    ),
    rule(
        "evicted-by-node",
        Layer.RUN,
        has(_TARGET, "True", "TerminationByKubelet"),
        fails("Evicted"),
        message="the node evicted it: {said}",
        remedy="let it be retried elsewhere; kubectl describe node shows the pressure",
        source=f"{_DOCS}/concepts/scheduling-eviction/node-pressure-eviction/",
    ),
    rule(
        "removed-with-its-node",
        Layer.RUN,
        has(_TARGET, "True", "DeletionByPodGC"),
        message="it was removed since its node is no more: {said}",
        remedy="let it be retried elsewhere",
        source=_DISRUPTIONS,
    ),
    rule(
        "deadline-of-pod",
        Layer.RUN,
        fails("DeadlineExceeded"),
        message="it ran longer than activeDeadlineSeconds allows: {said}",
        remedy="raise the step's timeout, or have it do less",
        source=f"{_DOCS}/concepts/workloads/controllers/job/#job-termination-and-cleanup",
    ),
    # How containers ended ------------------------------------------------------------------------
    rule(
        "out-of-memory",
        Layer.RUN,
        ended("OOMKilled", lists=(MAINS,)),
        message="container {container} used more memory than its limit",
        remedy="raise the memory of the step, or lower what it holds at once: batch size, workers of loaders",
        source=f"{_DOCS}/tasks/configure-pod-container/assign-memory-resource/",
    ),
    # What it said last ---------------------------------------------------------------------------
    rule(
        "gpu-out-of-memory",
        Layer.CODE,
        logs(r"CUDA out of memory|OutOfMemoryError.*CUDA|HIP out of memory|RESOURCE_EXHAUSTED.*(GPU|memory)"),
        message="the GPU's memory was not enough: {said}",
        remedy="lower the batch size or the precision, accumulate gradients, or ask for a card with more memory",
        source="https://docs.pytorch.org/docs/stable/notes/cuda.html",
    ),
    rule(
        "driver-too-old",
        Layer.RUN,
        logs(r"CUDA driver version is insufficient|no kernel image is available|forward compatibility was attempted"),
        message="the image's CUDA does not go with the node's driver or card: {said}",
        remedy="take an image for the driver's CUDA version, or nodes with a newer driver",
        source="https://docs.nvidia.com/deploy/cuda-compatibility/",
    ),
    rule(
        "shared-memory-too-small",
        Layer.RUN,
        logs(r"bus error.*shared memory|insufficient shared memory|No space left on device.*(/dev/shm|torch_)"),
        ended("", codes=(135,), lists=(MAINS,)),
        message="/dev/shm is too small for what its processes share: {said}",
        remedy="give the step shared memory: @step(shm=...), an emptyDir of medium Memory at /dev/shm",
        source=f"{_DOCS}/concepts/storage/volumes/#emptydir",
    ),
    rule(
        "name-not-resolved",
        Layer.RUN,
        logs(
            r"Temporary failure in name resolution|Name or service not known|could not resolve host|getaddrinfo failed"
        ),
        message="a name could not be resolved: {said}",
        remedy="check the name, its Service, and that NetworkPolicies let pods ask the cluster's DNS (port 53)",
        source=f"{_DOCS}/tasks/administer-cluster/dns-debugging-resolution/",
        confidence=0.8,
    ),
    rule(
        "data-refused",
        Layer.CODE,
        logs(r"AccessDenied|SignatureDoesNotMatch|InvalidAccessKeyId|403 Forbidden|NoSuchBucket|NoSuchKey"),
        message="what it wanted to read or write was refused or is not there: {said}",
        remedy="check the address, and the credentials of the step's ServiceAccount or Secret",
        source="https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html",
        confidence=0.8,
    ),
    rule(
        "rendezvous-failed",
        Layer.RUN,
        logs(
            r"NCCL (timeout|error)|Watchdog caught collective|RendezvousTimeoutError|rendezvous.*time[d ]?-?out|"
            r"Connection reset by peer|Socket Timeout|Gloo.*(timed? ?out|closed)"
        ),
        message="it lost the other ranks, or did not find them: {said}",
        remedy="look at the rank that ended first; else at NetworkPolicies between the ranks and the ports of NCCL",
        source="https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/troubleshooting.html",
        confidence=0.7,
        is_consequence=True,
    ),
    rule(
        "exception",
        Layer.CODE,
        logs(r"^(?P<type>[\w.]*(Error|Exception|Interrupt|Exit))(: (?P<text>.*))?$"),
        message="it raised {said}",
        remedy="fairlead debug goes through the step again with its inputs; the frames are in its log",
        source="https://docs.python.org/3/library/traceback.html",
        kinds=("Pod",),
    ),
    rule(
        "segmentation-fault",
        Layer.CODE,
        ended("", codes=(139, 134, 132, 136), lists=(MAINS,)),
        message="the process of container {container} crashed in native code (exit code {code})",
        remedy="set PYTHONFAULTHANDLER=1 to see where; often two libraries that do not go together",
        source="https://docs.python.org/3/library/faulthandler.html",
    ),
    rule(
        "killed",
        Layer.RUN,
        ended("", codes=(137, 143), lists=(MAINS,)),
        message="container {container} was ended from outside (exit code {code}), and nothing says by whom",
        remedy="look for a child that ran out of memory (dmesg of the node), a deadline, or who deleted the pod",
        source=f"{_DOCS}/concepts/workloads/pods/pod-lifecycle/#pod-termination",
        confidence=0.4,
        is_consequence=True,
    ),
    rule(
        "exit-code",
        Layer.CODE,
        ended(lists=(MAINS,)),
        message="container {container} ended with exit code {code}: {said}",
        remedy="kubectl logs {name} -c {container} -n {namespace}",
        source=f"{_DOCS}/tasks/debug/debug-application/debug-running-pod/",
        confidence=0.6,
    ),
    rule(
        "probe-failed",
        Layer.START,
        event("Unhealthy", r"(?P<probe>Startup|Liveness|Readiness) probe"),
        message="its {probe} probe fails: {said}",
        remedy="give it more time (initialDelaySeconds, failureThreshold), or correct the probe",
        source=f"{_DOCS}/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/",
        confidence=0.7,
    ),
)
