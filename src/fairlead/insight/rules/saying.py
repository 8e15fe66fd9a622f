"""Containers that ended badly, by what they wrote last."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fairlead.insight.ends import ends_of
from fairlead.insight.findings import Layer
from fairlead.insight.gangs import is_running
from fairlead.insight.seeing import Seen, Sign
from fairlead.insight.signs import ended, event, logs, rule, step
from fairlead.insight.tracebacks import REPEATS
from fairlead.snapshots.parts import Part
from fairlead.snapshots.snapshot import MAINS, Snapshot, Thing, message_of
from fairlead.targets.fitting import selects

_DOCS = "https://kubernetes.io/docs"
_XID = r"\bXid ?(?:errors?)?(?: ?\([^)]*\))?[:=# ]*"
_BROKEN = (
    _XID + r"(48|62|63|64|74|79|92|94|95|119|120|140)\b|"
    r"fallen off the bus|uncorrectable (ECC|NVLink)|CUDA_ERROR_(ECC_UNCORRECTABLE|NVLINK_UNCORRECTABLE)|GPU is lost|"
    r"Unable to determine the device handle|CUDA_ERROR_HARDWARE_STACK"
)
"""What NVIDIA's driver and libraries say of a card that needs a reset or a replacement."""
_UNSAVED = (
    r"(failed to save outputs|error saving|could not save|cannot (stat|save)|could not find the file|output).*"
    r"(no such file or directory|does not exist|not found|cannot be (empty|found)|in container)|"
    r"(?P<what>\S{1,300}): no file or directory|failed to save outputs"
)
_NAMELESS = (
    r"Temporary failure in name resolution|Name or service not known|could not resolve host|getaddrinfo failed|"
    r"lookup \S+.*: (no such host|server misbehaving|i/o timeout)|getaddrinfo (ENOTFOUND|EAI_AGAIN)|"
    r"nodename nor servname|NameResolutionError|UnknownHostException|No address associated with hostname"
)
_UNREACHED = (
    r"ConnectionRefusedError|Connection refused|ECONNREFUSED|No route to host|Network is unreachable|"
    r"(dial tcp|connect\w*) .*(i/o timeout|timed out|refused)|ConnectTimeout|Max retries exceeded with url|"
    r"Could not connect to the endpoint|Read timeout on endpoint|We couldn't connect to"
)
_PREFIX = r"^(?:(?:\[[^\]]*\]:?|\S*\d\d:\d\d:\d\S*|\S+\||(?:ERROR|CRITICAL|FATAL|E\d{4})\S*)\s+)*"
"""What stands before the words of a program: its rank, the time, a level."""
_RAISED = r"(?P<type>[\w.]*(?-i:Error|Exception|Exit|Failure|Fault))(: (?P<text>.*))?$"
_RAISES = (
    logs(rf"{_PREFIX}(?!.*({REPEATS})){_RAISED}"),
    logs(r"^Caused by: "),
    logs(r"^panic: |^thread '[^']*' (\(\d+\) )?panicked at|^Exception in thread \""),
    logs(_PREFIX + _RAISED),
)
_LOST = (
    r"NCCL (timeout|error|WARN.*(timeout|failed))|Watchdog caught collective|"
    r"Rendezvous(Timeout|Connection|Closed)Error|"
    r"rendezvous.*time[d ]?-?out|Connection reset by peer|Connection closed by (remote )?peer|Socket Timeout|"
    r"(gloo|c10d|TCPStore|DistNetworkError|DistStoreError|DistBackendError).*(time[d ]? ?out|closed|failed|reset)|"
    r"ncclRemoteError|ncclSystemError|ncclUnhandledCudaError|wait timeout after \d+ms|Broken pipe|"
    r"The client socket has (timed out|failed)"
)
_SAYS_LOST = logs(f"{_LOST}|time[d ]? ?out|unreachable", often_caught=True)
_SAYS_NAMELESS = logs(_NAMELESS, often_caught=True)
_SAYS_UNREACHED = logs(f"{_NAMELESS}|{_UNREACHED}|Failed to connect to Ray")


def _blocked(pod: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a rank that lost the others, where a NetworkPolicy of its pods allows no traffic among them."""
    policies = [each for each in snapshot.of_kind("NetworkPolicy", pod.ref.namespace) if _is_of(each, pod)]
    shut = [each for each in policies if not _lets_in(each, pod)]
    others = [each for each in policies if each not in shut and "Ingress" in _types(each)]
    if shut and not others:
        for seen in _SAYS_LOST.find(pod, snapshot):
            evidence = (*seen.evidence, *shut[0].cite("spec"))
            yield Seen(evidence, seen.words | {"policy": shut[0].ref.name}, seen.since, seen.part, seen.explains)


def _deaf(pod: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a pod that can't ask for names, where NetworkPolicies let it out to nothing that may be the DNS."""
    of_pod = [each for each in snapshot.of_kind("NetworkPolicy", pod.ref.namespace) if _is_of(each, pod)]
    held = [each for each in of_pod if "Egress" in _types(each)]
    if held and not any(_may_ask(rule) for each in held for rule in each.each("spec.egress")):
        for seen in _SAYS_NAMELESS.find(pod, snapshot):
            evidence = (*seen.evidence, *held[0].cite("spec"))
            yield Seen(evidence, seen.words | {"policy": held[0].ref.name}, seen.since, seen.part, seen.explains)


def _peerless(pod: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a pod that does not reach another by its name, where that one is not up."""
    for seen in _SAYS_UNREACHED.find(pod, snapshot):
        down = snapshot.once(("down", pod.ref.namespace), lambda: _down(snapshot, pod.ref.namespace))
        peers = [down[name] for name in re.findall(r"[\w-]+", seen.evidence[0].value) if name in down]
        if peers and peers[0] != pod.ref.name:
            yield seen._replace(words={**seen.words, "peer": peers[0]})


def _down(snapshot: Snapshot, namespace: str) -> dict[str, str]:
    """Return the pods of a namespace that do not run, by the names that others find them with."""
    pods = [each for each in snapshot.of_kind("Pod", namespace) if not is_running(each)]
    found = {name: each.ref.name for each in pods for name in (each.ref.name, each.text("spec.hostname")) if name}
    for each in pods:
        labels = each.mapping("metadata.labels")
        if labels.get("ray.io/node-type") == "head":
            found |= dict.fromkeys((f"{labels.get('ray.io/cluster')}-head-svc", f"{each.ref.name}-svc"), each.ref.name)
    return found


def _may_ask(rule: Part) -> bool:
    ports = [each.number("port") for each in rule.each("ports")]
    peers = list(rule.each("to"))
    outside = not peers or any(
        each.part("podSelector").value is None or each.part("namespaceSelector").value is not None for each in peers
    )
    return outside and (not ports or 53 in ports)


def _types(policy: Thing) -> list[str]:
    given = policy.part("spec.policyTypes").value
    return given if isinstance(given, list) else ["Ingress", *(["Egress"] if policy.part("spec.egress").value else [])]


def _is_of(policy: Thing, pod: Thing) -> bool:
    return selects(policy.part("spec.podSelector"), pod.mapping("metadata.labels"))


def _lets_in(policy: Thing, pod: Thing) -> bool:
    """Say whether pods such as this one may talk to it, as far as a policy goes: ports are not looked at."""
    labels = pod.mapping("metadata.labels")
    for kind, field, peers in (("Ingress", "spec.ingress", "from"), ("Egress", "spec.egress", "to")):
        if kind not in _types(policy):
            continue
        allowed = [
            not rule.part(peers).value or any(
                (peer.part("podSelector").value is not None and selects(peer.part("podSelector"), labels))
                or (peer.part("podSelector").value is None and peer.part("namespaceSelector").value == {})
                for peer in rule.each(peers)
            )
            for rule in policy.each(field) if not _is_dns(rule)
        ]  # fmt: skip
        if not any(allowed):
            return False
    return True


def _is_dns(rule: Part) -> bool:
    ports = [each.number("port") for each in rule.each("ports")]
    return bool(ports) and set(ports) <= {53}


def _on_broken(pod: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a pod that ended badly on a node which says of itself that a card is broken."""
    node = snapshot.find("Node", pod.text("spec.nodeName"))
    ends = ends_of(pod, snapshot)
    if node is None or not ends:
        return
    container, state, _, _ = ends[0]
    for told in snapshot.events_of(node):
        if re.search(_BROKEN, message_of(told), re.IGNORECASE):
            evidence = (*told.cite("message", "note", "reason"), *state.cite("exitCode"))
            words = {"said": message_of(told)}
            yield Seen(evidence, words, state.text("finishedAt"), container.text("name"), container.path)
    for kind, condition in node.conditions.items():
        if (
            condition.text("status") == "True"
            and re.search(r"gpu|xid|nvlink|nvidia", kind, re.IGNORECASE)
            and not re.search(r"ready|healthy$", kind, re.IGNORECASE)
        ):
            evidence = (*condition.cite("type", "reason", "message"), *state.cite("exitCode"))
            said = {"said": condition.text("message") or kind}
            yield Seen(evidence, said, state.text("finishedAt"), container.text("name"), container.path)


RULES = (
    rule(
        "gpu-out-of-memory",
        Layer.CODE,
        logs(
            r"CUDA out of memory|OutOfMemoryError.*CUDA|HIP out of memory|RESOURCE_EXHAUSTED:.*(GPU|memory|alloc)|"
            r"CUBLAS_STATUS_ALLOC_FAILED|CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation|MPS backend out of memory|"
            r"OOM when allocating tensor.*\bGPU|"
            r"No available memory for the cache blocks|max seq len .* KV cache|KV cache .* max seq len"
        ),
        message="the GPU's memory was not enough: {said}",
        remedy="lower the batch size, the precision or the length of sequences, accumulate gradients, or ask for a card"
        " with more memory",
        source="https://docs.pytorch.org/docs/stable/notes/cuda.html",
    ),
    rule(
        "gpu-broken",
        Layer.RUN,
        logs(_BROKEN),
        event(".*", _BROKEN),
        Sign("ended", _on_broken),
        message="a GPU of its node is broken: {said}",
        remedy="cordon the node and have the card reset or replaced; let the step be retried elsewhere",
        source="https://docs.nvidia.com/deploy/xid-errors/",
    ),
    rule(
        "gpu-program-fault",
        Layer.CODE,
        logs(
            _XID + r"(13|31|43|45)\b|an illegal memory access was encountered|device-side assert triggered|"
            r"misaligned address|CUDA_ERROR_ILLEGAL_ADDRESS"
        ),
        message="its program did something wrong on the GPU: {said}",
        remedy="run it with CUDA_LAUNCH_BLOCKING=1 or under compute-sanitizer to see where; the card is not to blame",
        source="https://docs.nvidia.com/deploy/xid-errors/",
    ),
    rule(
        "gpu-not-there",
        Layer.RUN,
        logs(
            r"no CUDA-capable device is detected|Found no NVIDIA driver|No CUDA GPUs are available|"
            r"Torch not compiled with CUDA enabled|libcuda\.so.*cannot open shared object"
        ),
        message="it wants a GPU, and there is none in its container: {said}",
        remedy="ask for one: @step(gpu=1), resources.limits of nvidia.com/gpu; and take an image built with CUDA",
        source=f"{_DOCS}/tasks/manage-gpus/scheduling-gpus/",
    ),
    rule(
        "shared-memory-too-small",
        Layer.RUN,
        logs(
            r"bus error.*shared memory|insufficient shared memory|No space left on device.*(/dev/shm|torch_)|"
            r"failed to extend /dev/shm|creating shared memory segment|"
            r"unable to (open|write to|allocate) (file|shared memory).*(/dev/shm|/torch_|shm)|/dev/shm.*No space left"
        ),
        ended("", codes=(135,), lists=(MAINS,)),
        message="/dev/shm is too small for what its processes share: {said}",
        remedy="give the step shared memory: @step(shm=...), an emptyDir of medium Memory at /dev/shm",
        source=f"{_DOCS}/concepts/storage/volumes/#emptydir",
    ),
    rule(
        "network-policy-blocks",
        Layer.RUN,
        Sign("log", _blocked),
        Sign("log", _deaf),
        message="it does not reach what it wants to, and the NetworkPolicy {policy} lets nothing through: {said}",
        remedy="let pods of the workload reach each other: ingress and egress among the same labels, and DNS (port 53)",
        source=f"{_DOCS}/concepts/services-networking/network-policies/",
        confidence=0.8,
    ),
    rule(
        "rendezvous-failed",
        Layer.RUN,
        Sign("log", _peerless),
        message="it does not reach {peer}, which is not up: {said}",
        remedy="fairlead why pod/{peer} -n {namespace}",
        source=f"{_DOCS}/concepts/services-networking/dns-pod-service/",
        kinds=("Pod",),
        confidence=0.7,
        is_consequence=True,
    ),
    rule(
        "name-not-resolved",
        Layer.RUN,
        _SAYS_NAMELESS,
        message="a name could not be resolved: {said}",
        remedy="check the name, its Service, and that NetworkPolicies let pods ask the cluster's DNS (port 53)",
        source=f"{_DOCS}/tasks/administer-cluster/dns-debugging-resolution/",
        confidence=0.8,
    ),
    rule(
        "arguments-invalid",
        Layer.CODE,
        logs(
            r"^\S+: error: (the following arguments are required|argument |unrecognized arguments|invalid choice)|"
            r"^Error: (No such option|Missing (option|argument)|Invalid value for)"
        ),
        message="its arguments are not those that its program takes: {said}",
        remedy="correct command and args of container {container}",
        source="https://docs.python.org/3/library/argparse.html",
        kinds=("Pod",),
    ),
    rule(
        "data-refused",
        Layer.CODE,
        logs(r"(trying to|cannot) access (a )?gated repo|Access to (model|dataset) \S+ is restricted"),
        logs(
            r"api_key not configured|"
            r"Access ?Denied|SignatureDoesNotMatch|InvalidAccessKeyId|ExpiredToken|NoSuchBucket|NoSuchKey|"
            r"NoCredentials|Unable to locate credentials|AuthorizationFailure|AuthenticationFailed|"
            r"BlobNotFound|ContainerNotFound|"
            r"(40[134])[: ]+(Client Error|Forbidden|Unauthorized|Not Found)|HTTP Error 40[134]|"
            r"\b40[13] (GET|PUT|POST)\b|ClientError: .*\(40[134]\)|PermissionError: Forbidden|"
            r"password authentication failed|"
            r"does not have storage\.\S+ access|RepositoryNotFoundError|GatedRepoError",
            often_caught=True,
        ),
        message="what it wanted to read or write was refused or is not there: {said}",
        remedy="check the address, and the credentials of the step's ServiceAccount or Secret",
        source="https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html",
        confidence=0.8,
    ),
    rule(
        "data-damaged",
        Layer.CODE,
        logs(r"(checksum|sha\d+|md5|digest|crc)\S* (mismatch|does(n't| not) match)"),
        message="what it read is not what it should be: {said}",
        remedy="fetch it anew, or correct the checksum that it is held against",
        source="https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html",
        confidence=0.8,
    ),
    rule(
        "output-missing",
        Layer.CODE,
        step(_UNSAVED),
        logs(_UNSAVED),
        logs(
            r"(output|result|artifact)\S* .*(was|were|is) not (written|produced|found|there)|"
            r"did not (write|produce|return)"
        ),
        message="it ended well, and what it was to leave is not there: {said}",
        remedy="have it write its output where the template says, or give the output a default or mark it optional",
        source="https://argo-workflows.readthedocs.io/en/latest/walk-through/output-parameters/",
        confidence=0.9,
        kinds=("Pod", "Workflow", "Step"),
    ),
    rule(
        "rendezvous-failed",
        Layer.RUN,
        logs(_LOST),
        message="it lost the other ranks, or did not find them: {said}",
        remedy="look at the rank that ended first; else at NetworkPolicies between the ranks and the ports of NCCL",
        source="https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/troubleshooting.html",
        confidence=0.7,
        is_consequence=True,
    ),
    rule(
        "service-unreachable",
        Layer.RUN,
        logs(_UNREACHED, often_caught=True),
        message="it does not reach what it wants to talk to: {said}",
        remedy="see that it runs and listens there: kubectl get pods,endpointslices; then NetworkPolicies",
        source=f"{_DOCS}/tasks/debug/debug-application/debug-service/",
        confidence=0.8,
    ),
    rule(
        "module-missing",
        Layer.START,
        logs(
            r"ModuleNotFoundError: No module named '(?P<what>[^']+)'|Cannot find module '(?P<module>[^']+)'|"
            r"PackageNotFoundError: (?P<package>.+)|ClassNotFoundException",
            often_caught=True,
        ),
        message="a library is not in its image: {said}",
        remedy="add it to the image, or to the step's packages: {what}{package}{module}",
        source="https://docs.python.org/3/library/exceptions.html#ModuleNotFoundError",
    ),
    rule(
        "import-failed",
        Layer.START,
        logs(
            r"ImportError: .+|\S{1,300}\.so\S*: cannot open shared object file|"
            r"error while loading shared libraries|version `\S+' not found",
            often_caught=True,
        ),
        message="a library can't be loaded: {said}",
        remedy="add what it names to the image, or take a version of the library that goes with that image",
        source="https://docs.python.org/3/library/exceptions.html#ImportError",
    ),
    rule(
        "disk-full",
        Layer.RUN,
        logs(r"No space left on device|Disk quota exceeded|ENOSPC", often_caught=True),
        message="what it writes to is full: {said}",
        remedy="give it a larger volume, or have it write less; kubectl get pvc shows sizes",
        source=f"{_DOCS}/concepts/storage/persistent-volumes/#expanding-persistent-volumes-claims",
    ),
    rule(
        "file-system-read-only",
        Layer.START,
        logs(r"Read-only file system", often_caught=True),
        message="it writes where nothing may be written: {said}",
        remedy="mount a volume there that may be written (an emptyDir for caches), or have it write elsewhere; look at"
        " readOnlyRootFilesystem, and at readOnly of the mount",
        source=f"{_DOCS}/tasks/configure-pod-container/security-context/",
    ),
    rule(
        "file-not-permitted",
        Layer.START,
        logs(
            r"PermissionError: \[Errno 13\] .*'/|\[Errno 13\] Permission denied: '|"
            r"(open|mkdir|mkdirat|cannot (create|open|touch)\b.*?) ?'?/\S+: permission denied",
            often_caught=True,
        ),
        message="its user may not write or read there: {said}",
        remedy="set fsGroup in the pod's securityContext to the group of its user, or give that folder to the user: the"
        " owner of the volume's files must go with runAsUser; for /.cache and the like set HOME",
        source=f"{_DOCS}/tasks/configure-pod-container/security-context/",
    ),
    rule(
        "port-in-use",
        Layer.START,
        logs(r"Address already in use|EADDRINUSE|port is already (allocated|in use)"),
        message="something else listens at its port: {said}",
        remedy="choose another port, or have one process of the pod listen there; with hostNetwork, one pod of a node",
        source="https://man7.org/linux/man-pages/man2/bind.2.html",
    ),
    rule(
        "too-many-open-files",
        Layer.RUN,
        logs(r"Too many open files|\bEMFILE\b|\bENFILE\b"),
        message="it has more files open than it may: {said}",
        remedy="close what is not needed, open fewer at once (workers, shards), or raise ulimit -n in the command",
        source="https://man7.org/linux/man-pages/man2/getrlimit.2.html",
    ),
    rule(
        "memory-error",
        Layer.CODE,
        logs(
            r"^(numpy\S*ArrayMemoryError|MemoryError|.*std::bad_alloc|.*Cannot allocate memory|"
            r".*OOM when allocating tensor|"
            r".*OutOfMemoryError: (Java heap|GC overhead))"
        ),
        message="it could not get the memory that it wanted: {said}",
        remedy="raise the memory of the step, or have it hold less at once",
        source=f"{_DOCS}/tasks/configure-pod-container/assign-memory-resource/",
    ),
    rule(
        "out-of-memory-of-child",
        Layer.RUN,
        logs(
            r"(worker|child|subprocess|process).*(killed by signal: ?(Killed|9)|exit(ed)?( with)?( code)? -9|SIGKILL)|"
            r"(worker|child|subprocess|process).*signal 9|BrokenProcessPool|Worker .* was sent SIGKILL|"
            r"^Killed$|: Killed$|oom[-_ ]?kill|Out of memory: Killed process|\bexitcode *: -9\b|Signal 9 \(SIGKILL\)|"
            r"exits with return code = -9|possible container OOM|"
            r"killed due to (the node running low on memory|memory pressure)"
        ),
        event("SystemOOM|OOMKilling"),
        message="one of its processes was killed, as the kernel does where memory runs out: {said}",
        remedy="raise the memory of the step, or lower what its processes hold together: workers, batch size",
        source=f"{_DOCS}/tasks/configure-pod-container/assign-memory-resource/",
        confidence=0.8,
    ),
    rule(
        "exception",
        Layer.CODE,
        *_RAISES,
        message="it raised {said}",
        remedy="the frames are in its log: kubectl logs {name} -c {container} -n {namespace}; fairlead debug goes"
        " through a step again with its inputs",
        source="https://docs.python.org/3/library/traceback.html",
        kinds=("Pod",),
    ),
    rule(
        "exception",
        Layer.CODE,
        *_RAISES,
        message="it raised {said}",
        remedy="the frames are in its status: kubectl get rayjobs,rayservices -n {namespace} -o yaml; or Ray's page",
        source="https://docs.ray.io/en/latest/ray-observability/index.html",
        kinds=("RayJob", "RayService"),
    ),
)
