"""Pods that have a node, and whose containers do not begin: images, volumes, configuration, sandboxes, commands."""

from __future__ import annotations

from fairlead.insight.findings import Layer
from fairlead.insight.signs import ended, event, fails, logs, rule, waits
from fairlead.snapshots.snapshot import INITS

_DOCS = "https://kubernetes.io/docs"
_IMAGES = f"{_DOCS}/concepts/containers/images/"
_PULL = "ErrImagePull|ImagePullBackOff"
_CREATE = "CreateContainerError|RunContainerError|ContainerCannotRun|StartError"

RULES = (
    # Images ------------------------------------------------------------------------------------
    rule(
        "registry-throttles",
        Layer.IMAGE,
        waits(_PULL, r"toomanyrequests|\b429\b|rate limit"),
        message="the registry lets nobody here pull {image} for now: {said}",
        remedy="pull through a mirror, or log in: name a Secret with the registry's credentials in imagePullSecrets",
        source=_IMAGES,
    ),
    rule(
        "image-not-found",
        Layer.IMAGE,
        waits(_PULL, r"not found|manifest unknown|name unknown"),
        message="there is no image {image}: {said}",
        remedy="correct the image's name or tag, or push it: {image}",
        source=_IMAGES,
    ),
    rule(
        "image-of-other-architecture",
        Layer.IMAGE,
        waits(_PULL, r"no match(ing manifest)? for platform|no matching manifest"),
        message="{image} is not there for the machine of this node: {said}",
        remedy="build it for the node's architecture, or choose nodes by kubernetes.io/arch",
        source=_IMAGES,
    ),
    rule(
        "registry-refuses",
        Layer.IMAGE,
        waits(_PULL, r"unauthorized|denied|forbidden|\b40[13]\b|authentication required|basic auth"),
        message="the registry does not give {image} to this node, or has no such repository: {said}",
        remedy="name a Secret with the registry's credentials in imagePullSecrets, and check the repository's name",
        source=f"{_DOCS}/tasks/configure-pod-container/pull-image-private-registry/",
    ),
    rule(
        "registry-unreachable",
        Layer.IMAGE,
        waits(_PULL, r"no such host|timeout|refused|dial tcp|TLS|x509|deadline exceeded|unreachable|EOF"),
        waits("RegistryUnavailable"),
        message="the node does not reach the registry of {image}: {said}",
        remedy="check from a node that its name resolves and that it answers: proxy, firewall, certificate",
        source=_IMAGES,
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
        "image-not-pulled",
        Layer.IMAGE,
        waits(_PULL),
        message="{image} can't be pulled: {said}",
        remedy="kubectl describe pod {name} -n {namespace} shows every try",
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
        message="container {container} needs what is not there: {said}",
        remedy="create the {kind} {what}{key} that it names, in the namespace {namespace}",
        source=f"{_DOCS}/concepts/configuration/secret/",
    ),
    rule(
        "user-is-root",
        Layer.START,
        waits("CreateContainerConfigError", r"runAsNonRoot|non-numeric user"),
        message="container {container} must not run as root, and its image does: {said}",
        remedy="set runAsUser to a number above 0, or build the image with USER and a number",
        source=f"{_DOCS}/tasks/configure-pod-container/security-context/",
    ),
    rule(
        "wrong-architecture",
        Layer.START,
        logs(r"exec format error|cannot execute binary file"),
        waits(_CREATE, r"exec format error"),
        ended("", r"exec format error"),
        message="the program of container {container} is built for another kind of machine: {said}",
        remedy="build the image for the node's architecture, or choose nodes by kubernetes.io/arch",
        source=f"{_DOCS}/reference/labels-annotations-taints/#kubernetes-io-arch",
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
        "sandbox-not-created",
        Layer.START,
        event("FailedCreatePodSandBox"),
        message="the node can't make the pod's network: {said}",
        remedy="look at the network plugin on this node: free addresses, and its pods in kube-system",
        source=f"{_DOCS}/concepts/extend-kubernetes/compute-storage-net/network-plugins/",
    ),
    rule(
        "device-refused",
        Layer.START,
        fails(
            "UnexpectedAdmissionError|OutOf.*|NodeAffinity|NodePorts|Topology.*Error|.*AffinityError|AdmissionFailed"
        ),
        message="the node refused the pod that the scheduler had sent to it: {said}",
        remedy="have it created again; where that goes on, drain the node and look at its device plugin",
        source=f"{_DOCS}/concepts/extend-kubernetes/compute-storage-net/device-plugins/",
    ),
    # Volumes -------------------------------------------------------------------------------------
    rule(
        "volume-in-use",
        Layer.VOLUME,
        event("FailedAttachVolume", r"Multi-Attach|already (used|exclusively attached)"),
        message="its volume is attached to another node: {said}",
        remedy="take a claim with ReadWriteMany, keep the pods on one node, or wait until the other pod is gone",
        source=f"{_DOCS}/concepts/storage/persistent-volumes/#access-modes",
    ),
    rule(
        "mounted-config-missing",
        Layer.VOLUME,
        event("FailedMount", r"(?P<kind>secret|configmap) \"(?P<what>[^\"]+)\" not found"),
        message="it mounts the {kind} {what}, which is not there",
        remedy="create the {kind} {what} in the namespace {namespace}, or mark the volume optional",
        source=f"{_DOCS}/concepts/storage/volumes/",
    ),
    rule(
        "volume-not-mounted",
        Layer.VOLUME,
        event("FailedMount|FailedAttachVolume|FailedMapVolume"),
        message="a volume can't be mounted: {said}",
        remedy="kubectl get pvc,volumeattachments -n {namespace}; look at the CSI driver's pods on the node",
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
        "init-failed",
        Layer.INIT,
        ended(lists=(INITS,)),
        message="init container {container} ended with exit code {code}: {said}",
        remedy="kubectl logs {name} -c {container} -n {namespace} --previous",
        source=f"{_DOCS}/tasks/debug/debug-application/debug-init-containers/",
    ),
)
