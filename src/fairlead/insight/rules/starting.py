"""Pods that have a node, and whose containers do not begin: images, volumes, configuration, sandboxes, commands."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fairlead.insight.findings import Layer
from fairlead.insight.seeing import Seen, Sign
from fairlead.insight.signs import ended, event, fails, has, logs, rule, step, waits
from fairlead.snapshots.snapshot import INITS, Snapshot, Thing, begun_of

_DOCS = "https://kubernetes.io/docs"
_IMAGES = f"{_DOCS}/concepts/containers/images/"
_PULL = "ErrImagePull|ImagePullBackOff"
_IMAGED = ("Pod", "TaskRun", "Workflow")
_ABSENT = (
    r"(?<!host )(?<!hostname )\bnot found|manifest unknown|name unknown|MANIFEST_UNKNOWN|NAME_UNKNOWN|"
    r"reading manifest .* unknown|unexpected status.*: 404|no such image"
)
_HALF_UPDATED = "driver/library version mismatch"
_CREATE = "CreateContainerError|RunContainerError|ContainerCannotRun|StartError"


def _unloaded(pod: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a server of a model whose init container, which is to fetch that, has failed."""
    for seen in ended(lists=(INITS,)).find(pod, snapshot):
        if seen.part in ("storage-initializer", "model-initializer"):
            yield seen


def _unpulled(message: str) -> tuple[Sign, ...]:
    """What an image that can't be pulled shows itself in: a container, or what is above it and repeats its words."""
    above = has("Succeeded", "False", "TaskRunImagePullFailed", message), step(f"^({_PULL}).*?({message})")

    def named(sign: Sign) -> Sign:
        def find(thing: Thing, snapshot: Snapshot) -> Iterator[Seen]:
            for seen in sign.find(thing, snapshot):
                image = re.search(r"image \"([^\"]+)\"", seen.words["said"])
                yield seen._replace(words={**seen.words, "image": image[1] if image else ""})

        return sign._replace(find=find)

    return waits(_PULL, message), *map(named, above)


def _pulling(pod: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a pod of which the last that was said is that an image is being pulled."""
    events = snapshot.events_of(pod)
    waits_for_it = any(
        each.text("state.waiting.reason") in ("ContainerCreating", "PodInitializing") for each in pod.containers
    )
    if events and waits_for_it and events[-1].text("reason") == "Pulling":
        yield Seen(events[-1].cite("message", "note", "reason"), {}, begun_of(events[-1]))


def _initializing(pod: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a pod one of whose init containers runs, of those that are to end before the others begin."""
    going = [each for each in pod.each(INITS) if each.text("state.running.startedAt")]
    if pod.text("status.phase") == "Pending" and going and not going[0].part("started").value:
        since = going[0].text("state.running.startedAt")
        words = {"container": going[0].text("name"), "since": since}
        yield Seen(going[0].cite("name", "state.running.startedAt"), words, since, going[0].text("name"))


def _foreign(pod: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a container that ends at once on a node of another architecture than its pod is written for."""
    node = snapshot.find("Node", pod.text("spec.nodeName"))
    arch = node.text("status.nodeInfo.architecture") or node.text("metadata.labels.kubernetes.io/arch") if node else ""
    known = {"amd64": ("amd64", "x86_64", "x86-64"), "arm64": ("arm64", "aarch64")}
    for container, state, code, _ in pod.ends:
        image = container.text("image").lower()
        others = [other for other, words in known.items() if other != arch for word in words if word in image]
        if (
            node
            and arch in known
            and others
            and code in (1, 126, 255)
            and not any(each in image for each in known[arch])
        ):
            words = {"container": container.text("name"), "said": f"{image} on a node with {arch}"}
            evidence = (*container.cite("image"), *node.cite("status.nodeInfo.architecture"), *state.cite("exitCode"))
            yield Seen(evidence, words, state.text("finishedAt"), container.text("name"), container.path)


RULES = (
    # Images ------------------------------------------------------------------------------------
    rule(
        "node-disk-full",
        Layer.IMAGE,
        waits(f"{_PULL}|{_CREATE}|CreateContainerConfigError", r"no space left on device|disk quota exceeded"),
        event("FailedCreatePodSandBox|Failed.*", r"no space left on device", before_start=True),
        message="the disk of its node is full: {said}",
        remedy="free the node of images and logs, or have it replaced; kubectl describe node shows DiskPressure",
        source=f"{_DOCS}/concepts/scheduling-eviction/node-pressure-eviction/",
    ),
    rule(
        "registry-throttles",
        Layer.IMAGE,
        waits(_PULL, r"toomanyrequests|\b429\b|rate limit|Rate exceeded|ThrottlingException|pull QPS exceeded"),
        message="the registry lets nobody here pull {image} for now: {said}",
        remedy="pull through a mirror, or log in: name a Secret with the registry's credentials in imagePullSecrets",
        source=_IMAGES,
    ),
    rule(
        "image-of-other-architecture",
        Layer.IMAGE,
        waits(
            _PULL,
            r"no match(ing manifest)? for platform|no matching manifest|no image found .* for architecture|"
            r"does not match the specified platform",
        ),
        message="{image} is not there for the machine of this node: {said}",
        remedy="build it for the node's architecture, or choose nodes by kubernetes.io/arch",
        source=_IMAGES,
    ),
    rule(
        "image-not-found",
        Layer.IMAGE,
        *_unpulled(_ABSENT),
        message="there is no image {image}: {said}",
        remedy="correct the image's name or tag, or push it: {image}",
        source=_IMAGES,
        kinds=_IMAGED,
    ),
    rule(
        "registry-refuses",
        Layer.IMAGE,
        *_unpulled(r"unauthorized|denied|forbidden|\b40[13]\b|authentication required|basic auth"),
        message="the registry does not give {image} to this node, or has no such repository: {said}",
        remedy="name a Secret with the registry's credentials in imagePullSecrets, and check the repository's name",
        source=f"{_DOCS}/tasks/configure-pod-container/pull-image-private-registry/",
        kinds=_IMAGED,
    ),
    rule(
        "registry-unreachable",
        Layer.IMAGE,
        *_unpulled(
            r"no such host|timeout|timed out|refused|dial tcp|TLS|x509|deadline exceeded|unreachable|EOF|"
            r"connection reset|unexpected status.*: 50\d|server gave HTTP response|certificate",
        ),
        waits("RegistryUnavailable"),
        message="the node does not reach the registry of {image}: {said}",
        remedy="check from a node that its name resolves and that it answers: proxy, firewall, certificate",
        source=_IMAGES,
        kinds=_IMAGED,
    ),
    rule(
        "image-invalid",
        Layer.IMAGE,
        waits("InvalidImageName"),
        message="{image} is no name of an image: {said}",
        remedy="write REGISTRY/REPOSITORY:TAG or REPOSITORY@sha256:DIGEST, in small letters",
        source=_IMAGES,
    ),
    rule(
        "image-never-pulled",
        Layer.IMAGE,
        waits("ErrImageNeverPull"),
        message="{image} is not on the node, and imagePullPolicy Never forbids to pull it",
        remedy="set imagePullPolicy: IfNotPresent, or load the image onto the node",
        source=_IMAGES,
    ),
    rule(
        "image-signature-refused",
        Layer.IMAGE,
        waits("SignatureValidationFailed"),
        message="the node does not trust {image}: {said}",
        remedy="sign the image as the policy of the nodes asks, or take one that is signed",
        source=_IMAGES,
    ),
    rule(
        "image-not-pulled",
        Layer.IMAGE,
        *_unpulled(""),
        message="its image {image} can't be pulled: {said}",
        remedy="kubectl describe pod {name} -n {namespace} shows every try",
        source=_IMAGES,
        confidence=0.6,
        kinds=_IMAGED,
    ),
    rule(
        "init-goes-on",
        Layer.INIT,
        Sign("placed", _initializing),
        message="its init container {container} has not ended, which began {since}",
        remedy="wait, or see what it does: kubectl logs {name} -c {container} -n {namespace}",
        source=f"{_DOCS}/concepts/workloads/pods/init-containers/",
        confidence=0.6,
        is_consequence=True,  # it may wait for what others lack
    ),
    rule(
        "image-being-pulled",
        Layer.IMAGE,
        Sign("event", _pulling),
        message="its image is being pulled: {said}",
        remedy="wait; a smaller image, or one that the nodes have already, begins sooner",
        source=_IMAGES,
        confidence=0.6,
    ),
    # Configuration, devices and commands ---------------------------------------------------------
    rule(
        "config-missing",
        Layer.START,
        waits(
            "CreateContainerConfigError",
            r"(?P<kind>secret|configmap) \"(?P<what>[^\"]+)\" not found|"
            r"couldn't find key (?P<key>\S+) in (?P<of>\S+ \S+)",
        ),
        waits(
            "CreateContainerConfigError",
            r"(?P<kind>secret|configmap)s? \"?(?P<what>[^\" ]+)\"? (not found|is forbidden)",
        ),
        message="container {container} needs what is not there: {said}",
        remedy="create what it names in the namespace {namespace}: {kind} {what}{key} {of}",
        source=f"{_DOCS}/concepts/configuration/secret/",
    ),
    rule(
        "user-is-root",
        Layer.START,
        waits("CreateContainerConfigError", r"runAsNonRoot|non-numeric user|non-root policy|run as root"),
        message="container {container} must not run as root, and its image does: {said}",
        remedy="set runAsUser to a number above 0, or build the image with USER and a number",
        source=f"{_DOCS}/tasks/configure-pod-container/security-context/",
    ),
    rule(
        "wrong-architecture",
        Layer.START,
        logs(r"exec format error|cannot execute binary file|Bad CPU type in executable|rosetta error"),
        waits(_CREATE, r"exec format error"),
        ended("", r"exec format error"),
        Sign("ended", _foreign),
        message="the program of container {container} is built for another kind of machine: {said}",
        remedy="build the image for the node's architecture, or choose nodes by kubernetes.io/arch",
        source=f"{_DOCS}/reference/labels-annotations-taints/#kubernetes-io-arch",
    ),
    rule(
        "subpath-missing",
        Layer.VOLUME,
        waits(f"CreateContainerConfigError|{_CREATE}", r"sub[- ]?path"),
        message="a subPath of its volume can't be made or is not there: {said}",
        remedy="create that folder in the volume, or correct subPath",
        source=f"{_DOCS}/concepts/storage/volumes/#using-subpath",
    ),
    rule(
        "mount-refused",
        Layer.VOLUME,
        waits(_CREATE, r"error mounting|not a directory: .*mount|mount .*through procfd|read-only file system"),
        ended("StartError|ContainerCannotRun", r"error mounting|read-only file system"),
        message="a volume can't be put where the container wants it: {said}",
        remedy="correct mountPath: a file can't be mounted over a folder, nor below what is read-only",
        source=f"{_DOCS}/concepts/storage/volumes/",
    ),
    rule(
        "hook-failed",
        Layer.START,
        event("FailedPostStartHook"),
        waits("PostStartHookError"),
        message="what is to run after the start of container {container} fails: {said}",
        remedy="correct lifecycle.postStart, or do it in the command itself",
        source=f"{_DOCS}/concepts/containers/container-lifecycle-hooks/",
    ),
    rule(
        "driver-half-updated",
        Layer.RUN,
        logs(_HALF_UPDATED),
        waits("CreateContainerError|RunContainerError|CrashLoopBackOff", _HALF_UPDATED),
        ended("", _HALF_UPDATED),
        message="the NVIDIA driver of its node was updated, and the module in its kernel is still the old one: {said}",
        remedy="drain the node and reboot it, or have the module loaded anew; until then choose other nodes",
        source="https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/latest/troubleshooting.html",
    ),
    rule(
        "driver-too-old",
        Layer.RUN,
        logs(
            r"CUDA driver version is insufficient|no kernel image is available|forward compatibility was attempted|"
            r"NVIDIA driver on your system is too old|unsatisfied condition: cuda|"
            r"is not compatible with the current PyTorch installation|CUDA_ERROR_SYSTEM_DRIVER_MISMATCH|"
            r"PTX was compiled with an unsupported toolchain"
        ),
        waits(
            "CreateContainerError|RunContainerError|CrashLoopBackOff",
            r"unsatisfied condition: cuda|nvidia-container-cli: requirement error",
        ),
        ended("", r"unsatisfied condition: cuda|nvidia-container-cli: requirement error"),
        message="the image's CUDA does not go with the node's driver or card: {said}",
        remedy="take an image for the driver's CUDA version, or nodes with a newer driver",
        source="https://docs.nvidia.com/deploy/cuda-compatibility/",
    ),
    rule(
        "command-not-found",
        Layer.START,
        waits(_CREATE, r"executable file not found|no such file or directory|stat .*: no such file"),
        ended("StartError|ContainerCannotRun", r"executable file not found|no such file or directory"),
        ended("", codes=(127,)),
        message="the command of container {container} is not in its image: {said}",
        remedy="correct command and args, or take an image that has the program: {image}",
        source=f"{_DOCS}/tasks/inject-data-application/define-command-argument-container/",
    ),
    rule(
        "command-not-executable",
        Layer.START,
        waits(_CREATE, r"permission denied"),
        ended("StartError|ContainerCannotRun", r"permission denied"),
        ended("", codes=(126,)),
        message="the command of container {container} may not be executed: {said}",
        remedy="chmod +x it in the image, or call it by its interpreter; check runAsUser",
        source=f"{_DOCS}/tasks/inject-data-application/define-command-argument-container/",
    ),
    rule(
        "container-not-created",
        Layer.START,
        waits(f"CreateContainerConfigError|{_CREATE}"),
        ended("StartError|ContainerCannotRun"),
        message="container {container} can't be started: {said}",
        remedy="kubectl describe pod {name} -n {namespace} shows every try",
        source=f"{_DOCS}/tasks/debug/debug-application/debug-pods/",
        confidence=0.6,
    ),
    rule(
        "runtime-handler-missing",
        Layer.START,
        event(
            "FailedCreatePodSandBox|FailedCreatePodContainer|Failed.*",
            r"no runtime for|RuntimeHandler \S+ not supported|"
            r"(failed to find|unknown) runtime handler|unable to get OCI runtime|failed to get sandbox runtime",
        ),
        message="its node does not know the runtime that its RuntimeClass names: {said}",
        remedy="choose nodes that have it (scheduling of the RuntimeClass), or another RuntimeClass",
        source=f"{_DOCS}/concepts/containers/runtime-class/",
    ),
    rule(
        "device-claim-unprepared",
        Layer.START,
        event("FailedPrepareDynamicResources", before_start=True),
        message="the node can't prepare its devices: {said}",
        remedy="look at the pods of the resource driver on this node: kubectl get pods -A -o wide",
        source=f"{_DOCS}/concepts/scheduling-eviction/dynamic-resource-allocation/",
    ),
    rule(
        "sandbox-not-created",
        Layer.START,
        event("FailedCreatePodSandBox|NetworkNotReady", before_start=True),
        message="the node can't make the pod's network: {said}",
        remedy="look at the network plugin on this node: free addresses, and its pods in kube-system",
        source=f"{_DOCS}/concepts/extend-kubernetes/compute-storage-net/network-plugins/",
    ),
    rule(
        "device-refused",
        Layer.START,
        fails(
            "UnexpectedAdmissionError|OutOf.*|NodeAffinity|NodePorts|NodeUnschedulable|.*AffinityError|AdmissionFailed|"
            "PodOSNotSupported|TaintToleration|VolumeAttachmentLimitExceeded|.*Predicate.*|SMTAlignmentError"
        ),
        message="the node refused the pod that the scheduler had sent to it: {said}",
        remedy="have it created again; where that goes on, drain the node and look at its device plugin",
        source=f"{_DOCS}/concepts/extend-kubernetes/compute-storage-net/device-plugins/",
    ),
    # Volumes -------------------------------------------------------------------------------------
    rule(
        "volume-in-use",
        Layer.VOLUME,
        event("FailedAttachVolume", r"Multi-Attach|already (used|exclusively attached)", before_start=True),
        message="its volume is attached to another node: {said}",
        remedy="take a claim with ReadWriteMany, keep the pods on one node, or wait until the other pod is gone",
        source=f"{_DOCS}/concepts/storage/persistent-volumes/#access-modes",
    ),
    rule(
        "mounted-config-missing",
        Layer.VOLUME,
        event("FailedMount", r"(?P<kind>secret|configmap) \"(?P<what>[^\"]+)\" not found", before_start=True),
        event("FailedMount", r"(?P<kind>object) \"[^\"]+\"/\"(?P<what>[^\"]+)\" not registered", before_start=True),
        event(
            "FailedMount",
            r"(?P<kind>(secret|config)) references non-existent (secret|config) key: (?P<what>\S+)",
            before_start=True,
        ),
        event("FailedMount", r"references non-existent (?P<kind>secret|config) key: (?P<what>\S+)", before_start=True),
        message="it mounts what is not there, {kind} {what}: {said}",
        remedy="create {kind} {what} in the namespace {namespace}, or mark the volume optional",
        source=f"{_DOCS}/concepts/storage/volumes/",
    ),
    rule(
        "volume-driver-missing",
        Layer.VOLUME,
        event(
            "FailedMount|FailedAttachVolume",
            r"(not found in the list of registered CSI drivers|"
            r"CSINode .* does not contain driver|no volume plugin matched|not attached .* CSI driver)",
        ),
        message="its node does not have the driver of its volume: {said}",
        remedy="see that the driver's pods run on this node: kubectl get csidrivers,csinodes",
        source=f"{_DOCS}/concepts/storage/volumes/#csi",
    ),
    rule(
        "volume-not-mounted",
        Layer.VOLUME,
        event(
            "FailedMount|FailedAttachVolume|FailedMapVolume|FailedMountOnFilesystemMismatch|VolumeResizeFailed",
            before_start=True,
        ),
        message="a volume can't be mounted: {said}",
        remedy="mend what it says, or look at the CSI driver's pods on the node: kubectl get volumeattachments",
        source=f"{_DOCS}/concepts/storage/volumes/",
        confidence=0.8,
    ),
    # Init containers -----------------------------------------------------------------------------
    rule(
        "init-out-of-memory",
        Layer.INIT,
        ended("OOMKilled", lists=(INITS,)),
        message="init container {container} used more memory than its limit",
        remedy="raise resources.limits.memory of the init container {container}",
        source=f"{_DOCS}/concepts/workloads/pods/init-containers/",
    ),
    rule(
        "model-not-loaded",
        Layer.INIT,
        Sign("ended", _unloaded),
        message="the model could not be fetched: {said}",
        remedy="check storageUri and the credentials of its ServiceAccount: kubectl logs {name} -c {container}",
        source="https://kserve.github.io/website/docs/intro",
    ),
    rule(
        "init-failed",
        Layer.INIT,
        ended(lists=(INITS,)),
        message="init container {container} ended with exit code {code}: {said}",
        remedy="kubectl logs {name} -c {container} -n {namespace} --previous",
        source=f"{_DOCS}/tasks/debug/debug-application/debug-init-containers/",
    ),
)
