"""The same said by other versions and other components; and what may be answered where evidence is missing.

Each wording: what is replaced, by what, and where the words are from.
"""

from __future__ import annotations

_SCHEDULER = "https://github.com/kubernetes/kubernetes/tree/{}/pkg/scheduler/framework/plugins"

WORDINGS: tuple[tuple[str, str, str], ...] = (
    (r"had untolerated taint\(s\)", "had untolerated taint {kwok.x-k8s.io/node: fake}", _SCHEDULER.format("v1.33.0")),
    (r"had untolerated taint \{([^}]*)\}", r"had taint {\1}, that the pod didn't tolerate", _SCHEDULER.format("v1.21.0")),
    (r"didn't match Pod's node affinity/selector", "didn't match node selector", _SCHEDULER.format("v1.18.0")),
    (r"didn't match Pod's node affinity/selector", "didn't match Pod's node affinity", _SCHEDULER.format("v1.20.0")),
    (r" preemption: 0/.*", "", _SCHEDULER.format("v1.23.0")),
    (r"(0/\d+ nodes are available: )pod has unbound", r"\g<1>1 pod has unbound", _SCHEDULER.format("v1.24.0")),
    (r"0/\d+ nodes are available: (persistentvolumeclaim \"[^\"]+\" not found)\..*", r"\1", _SCHEDULER.format("v1.21.0")),
    (r"didn't match pod anti-affinity rules", "didn't satisfy existing pods anti-affinity rules", _SCHEDULER.format("v1.30.0")),
    (r"didn't match pod anti-affinity rules", "didn't match pod affinity/anti-affinity rules", _SCHEDULER.format("v1.19.0")),
    (r"failed to resolve reference \"([^\"]+)\": \S+: not found", r"reading manifest 1 in \1: manifest unknown",
     "https://github.com/containers/image/blob/main/docker/docker_client.go"),
    (r"failed to resolve reference \"([^\"]+)\": \S+: not found",
     r"Error response from daemon: manifest for \1 not found: manifest unknown: manifest unknown",
     "https://github.com/moby/moby/blob/v20.10.0/distribution/errors.go"),
    (r"exec: \"(\w+)\": executable file not found in \$PATH",
     r"executable file `\1` not found in $PATH: No such file or directory",
     "https://github.com/containers/crun/blob/main/src/libcrun/linux.c"),
    (r"(failed to create containerd task: )?(failed to create shim task: )?OCI runtime create failed: runc create failed:",
     "OCI runtime create failed: container_linux.go:380: starting container process caused:",
     "https://github.com/opencontainers/runc/blob/v1.0.0/libcontainer/error.go"),
    (r"container's runAsUser breaks non-root policy", "container has runAsNonRoot and image will run as root",
     "https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/kubelet/kuberuntime/security_context.go"),
    (r"container has runAsNonRoot and image will run as root",
     "container has runAsNonRoot and image has non-numeric user (app), cannot verify user is non-root",
     "https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/kubelet/kuberuntime/security_context.go"),
    (r"The node was low on resource: memory\. .*",
     "The node was low on resource: memory. Container main was using 2Gi, which exceeds its request of 0. ",
     "https://github.com/kubernetes/kubernetes/blob/v1.20.0/pkg/kubelet/eviction/helpers.go"),
    (r"insufficient unused quota for", "insufficient unused quota in cohort for",
     "https://github.com/kubernetes-sigs/kueue/blob/v0.7.0/pkg/scheduler/flavorassigner/flavorassigner.go"),
    (r"insufficient quota for (\S+) in flavor (\S+), previously.*", r"insufficient quota for \1 in flavor \2 in ClusterQueue",
     "https://github.com/kubernetes-sigs/kueue/blob/v0.5.0/pkg/scheduler/flavorassigner/flavorassigner.go"),
    (r"^Usage of EmptyDir volume (\S+) exceeds the limit (\S+)\.", r"Usage of EmptyDir volume \1 exceeds the limit \2.",
     "https://github.com/kubernetes/kubernetes/blob/v1.16.0/pkg/kubelet/eviction/helpers.go"),
    (r"(?m)^(\w+(?:Error|Exception): )", r"[rank3]: \1", "https://docs.pytorch.org/docs/stable/distributed.html"),
    (r"(?m)^(\w+(?:Error|Exception): )", r"2026-11-20T10:00:00.123Z \1", "kubectl logs --timestamps"),
)  # fmt: skip

_IMAGE = ("image-not-pulled",)
_UNSAID = ("unknown",)
BY_EVENTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys((
        "quota-of-namespace", "quota-needs-requests", "limit-range", "pod-security", "webhook-unreachable", "webhook-denied",
        "policy-denied", "service-account-missing", "right-missing", "kind-not-served", "object-too-large", "object-invalid",
        "priority-class-missing", "runtime-class-missing", "namespace-terminating", "sandbox-not-created",
        "runtime-handler-missing", "volume-in-use", "volume-not-mounted", "volume-driver-missing", "mounted-config-missing",
        "device-claim-unprepared", "schedule-missed", "training-runtime-missing", "earlier-run-goes-on", "image-being-pulled",
        "readiness-probe-failed", "security-context-constraints", "volume-ownership-changing", "volume-refused",
        "volume-server-unreachable", "mount-helper-missing", "file-system-damaged", "waits-for-consumer", "schedule-invalid",
    ), _UNSAID),
    **dict.fromkeys((
        "image-not-found", "registry-refuses", "registry-throttles", "registry-unreachable", "image-of-other-architecture",
        "node-disk-full",
    ), _IMAGE),
    **dict.fromkeys(("liveness-probe-failed", "startup-probe-failed"), ("killed", "exit-code", "init-failed", "unknown")),
    **dict.fromkeys(("node-being-added", "node-not-coming", "autoscaler-fits-none"), ("resource-not-offered", "insufficient-resources")),
    "pull-secret-missing": ("registry-refuses",),
    "quota-used-up": _UNSAID,
    "autoscaler-at-limit": ("insufficient-resources", "too-many-pods"),
    "storage-class-missing": ("volume-claim-unbound", "volume-none-fits", "unknown"),
    "provisioning-failed": ("volume-claim-unbound", "unknown"),
    "provisioner-missing": ("volume-claim-unbound", "unknown"),
    "volume-none-fits": _UNSAID,
    "spot-reclaimed": ("evicted-by-request", "node-lost"),
    "gpu-broken": ("exception",),
    "hook-failed": ("unknown", "killed", "exit-code", "container-not-created"),
}  # fmt: skip
"""What else is right where no events are there, by the cause: who says it in events alone can't be heard."""

UNREADABLE_NODES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            "more-than-any-node",
            "gpus-scattered",
            "mig-profile-absent",
            "resource-not-offered",
            "node-being-added",
            "node-not-coming",
        ),
        ("insufficient-resources",),
    ),
    "node-not-ready": ("untolerated-taint", "node-labels-unmatched"),
    "untolerated-taint": ("node-labels-unmatched",),
    "node-cordoned": ("node-labels-unmatched", "untolerated-taint"),
    "spot-reclaimed": ("node-lost", "evicted-by-request"),
    "gpu-broken": ("exception",),
    "devices-unwell": ("insufficient-resources",),
    "node-lost": ("unknown",),
}
"""What else is right where nodes can't be read."""
