"""Pods that have a node, and whose containers do not begin, or do not become ready."""

from __future__ import annotations

from insight.troubles.manifests import (
    SMALL,
    Object,
    Trouble,
    apply,
    container,
    deployment,
    job,
    once,
    pod,
    replace,
    shared,
    thing,
)

_SECRET = {**thing("Secret", "keys"), "stringData": {"other": "x"}}
_WITH_KEY = {**thing("Secret", "keys"), "stringData": {"other": "x", "token": "x"}}
_SETTINGS = {**thing("ConfigMap", "settings"), "data": {"a.ini": "x"}}
_TOKEN = container(env=[{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}}])
_MOUNTS = [{"name": "v", "mountPath": "/v"}]
_FOREIGN = (
    "#python\nimport os\nhead = b'\\x7fELF\\x02\\x01\\x01' + bytes(9) + b'\\x02\\x00\\xb7\\x00' + bytes(44)\n"
    "open('/tmp/x', 'wb').write(head)\nos.chmod('/tmp/x', 0o755)\nos.execv('/tmp/x', ['x'])\n"
)


def _pulling(path: str) -> Object:
    return container(image=f"$REGISTRY/{path}:1", imagePullPolicy="Always")


def _mounting(**volume: object) -> Object:
    return pod(main=container(volumeMounts=_MOUNTS), volumes=[{"name": "v", **volume}])


def _probed(**probes: object) -> Object:
    return container(**{
        name: {"exec": {"command": ["sh", "-c", probe]}, "periodSeconds": 1, "failureThreshold": 2}
        for name, probe in probes.items()
    })  # fmt: skip


def _first(script: str, **fields: object) -> Object:
    return {"initContainers": [{**container(script, **fields), "name": "first"}]}


TROUBLES = (
    Trouble("image-not-found", "pod/p", (pod(main=_pulling("absent/fit")),), remedy=(replace(pod()),)),
    Trouble("image-not-found", "deployment/d", (deployment(main=_pulling("absent/fit")),), variant="deployment",
            remedy=(replace(deployment()),)),
    Trouble("registry-refuses", "pod/p", (pod(main=_pulling("private/fit")),)),
    Trouble("registry-throttles", "pod/p", (pod(main=_pulling("throttled/fit")),)),
    Trouble("image-of-other-architecture", "pod/p", (pod(main=_pulling("foreign/fit")),)),
    Trouble("registry-unreachable", "job/j", (job(main=container(image="localhost:1/fit:1", imagePullPolicy="Always")),)),
    Trouble("image-invalid", "pod/p", (pod(main=container(image="Fit:Latest:1")),), remedy=(replace(pod()),)),
    Trouble("image-never-pulled", "pod/p", (pod(main=container(image="localhost/nowhere:1", imagePullPolicy="Never")),),
            remedy=(replace(pod()),)),
    Trouble("config-missing", "pod/p", (pod(main=_TOKEN),), remedy=(apply(_WITH_KEY),)),
    Trouble("config-missing", "job/j", (_SECRET, job(main=_TOKEN)), variant="key", remedy=(apply(_WITH_KEY),)),
    Trouble("config-missing", "pod/p", (pod(main=container(envFrom=[{"configMapRef": {"name": "settings"}}])),),
            variant="all", remedy=(apply(_SETTINGS),)),
    Trouble("user-is-root", "pod/p", (pod(main=container(securityContext={"runAsNonRoot": True, "runAsUser": 0})),),
            remedy=(replace(pod(main=container(securityContext={"runAsNonRoot": True, "runAsUser": 65532}))),)),
    Trouble("command-not-found", "pod/p", (pod(main=container(command=["train"])),), remedy=(replace(pod()),)),
    Trouble("command-not-found", "job/j", (job("exec train"),), variant="shell", state="failed"),
    Trouble("command-not-executable", "pod/p", (pod(main=container(command=["/etc/hostname"])),), remedy=(replace(pod()),)),
    Trouble("command-not-executable", "pod/p", (once("exec /etc/hostname"),), variant="shell", state="failed"),
    Trouble("wrong-architecture", "pod/p", (once(_FOREIGN),), state="failed"),
    Trouble("runtime-handler-missing", "pod/p", (
        {**shared("RuntimeClass", "$NS", "node.k8s.io/v1"), "handler": "kata"}, pod(runtimeClassName="$NS")),
        remedy=(replace(pod()),)),
    Trouble("device-refused", "pod/p", (pod(nodeName="$NODE", main=container(resources={"requests": {"cpu": "640"}})),),
            state="failed", remedy=(replace(pod(main=container(resources=SMALL))),)),
    Trouble("mounted-config-missing", "pod/p", (_mounting(configMap={"name": "settings"}),), remedy=(apply(_SETTINGS),)),
    Trouble("mounted-config-missing", "pod/p", (_SECRET, _mounting(secret={
        "secretName": "keys", "items": [{"key": "token", "path": "t"}]})), variant="key", remedy=(apply(_WITH_KEY),)),
    Trouble("volume-driver-missing", "pod/p", (_mounting(csi={"driver": "disk.example.com"}),), remedy=(replace(pod()),)),
    Trouble("volume-not-mounted", "pod/p", (_mounting(hostPath={"path": "/etc/hostname", "type": "Directory"}),),
            remedy=(replace(_mounting(hostPath={"path": "/etc", "type": "Directory"})),)),
    Trouble("init-failed", "job/j", (job(**_first("echo no data >&2; exit 4")),), state="failed",
            remedy=(replace(job(**_first("true"))),)),
    Trouble("init-failed", "pod/p", (pod(**_first("exit 4")),), variant="crashing", remedy=(replace(pod(**_first("true"))),)),
    Trouble("init-out-of-memory", "pod/p", (once("true", **_first(
        "#python\nx = bytearray(200 << 20)\nprint(len(x))", resources={"limits": {"memory": "40Mi"}})),), state="failed"),
    Trouble("hook-failed", "pod/p", (pod(main=container(lifecycle={"postStart": {"exec": {"command": ["false"]}}})),),
            remedy=(replace(pod()),), also=("probe-failed",)),
    Trouble("readiness-probe-failed", "pod/p", (pod(main=_probed(readinessProbe="echo not yet; exit 1")),),
            state="running", remedy=(replace(pod(main=_probed(readinessProbe="true"))),)),
    Trouble("readiness-probe-failed", "deployment/d", (deployment(main=_probed(readinessProbe="exit 1")),),
            variant="deployment", remedy=(replace(deployment(main=_probed(readinessProbe="true"))),)),
    Trouble("liveness-probe-failed", "pod/p", (pod(main=_probed(livenessProbe="exit 1")),),
            remedy=(replace(pod(main=_probed(livenessProbe="true"))),)),
    Trouble("startup-probe-failed", "pod/p", (pod(main=_probed(startupProbe="exit 1")),),
            remedy=(replace(pod(main=_probed(startupProbe="true"))),)),
)  # fmt: skip
