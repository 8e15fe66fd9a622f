"""More pictures made by hand: of pods on clusters of clouds and of firms, and of what stands beside them."""

from __future__ import annotations

from typing import Any

from insight import pictures as p
from insight.by_hand import CASES, CREATING, GPU, TRACEBACK, case, said

__all__ = ["CASES"]

_KUBERNETES = "https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg"
_CREATING = p.pod(
    spec={"nodeName": "n1"},
    phase="Pending",
    containerStatuses=[{"name": "main", "image": "i", "state": {"waiting": {"reason": "ContainerCreating"}}}],
)
_NO_GPU = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu. preemption: 0/2 nodes are available: 2 Preemption is not helpful."


def _tainted(name: str, key: str, **allocatable: str) -> dict[str, Any]:
    return {
        **p.node(name, **allocatable),
        "spec": {"taints": [{"key": key, "value": "present", "effect": "NoSchedule"}]},
    }


def _mount(cause: str, message: str, source: str, *, reason: str = "FailedMount") -> None:
    case(cause, _CREATING, events=(p.event(reason, message),), source=source)


# Placement -----------------------------------------------------------------------------------------
_CLUSTER_AUTOSCALER = "https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/processors/status/eventing_scale_up_processor.go"
_KARPENTER = "https://github.com/kubernetes-sigs/karpenter/blob/main/pkg/controllers/provisioning/scheduling/events.go"
case("node-being-added", p.unplaced(_NO_GPU, **GPU), p.node("n1", cpu="8"), source=_CLUSTER_AUTOSCALER, events=(p.event(
    "TriggeredScaleUp", "pod triggered scale-up: [{gpu-pool 0->1 (max: 4)}]", at="2026-11-20T10:25:00Z"),))  # fmt: skip
case("node-being-added", p.unplaced(_NO_GPU, **GPU), p.node("n1", cpu="8"), source=_KARPENTER, variant="karpenter", events=(
    p.event("Nominated", "Pod should schedule on: nodeclaim/gpu-x2k9p", at="2026-11-20T10:25:00Z"),))  # fmt: skip
case("node-not-coming", p.unplaced(_NO_GPU, **GPU), p.node("n1", cpu="8"), source=_CLUSTER_AUTOSCALER, events=(p.event(
    "TriggeredScaleUp", "pod triggered scale-up: [{gpu-pool 0->1 (max: 4)}]"),))  # fmt: skip
case("autoscaler-fits-none", p.unplaced(_NO_GPU, **GPU), p.node("n1", cpu="8"), source=_CLUSTER_AUTOSCALER, events=(p.event(
    "NotTriggerScaleUp", "pod didn't trigger scale-up: 1 Insufficient nvidia.com/gpu, 1 node(s) had untolerated taint"
    " {dedicated: training}"),))  # fmt: skip
case("autoscaler-fits-none", p.unplaced(_NO_GPU, **GPU), p.node("n1", cpu="8"), source=_KARPENTER, variant="karpenter",
     events=(p.event("FailedScheduling", 'Failed to schedule pod, incompatible with nodepool "default", daemonset'
     ' overhead={"cpu":"180m","pods":"5"}, no instance type satisfied resources {"nvidia.com/gpu":"8","pods":"6"} and'
     " requirements kubernetes.io/arch In [amd64] (no instance type has enough resources)"),))  # fmt: skip
case("untolerated-taint", p.unplaced(
    "0/2 nodes are available: 1 Insufficient nvidia.com/gpu, 1 node(s) had untolerated taint {nvidia.com/gpu: present}.",
    **GPU), p.node("n1", cpu="8"), _tainted("n2", "nvidia.com/gpu", **{"nvidia.com/gpu": "8", "cpu": "96"}),
    variant="before-devices", source=f"{_KUBERNETES}/scheduler/framework/plugins/tainttoleration/taint_toleration.go")  # fmt: skip
case("waits-for-preempted", p.unplaced("0/2 nodes are available: 2 Insufficient cpu.", nominatedNodeName="n1"),
     variant="by-the-scheduler", source=f"{_KUBERNETES}/scheduler/framework/preemption/preemption.go")  # fmt: skip
case("volume-claim-taken", p.unplaced(
    "0/3 nodes are available: 1 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access"
    " mode, 2 node(s) had volume node affinity conflict."), variant="of-a-zone",
    source=f"{_KUBERNETES}/scheduler/framework/plugins/volumerestrictions/volume_restrictions.go")  # fmt: skip
# Images, configuration and commands ----------------------------------------------------------------
case("pull-secret-missing", p.waiting("ImagePullBackOff", 'Back-off pulling image "registry.example/fit:1": ErrImagePull:'
     " failed to fetch anonymous token: 401 Unauthorized"), events=(p.event("FailedToRetrieveImagePullSecret", "Unable to"
     " retrieve some image pull secrets (regcred); attempting to pull the image may not succeed."),),
     source=f"{_KUBERNETES}/kubelet/kubelet_pods.go")  # fmt: skip
case("image-not-found", p.waiting("ErrImagePull", "registry.example/fit:1: not found"), variant="without-pull-secret",
     events=(p.event("FailedToRetrieveImagePullSecret", "Unable to retrieve some image pull secrets (regcred); attempting"
     " to pull the image may not succeed."),), source=f"{_KUBERNETES}/kubelet/kubelet_pods.go")  # fmt: skip
_RUNC = "https://github.com/opencontainers/runc/blob/main/libcontainer/process_linux.go"
_OCI = "failed to create containerd task: OCI runtime create failed: runc create failed: unable to start container process: "
case("out-of-memory", p.waiting("RunContainerError", f"{_OCI}container init was OOM-killed (memory limit too low?)"),
     variant="at-its-start", source=_RUNC)  # fmt: skip
case("driver-mismatched", p.waiting("RunContainerError", f"{_OCI}error running prestart hook #0: exit status 1, stderr:"
     " nvidia-container-cli: initialization error: nvml error: driver/library version mismatch: unknown"),
     source="https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/troubleshooting.html")  # fmt: skip
case("container-not-created", p.waiting("CreateContainerError", "failed to generate container spec: failed to generate seccomp"
     " spec opts: open /var/lib/kubelet/seccomp/profiles/audit.json: no such file or directory"), variant="seccomp",
     source="https://github.com/containerd/containerd/blob/main/internal/cri/server/container_create_linux.go")  # fmt: skip
case("image-not-pulled", p.waiting("ErrImagePull", "failed to extract layer sha256:88: context deadline exceeded"),
     variant="extracting")  # fmt: skip
case("driver-mismatched", p.ended(1), log="Failed to initialize NVML: Driver/library version mismatch\n")
case("windows-line-ends", p.ended(127), log="/usr/bin/env: 'bash\\r': No such file or directory\n",
     source="https://github.com/coreutils/coreutils/blob/master/src/env.c")  # fmt: skip
case(
    "windows-line-ends",
    p.ended(126),
    log="/bin/sh: ./run.sh: /bin/bash^M: bad interpreter: No such file or directory\n",
)
case("file-system-read-only", p.ended(1), log="OSError: [Errno 30] Read-only file system: '/srv/app/.cache'\n")
case("file-not-permitted", p.ended(1), log="PermissionError: [Errno 13] Permission denied: '/data/checkpoints'\n")
case(
    "file-not-permitted",
    p.ended(1),
    log="mkdir: cannot create directory '/data/out': Permission denied\n",
    variant="shell",
)
case("port-in-use", p.ended(1), log="OSError: [Errno 98] Address already in use\n")
case("too-many-open-files", p.ended(1), log="OSError: [Errno 24] Too many open files: '/data/shard-1023.tar'\n")
case("right-missing", p.ended(1), variant="in-json", log="kubernetes.client.exceptions.ApiException: (403)\n"
     'HTTP response body: {"kind":"Status","message":"pods is forbidden: User \\"system:serviceaccount:team:default\\" cannot'
     ' create resource \\"pods\\" in API group \\"\\" in the namespace \\"team\\"","code":403}\n')  # fmt: skip
said("security-context-constraints", f'{CREATING}unable to validate against any security context constraint: [provider'
     ' restricted-v2: .containers[0].runAsUser: Invalid value: 0: must be in the ranges: [1000680000, 1000689999]]')  # fmt: skip
# Volumes -------------------------------------------------------------------------------------------
_CHOWN = f"{_KUBERNETES}/volume/volume_linux.go"
_mount("volume-ownership-changing", "Setting volume ownership for x/mount and fsGroup set. If the volume has a lot of files then"
       " setting volume ownership could be slow", _CHOWN, reason="VolumePermissionChangeInProgress")  # fmt: skip
_FAILED = 'MountVolume.SetUp failed for volume "data" : mount failed: exit status 32\nOutput: '
_NFS = "https://git.linux-nfs.org/?p=steved/nfs-utils.git;a=blob;f=utils/mount/error.c"
_mount("volume-refused", f"{_FAILED}mount.nfs: access denied by server while mounting 10.0.3.7:/exports", _NFS)
_mount("volume-refused", f"{_FAILED}mount error(13): Permission denied\nRefer to the mount.cifs(8) manual page",
       "https://git.samba.org/?p=cifs-utils.git;a=blob;f=mount.cifs.c")  # fmt: skip
_mount("volume-server-unreachable", f"{_FAILED}mount.nfs: Connection timed out for 10.0.3.7:/exports", _NFS)
_mount("mount-helper-missing", f"{_FAILED}mount: bad option; for several filesystems (e.g. nfs, cifs) you might need a"
       " /sbin/mount.<type> helper program.", "https://github.com/util-linux/util-linux/blob/master/libmount/src/context.c")  # fmt: skip
_mount("file-system-damaged", "MountVolume.MountDevice failed for volume \"data\" : rpc error: code = Internal desc = 'fsck' found"
       " errors on device /dev/x but could not correct them", "https://github.com/kubernetes/mount-utils/blob/master/mount_linux.go")  # fmt: skip
_CLAIM = p.thing("PersistentVolumeClaim", "data", status={"phase": "Pending"})


def _claimed(cause: str, reason: str, message: str, variant: str = "claim") -> None:
    said_of_it = (p.event(reason, message, kind="PersistentVolumeClaim", name="data"),)
    source = f"{_KUBERNETES}/controller/volume/persistentvolume/pv_controller.go"
    case(cause, _CLAIM, events=said_of_it, source=source, variant=variant)


_claimed("waits-for-consumer", "WaitForFirstConsumer", "waiting for first consumer to be created before binding")
_claimed("storage-class-missing", "ProvisioningFailed", 'storageclass.storage.k8s.io "fast" not found')
_claimed("provisioning-failed", "ProvisioningFailed", "rpc error: code = ResourceExhausted desc = QUOTA_EXCEEDED")
_claimed(
    "volume-none-fits", "FailedBinding", "no persistent volumes available for this claim and no storage class is set"
)
_claimed("provisioner-missing", "ExternalProvisioning", "Waiting for a volume to be created either by the external provisioner"
         " 'ebs.csi.aws.com' or manually by the system administrator")  # fmt: skip
case("volume-lost", p.thing("PersistentVolumeClaim", "data", spec={"volumeName": "pvc-1"}, status={"phase": "Lost"}),
     variant="claim")  # fmt: skip
# Ends ----------------------------------------------------------------------------------------------
case("illegal-instruction", p.ended(132))
case("evicted-by-node", p.failed("Evicted", "The node was low on resource: pids. Threshold quantity: 3276, available: 3000."),
     variant="pids", source=f"{_KUBERNETES}/kubelet/eviction/helpers.go")  # fmt: skip
case("failed-by-its-node", p.failed("SysctlForbidden", 'Pod was rejected: forbidden sysctl: "net.core.somaxconn" not'
     " allowlisted"), source=f"{_KUBERNETES}/kubelet/sysctl/allowlist.go")  # fmt: skip
case("spot-reclaimed", p.failed("", conditions=[p.condition("DisruptionTarget", "True", "EvictionByEvictionAPI", "Eviction API:"
     " evicting")]), events=(p.event("Evicted", "Evicted pod: Interruption: SpotInterrupted"),), variant="node-gone",
     source="https://github.com/kubernetes-sigs/karpenter/blob/main/pkg/controllers/node/termination/terminator/events/events.go")  # fmt: skip
_PROBED = p.event("Unhealthy", "Startup probe failed: HTTP probe failed with statuscode: 503", at=p.LATER)
_PROBED["involvedObject"]["fieldPath"] = "spec.initContainers{proxy}"
case("startup-probe-failed", p.pod(spec={"nodeName": "n1"}, phase="Pending", initContainerStatuses=[{
    "name": "proxy", "restartCount": 5, "started": False, "ready": False, "state": {"running": {"startedAt": p.LATER}},
    "lastState": {"terminated": {"exitCode": 143, "reason": "Error", "finishedAt": p.BEGUN}}}]), events=(_PROBED,),
    variant="of-a-sidecar", source=f"{_KUBERNETES}/kubelet/prober/prober.go")  # fmt: skip
case("init-goes-on", p.pod(spec={"nodeName": "n1"}, phase="Pending", initContainerStatuses=[{
    "name": "wait-for-redis", "ready": False, "state": {"running": {"startedAt": p.BEGUN}}}]))  # fmt: skip
case("readiness-gate-unmet", p.pod(spec={"nodeName": "n1"}, phase="Running", conditions=[p.condition(
    "Ready", "False", "ReadinessGatesNotReady", 'the status of pod readiness gate "target-health.elbv2.k8s.aws/api" is not'
    ' "True", but False')]), source=f"{_KUBERNETES}/kubelet/status/generate.go")  # fmt: skip
case("stuck-terminating", {**p.thing("Namespace", "old", status={"conditions": [p.condition(
    "NamespaceContentRemaining", "True", "SomeResourcesRemain", "Some resources are remaining: pods. has 2 resource instances"
    )]}), "metadata": {"name": "old", "uid": "old", "deletionTimestamp": "2026-11-20T09:00:00Z"}}, variant="namespace",
    source=f"{_KUBERNETES}/controller/namespace/deletion/status_condition_utils.go")  # fmt: skip
case("stuck-terminating", {**p.pod(phase="Succeeded", containerStatuses=[{"name": "main", "state": {"terminated": {
    "exitCode": 0}}}]), "metadata": {"name": "p", "namespace": p.NAMESPACE, "deletionTimestamp": "2026-11-20T09:00:00Z",
    "finalizers": ["example.com/cost"]}}, variant="ended-well")  # fmt: skip
# What programs write -------------------------------------------------------------------------------
_WENT_ON = "".join(f"epoch {number} loss {3 - number / 10:.2f}\n" for number in range(1, 9))
case(
    "exit-code",
    p.ended(1),
    log=f"{TRACEBACK}metrics push failed, continuing\n{_WENT_ON}accuracy below 0.9\n",
    variant="caught",
)
case("exception", p.ended(1), variant="after-warnings", log="WARNING:urllib3.connectionpool:Retrying after connection broken by"
     f" 'NewConnectionError: [Errno 111] Connection refused': /api\nINFO CUDA out of memory handler installed\n{TRACEBACK}")  # fmt: skip
case("exception", p.ended(1), variant="after-what-was-caught", log="optional file generation_config.json: 404 Client Error: Not"
     f" Found for url: https://example.com\nsentry: could not resolve host: sentry.example\nready\n{TRACEBACK}")  # fmt: skip
case("out-of-memory-of-child", p.ended(1), variant="ray", log="ray.exceptions.OutOfMemoryError: Task was killed due to the node"
     " running low on memory.\n", source="https://docs.ray.io/en/latest/ray-core/scheduling/ray-oom-prevention.html")  # fmt: skip
_TORCHRUN = "https://github.com/pytorch/pytorch/blob/main/torch/distributed/elastic/multiprocessing/errors/__init__.py"
case("disk-full", p.ended(1), variant="of-torchrun", source=_TORCHRUN, log="[rank0]: OSError: [Errno 28] No space left on device\n"
     "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n")  # fmt: skip
case("out-of-memory-of-child", p.ended(1), variant="of-torchrun", source=_TORCHRUN, log="failed (exitcode: -9) local_rank: 3\n"
     "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n  exitcode  : -9 (pid: 43)\n")  # fmt: skip
case("exception", p.ended(2), variant="go", log="panic: runtime error: index out of range [3] with length 3\n\ngoroutine 1"
     " [running]:\nmain.main()\n\t/src/main.go:21 +0x1d\n")  # fmt: skip
case("killed", p.ended(1), variant="interrupted", log="Traceback (most recent call last):\nKeyboardInterrupt\n")
case("exit-code", p.ended(78), variant="capital-error", log="ERROR: [1] bootstrap checks failed\n")
case("gpu-out-of-memory", p.ended(1), variant="tensorflow", log="tensorflow.python.framework.errors_impl.ResourceExhaustedError:"
     " OOM when allocating tensor with shape[256,64] and type float on /device:GPU:0 by allocator GPU_0_bfc\n")  # fmt: skip
case("exception", p.ended(1), variant="java", log='Exception in thread "main" org.apache.kafka.common.KafkaException: no\n'
     "\tat x.Y(Z.java:8)\nCaused by: java.lang.IllegalStateException: no bootstrap servers\n")  # fmt: skip
case("service-unreachable", p.ended(1), variant="endpoint", log="botocore.exceptions.EndpointConnectionError: Could not connect to"
     ' the endpoint URL: "https://minio.team.svc:9000/data"\n')  # fmt: skip
case("data-refused", p.ended(1), variant="database", log='psycopg2.OperationalError: connection to server at "pg" (10.1.1.1), port'
     ' 5432 failed: FATAL:  password authentication failed for user "ml"\n')  # fmt: skip
# What stands beside pods ---------------------------------------------------------------------------
case("schedule-invalid", p.thing("CronJob", "c", spec={"schedule": "0 25 * * *"}), events=(p.event(
    "UnparseableSchedule", 'unparseable schedule: "0 25 * * *" : end of range (25) above maximum (23)', kind="CronJob", name="c"),),
    source=f"{_KUBERNETES}/controller/cronjob/cronjob_controllerv2.go")  # fmt: skip
case(
    "service-without-pods",
    p.thing("Service", "api", spec={"selector": {"app": "api"}}),
    p.pod("other", phase="Running"),
)
case(
    "node-labels-unmatched",
    p.thing(
        "DaemonSet",
        "d",
        spec={"template": {"spec": {"nodeSelector": {"gpu": "true"}}}},
        status={"desiredNumberScheduled": 0, "numberReady": 0},
    ),
    variant="daemons",
)


def _scales(cause: str, kind: str, status: str, reason: str, message: str) -> None:
    scaler = p.thing(
        "HorizontalPodAutoscaler", "h", status={"conditions": [p.condition(kind, status, reason, message)]}
    )
    case(cause, scaler, source=f"{_KUBERNETES}/controller/podautoscaler/horizontal.go")


_scales(
    "metrics-missing",
    "ScalingActive",
    "False",
    "FailedGetResourceMetric",
    "unable to fetch metrics from resource metrics API",
)
_scales(
    "requests-missing",
    "ScalingActive",
    "False",
    "FailedGetResourceMetric",
    "missing request for cpu in container proxy",
)
_scales(
    "scaling-disabled",
    "ScalingActive",
    "False",
    "ScalingDisabled",
    "scaling is disabled since the replica count is zero",
)
_scales("scale-target-missing", "AbleToScale", "False", "FailedGetScale", 'deployments.apps "web" not found')
_scales(
    "replicas-at-limit",
    "ScalingLimited",
    "True",
    "TooManyReplicas",
    "the desired replica count is more than the maximum",
)
