"""Pods that have a node, and whose containers do not begin: images, volumes, configuration, sandboxes, commands."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fairlead.insight.ends import ends_of
from fairlead.insight.findings import Layer
from fairlead.insight.seeing import Seen, Sign
from fairlead.insight.signs import ended, event, fails, has, logs, rule, step, waits
from fairlead.snapshots.snapshot import INITS, Snapshot, Thing, begun_of, message_of

_DOCS = "https://kubernetes.io/docs"
_IMAGES = f"{_DOCS}/concepts/containers/images/"
_MOUNT = "FailedMount|FailedAttachVolume"
_PULL = "ErrImagePull|ImagePullBackOff"
_IMAGED = ("Pod", "TaskRun", "Workflow")
_ABSENT = (
    r"(?<!host )(?<!hostname )\bnot found|manifest unknown|name unknown|MANIFEST_UNKNOWN|NAME_UNKNOWN|"
    r"reading manifest .* unknown|unexpected status.*: 404|no such image"
)
_REFUSED = r"unauthorized|denied|forbidden|\b40[13]\b|authentication required|basic auth"
_MISMATCH = r"Driver/library version mismatch|CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"
_COMMAND_ABSENT = r"executable file.* not found|\b(exec|stat|process)\b:? .*no such file or directory"
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


_IS_REFUSED = waits(_PULL, _REFUSED)


def _keyless(pod: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a container whose image the registry refuses, where a Secret with credentials was named that is not there."""
    for each in snapshot.events_of(pod):
        if each.text("reason") == "FailedToRetrieveImagePullSecret":
            named = re.search(r"pull secrets? \(?(?P<secret>[^);]+)", message_of(each))
            secret = {"secret": named["secret"] if named else ""}
            for seen in _IS_REFUSED.find(pod, snapshot):
                evidence = (*seen.evidence, *each.cite("message", "note", "reason"))
                yield seen._replace(evidence=evidence, words=seen.words | secret)
            return


def _pulling(pod: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a pod of which the last that was said is that an image is being pulled."""
    events = snapshot.events_of(pod)
    waits_for_it = any(
        each.text("state.waiting.reason") in ("ContainerCreating", "PodInitializing") for each in pod.containers
    )
    if events and waits_for_it and events[-1].text("reason") == "Pulling":
        yield Seen(events[-1].cite("message", "note", "reason"), {"said": message_of(events[-1])}, begun_of(events[-1]))


def _foreign(pod: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a container that ends at once on a node of another architecture than its pod is written for."""
    node = snapshot.find("Node", pod.text("spec.nodeName"))
    arch = node.text("status.nodeInfo.architecture") or node.text("metadata.labels.kubernetes.io/arch") if node else ""
    known = {"amd64": ("amd64", "x86_64", "x86-64"), "arm64": ("arm64", "aarch64")}
    for container, state, code, _ in ends_of(pod, snapshot):
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
        "pull-secret-missing",
        Layer.IMAGE,
        Sign("waiting", _keyless),
        message="the registry does not give {image} to this node, and the Secret {secret} of its imagePullSecrets is"
        " not there: {said}",
        remedy="create it: kubectl create secret docker-registry {secret} -n {namespace} --docker-server=…"
        " --docker-username=… --docker-password=…; or name another in imagePullSecrets",
        source=f"{_DOCS}/tasks/configure-pod-container/pull-image-private-registry/",
    ),
    rule(
        "registry-refuses",
        Layer.IMAGE,
        *_unpulled(_REFUSED),
        message="the registry does not give {image} to this node, or has no such repository: {said}",
        remedy="name a Secret with the registry's credentials in imagePullSecrets, and check the repository's name",
        source=f"{_DOCS}/tasks/configure-pod-container/pull-image-private-registry/",
        kinds=_IMAGED,
    ),
    rule(
        "registry-unreachable",
        Layer.IMAGE,
        *_unpulled(
            r"^(?!.*failed to extract layer).*("
            r"no such host|timeout|timed out|refused|dial tcp|TLS|x509|deadline exceeded|unreachable|EOF|"
            r"connection reset|unexpected status.*: 50\d|server gave HTTP response|certificate)",
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
            r"couldn't find (?P<key>key \S+) in (?P<of>\S+ \S+)",
        ),
        waits(
            "CreateContainerConfigError",
            r"(?P<kind>secret|configmap)s? \"?(?P<what>[^\" ]+)\"? (not found|is forbidden)",
        ),
        message="container {container} needs what is not there: {said}",
        remedy="create what it names in the namespace {namespace}: {kind}{of} {what}{key}",
        source=f"{_DOCS}/concepts/configuration/secret/",
    ),
    rule(
        "user-is-root",
        Layer.START,
        waits("CreateContainerConfigError", r"runAsNonRoot|non-numeric user|non-root policy|run as root"),
        message="container {container} must not run as root, and its image does, or does not say a number: {said}",
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
        "driver-mismatched",
        Layer.RUN,
        logs(_MISMATCH),
        waits(f"{_CREATE}|CrashLoopBackOff", _MISMATCH),
        ended("", _MISMATCH),
        message="the NVIDIA driver that its node has loaded is not the one whose libraries are there: {said}",
        remedy="the driver was changed under a running node: drain it and restart it, or its driver's pod; until then"
        " choose other nodes",
        source="https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/troubleshooting.html",
    ),
    rule(
        "driver-too-old",
        Layer.RUN,
        logs(
            r"CUDA driver version is insufficient|no kernel image is available|forward compatibility was attempted|"
            r"NVIDIA driver on your system is too old|unsatisfied condition: cuda|"
            r"is not compatible with the current PyTorch installation|PTX was compiled with an unsupported toolchain"
        ),
        waits(
            "CreateContainerError|RunContainerError|CrashLoopBackOff",
            r"unsatisfied condition: cuda|nvidia-container-cli: requirement error",
        ),
        ended("", r"unsatisfied condition: cuda|nvidia-container-cli: requirement error"),
        message="the image's CUDA does not go with the node's driver or card: {said}",
        remedy="take an image built for this driver's CUDA version and for this card, or nodes with a newer driver",
        source="https://docs.nvidia.com/deploy/cuda-compatibility/",
    ),
    rule(
        "windows-line-ends",
        Layer.START,
        logs(r"(\\r'?|\^M|\r): (No such file|command not found|bad interpreter|not found)"),
        message="the script of container {container} has the line ends of Windows: {said}",
        remedy="write it with those of Unix: dos2unix, and *.sh text eol=lf in .gitattributes",
        source="https://git-scm.com/docs/gitattributes",
    ),
    rule(
        "command-not-found",
        Layer.START,
        waits(_CREATE, _COMMAND_ABSENT),
        ended("StartError|ContainerCannotRun", _COMMAND_ABSENT),
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
        "out-of-memory",
        Layer.START,
        waits(_CREATE, r"OOM-killed|memory limit too low"),
        ended("StartError|ContainerCannotRun", r"OOM-killed|memory limit too low"),
        message="container {container} can't even begin within its memory limit: {said}",
        remedy="raise its resources.limits.memory: a unit such as Mi or Gi may be missing",
        source=f"{_DOCS}/tasks/configure-pod-container/assign-memory-resource/",
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
        remedy="have it created again; where that goes on, see what else takes the node (pods with nodeName, static"
        " ones), and for devices look at its device plugin",
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
        "volume-ownership-changing",
        Layer.VOLUME,
        event("VolumePermissionChangeInProgress", before_start=True),
        message="every file of its volume is being given to fsGroup, which takes long for many files: {said}",
        remedy="wait; set fsGroupChangePolicy: OnRootMismatch in the pod's securityContext, so that it is done once",
        source=f"{_DOCS}/tasks/configure-pod-container/security-context/#configure-volume-permission-and-ownership-change-"
        "policy-for-pods",
        confidence=0.9,
    ),
    rule(
        "mount-helper-missing",
        Layer.VOLUME,
        event(
            _MOUNT, r"need a /sbin/mount\.|unknown filesystem type|mount\.\w+: (command )?not found", before_start=True
        ),
        message="its node can't mount such a file system: {said}",
        remedy="install the client on the nodes: nfs-common or nfs-utils, cifs-utils, ceph-common",
        source=f"{_DOCS}/concepts/storage/volumes/#nfs",
    ),
    rule(
        "volume-refused",
        Layer.VOLUME,
        event(
            _MOUNT,
            r"access denied by server|mount error\(13\)|Permission denied|AccessDenied|Unauthorized|not authorized|"
            r"code = PermissionDenied|StatusCode: 403",
            before_start=True,
        ),
        message="whoever has its volume does not give it to this node: {said}",
        remedy="correct who may have it: the server's exports, the share's credentials, or the role of the CSI driver",
        source=f"{_DOCS}/concepts/storage/volumes/",
    ),
    rule(
        "volume-server-unreachable",
        Layer.VOLUME,
        event(
            _MOUNT,
            r"mount\.nfs4?: .*(Connection (timed out|refused)|No route to host|Failed to resolve|is unreachable)|"
            r"mount error\((110|111|113|115|2)\)|no such host",
            before_start=True,
        ),
        message="its node does not reach the server of its volume: {said}",
        remedy="see that the server runs, and that firewalls let the nodes to it: port 2049 of NFS, 445 of SMB",
        source=f"{_DOCS}/concepts/storage/volumes/#nfs",
    ),
    rule(
        "file-system-damaged",
        Layer.VOLUME,
        event(_MOUNT, r"'fsck' found errors|bad superblock|RUN fsck|Structure needs cleaning", before_start=True),
        message="the file system of its volume is damaged, or another than is asked for: {said}",
        remedy="keep a copy of the volume first, then repair it with no pod at it: fsck or xfs_repair; compare fsType",
        source=f"{_DOCS}/concepts/storage/persistent-volumes/",
        confidence=0.9,
    ),
    rule(
        "volume-not-mounted",
        Layer.VOLUME,
        event(
            "FailedMount|FailedAttachVolume|FailedMapVolume|FailedMountOnFilesystemMismatch|VolumeResizeFailed",
            before_start=True,
        ),
        message="a volume can't be mounted: {said}",
        remedy="mend what it says: a hostPath must be there on every node that the pod may go to; else look at the CSI"
        " driver's pods on this node, and at kubectl get volumeattachments",
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
)
