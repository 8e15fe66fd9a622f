"""Pods that ran, and ended badly."""

from __future__ import annotations

from insight.troubles.manifests import (
    Object,
    Step,
    Trouble,
    container,
    delete,
    deployment,
    job,
    once,
    patch,
    pod,
    replace,
    thing,
)

_LITTLE = {"limits": {"memory": "48Mi"}, "requests": {"cpu": "1m", "memory": "1Mi"}}
_HUNGRY = "#python\nx = bytearray(200 << 20)\nprint(len(x))"
_RAISING = "#python\ndef fit():\n    raise ValueError('no column named y')\nfit()"
_SHARING = "#python\nimport mmap, os\nf = os.open('/dev/shm/x', os.O_CREAT | os.O_RDWR)\nos.ftruncate(f, 100 << 20)\n" \
    "m = mmap.mmap(f, 100 << 20)\nfor i in range(0, 100 << 20, 4096): m[i] = 1\n"  # fmt: skip
_SHM = {"volumes": [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "200Mi"}}],
        "main": {**container(_SHARING), "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}]}}  # fmt: skip
_WRITING = "#python\nimport time\nopen('{}', 'wb').write(bytes(30 << 20))\ntime.sleep(600)"
_SCRATCH = [{"name": "scratch", "emptyDir": {"sizeLimit": "2Mi"}}]
_KEPT = ("example.com/keeps",)


def kept(found: Object) -> Object:
    """Return an object that is still there once it is deleted."""
    return {**found, "metadata": {**found["metadata"], "finalizers": list(_KEPT)}}


def _budget(**fields: object) -> Object:
    return thing("PodDisruptionBudget", "b", "policy/v1", spec={"selector": {"matchLabels": {"app": "d"}}, **fields})


def _writing(line: str) -> str:
    """Return a program that fails with these last words."""
    return f"#python\nimport sys\nprint({line!r}, file=sys.stderr)\nsys.exit(1)"


TROUBLES = (
    Trouble("eviction-refused", "poddisruptionbudget/b", (deployment(), _budget(minAvailable=1)),
            remedy=(patch("poddisruptionbudget/b", '{"spec":{"minAvailable":null,"maxUnavailable":1}}'),)),
    Trouble("out-of-memory", "job/j", (job(main=container(_HUNGRY, resources=_LITTLE)),), state="failed",
            remedy=(replace(job(main=container(_HUNGRY, resources={"limits": {"memory": "300Mi"}}))),)),
    Trouble("out-of-memory", "pod/p", (pod(main=container(_HUNGRY, resources=_LITTLE)),), variant="crashing"),
    Trouble("out-of-memory", "pod/p", (once("x", main=container(
        "python3 -c 'x = bytearray(200 << 20)' || { sleep 1; echo child ended with $?; exit 1; }", resources=_LITTLE)),),
        variant="child", state="failed"),
    Trouble("exception", "job/j", (job(_RAISING),), state="failed", remedy=(replace(job("true")),)),
    Trouble("exception", "pod/p", (pod(_RAISING),), variant="crashing"),
    Trouble("exception", "job/j", (job(_RAISING, retries=1),), variant="retried", state="failed"),
    Trouble("module-missing", "pod/p", (once("#python\nimport torchvision"),), state="failed"),
    Trouble("exit-code", "pod/p", (once("exit 3"),), state="failed"),
    Trouble("segmentation-fault", "pod/p", (once("#python\nimport ctypes\nctypes.string_at(0)"),), state="failed"),
    Trouble("segmentation-fault", "pod/p", (once("python3 -c 'import os; os.abort()'"),), variant="abort", state="failed"),
    Trouble("shared-memory-too-small", "job/j", (job(_SHARING),), state="failed", remedy=(replace(job(**_SHM)),)),
    Trouble("volume-too-large", "pod/p", (once("x", volumes=_SCRATCH, main={
        **container(_WRITING.format("/scratch/x")), "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]}),),
        state="failed"),
    Trouble("disk-limit-exceeded", "pod/p", (once("x", main=container(
        _WRITING.format("/tmp/x"), resources={"limits": {"ephemeral-storage": "2Mi"}})),), state="failed"),
    Trouble("evicted-by-request", "pod/p", (kept(once("exec sleep 600")),), then=(
        Step(("create", "--raw", "/api/v1/namespaces/$NS/pods/p/eviction", "--filename=-"), (
            {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p", "namespace": "$NS"}},)),),
        state="failed"),
    Trouble("deleted", "pod/p", (once("trap '' TERM; while :; do sleep 1; done", terminationGracePeriodSeconds=300),), then=(
        Step(("wait", "--for=condition=Ready", "pod/p", "--timeout=120s")), delete("pod/p", options=())),
        state="running"),
    Trouble("deadline-of-pod", "pod/p", (once("exec sleep 600", activeDeadlineSeconds=2),), state="failed",
            remedy=(replace(once("exec sleep 600", activeDeadlineSeconds=600)),)),
    Trouble("job-deadline", "job/j", (job(job={"activeDeadlineSeconds": 2}),), state="failed",
            remedy=(replace(job(job={"activeDeadlineSeconds": 600})),)),
    Trouble("name-not-resolved", "pod/p", (once(
        "#python\nimport socket\nsocket.create_connection(('master-0.trainer', 29500))"),), state="failed"),
    Trouble("service-unreachable", "pod/p", (once(
        "#python\nimport socket\nsocket.create_connection(('127.0.0.1', 29500))"),), state="failed"),
    Trouble("data-refused", "pod/p", (once(
        "#python\nimport urllib.request\nurllib.request.urlopen('http://169.254.20.10:9000/fairlead/data.csv')"),),
        state="failed"),
    Trouble("gpu-out-of-memory", "pod/p", (once(_writing(
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 14.74 GiB"
        " of which 1.06 GiB is free.")),), state="failed"),
    Trouble("driver-too-old", "pod/p", (once(_writing(
        "RuntimeError: The NVIDIA driver on your system is too old (found version 11040).")),), state="failed"),
)  # fmt: skip
