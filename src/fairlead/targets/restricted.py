"""What no pod of a run may be, whatever a step's overlays say: held against the whole result, after the merge.

The ``restricted`` profile of Pod Security, and beyond it what would take a pod out of its run: another account or its
token, another node, another command of the container that runs the step. Faults name the field.

Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fairlead.errors import Fault

VOLUMES = (
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret",
)  # fmt: skip
SYSCTLS = (
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
)  # fmt: skip
_HOST = ("hostNetwork", "hostPID", "hostIPC")
_KEPT = (
    "restartPolicy", "serviceAccountName", "serviceAccount", "automountServiceAccountToken", "nodeName", "hostname",
    "subdomain", "setHostnameAsFQDN", "hostUsers", "ephemeralContainers",
)  # fmt: skip
_KEPT_OF_MAIN = ("command", "args", "workingDir")
_PROFILES = ("RuntimeDefault", "Localhost")
_HANDLERS = ("livenessProbe", "readinessProbe", "startupProbe")
_SELINUX = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")

Spec = Mapping[str, Any]


def pod_faults(spec: Spec, made: Spec, path: str) -> Iterator[Fault]:
    """Yield what is wrong with a pod's spec.

    Args:
        spec: The whole spec.
        made: What Fairlead had made before anybody's fields were merged into it.
        path: Where the spec is, for messages.
    """
    for name in _HOST:
        if spec.get(name):
            yield Fault(f"{path}.{name}", "a pod of a run has no part of its node")
    for name in _KEPT:
        if spec.get(name) != made.get(name):
            yield Fault(f"{path}.{name}", "is set by Fairlead, or left alone")
    security = _mapping(spec.get("securityContext"))
    yield from _security_faults({"runAsNonRoot": None, "seccompProfile": "", **security}, f"{path}.securityContext")
    yield from _volume_faults(spec, f"{path}.volumes")
    yield from _containers_faults(spec, made, path)


def annotation_faults(annotations: Spec, path: str) -> Iterator[Fault]:
    """Yield what is wrong with a pod's annotations: they too can take a container out of its profile."""
    for name, value in annotations.items():
        loose = name.startswith("container.apparmor.security.beta.kubernetes.io/")
        if loose and value != "runtime/default" and not str(value).startswith("localhost/"):
            yield Fault(f"{path}.{name}", "must be runtime/default or localhost/…")


def _containers_faults(spec: Spec, made: Spec, path: str) -> Iterator[Fault]:
    for kind in ("initContainers", "containers"):
        listed = spec.get(kind, [])
        if not isinstance(listed, list) or not all(isinstance(each, Mapping) for each in listed):
            yield Fault(f"{path}.{kind}", "must be a list of containers")
            continue
        found = {str(each.get("name")): each for each in listed}
        for own in made.get(kind, []):
            for field in _KEPT_OF_MAIN:
                if found.get(own["name"], {}).get(field) != own.get(field):
                    yield Fault(f"{path}.{kind}[{own['name']}].{field}", "is set by Fairlead, or left alone")
        for container in listed:
            yield from _container_faults(container, f"{path}.{kind}[{container.get('name')}]")


def _container_faults(container: Spec, path: str) -> Iterator[Fault]:
    security = _mapping(container.get("securityContext"))
    where = f"{path}.securityContext"
    if security.get("privileged"):
        yield Fault(f"{where}.privileged", "no container of a run is privileged")
    if security.get("allowPrivilegeEscalation") is not False:
        yield Fault(f"{where}.allowPrivilegeEscalation", "must be false")
    if security.get("procMount", "Default") != "Default":
        yield Fault(f"{where}.procMount", "must be Default")
    capabilities = _mapping(security.get("capabilities"))
    if "ALL" not in _list(capabilities.get("drop")):
        yield Fault(f"{where}.capabilities.drop", "must hold ALL")
    if set(map(str, _list(capabilities.get("add")))) - {"NET_BIND_SERVICE"}:
        yield Fault(f"{where}.capabilities.add", "can hold NET_BIND_SERVICE alone")
    yield from _security_faults(security, where)
    for port in _list(container.get("ports")):
        if _mapping(port).get("hostPort"):
            yield Fault(f"{path}.ports", "have no hostPort")
    yield from _handler_faults(container, path)


def _security_faults(security: Spec, path: str) -> Iterator[Fault]:
    """Yield what is wrong with what a pod's and a container's security context have in common."""
    if security.get("runAsNonRoot", True) is not True:
        yield Fault(f"{path}.runAsNonRoot", "must be true")
    if security.get("runAsUser") == 0:
        yield Fault(f"{path}.runAsUser", "must not be 0, which is root")
    if _mapping(security.get("windowsOptions")).get("hostProcess"):
        yield Fault(f"{path}.windowsOptions.hostProcess", "a pod of a run has no part of its node")
    for name in ("seccompProfile", "appArmorProfile"):
        profile = security.get(name)
        if profile is not None and _mapping(profile).get("type") not in _PROFILES:
            yield Fault(f"{path}.{name}.type", f"must be {' or '.join(_PROFILES)}")
    labels = _mapping(security.get("seLinuxOptions"))
    if labels.get("type", "") not in _SELINUX or labels.get("user") or labels.get("role"):
        yield Fault(f"{path}.seLinuxOptions", "can choose a container's type and level alone")
    for each in _list(security.get("sysctls")):
        if _mapping(each).get("name") not in SYSCTLS:
            yield Fault(f"{path}.sysctls", f"{_mapping(each).get('name')!r} is none of the safe ones")


def _volume_faults(spec: Spec, path: str) -> Iterator[Fault]:
    for volume in map(_mapping, _list(spec.get("volumes"))):
        name, sources = volume.get("name"), [each for each in volume if each != "name"]
        if any(each not in VOLUMES for each in sources) or len(sources) != 1:
            yield Fault(f"{path}[{name}]", f"is one of {', '.join(VOLUMES)}; got {', '.join(sources) or 'nothing'}")
        for source in _list(_mapping(volume.get("projected")).get("sources")):
            if "serviceAccountToken" in _mapping(source):
                yield Fault(f"{path}[{name}].projected.sources", "a step's pod holds no token of its account")


def _handler_faults(container: Spec, path: str) -> Iterator[Fault]:
    """Yield each probe and hook that has the kubelet call another host."""
    lifecycle = _mapping(container.get("lifecycle"))
    handlers = {name: container.get(name) for name in _HANDLERS}
    handlers |= {f"lifecycle.{name}": handler for name, handler in lifecycle.items()}
    for name, handler in handlers.items():
        for action in ("httpGet", "tcpSocket"):
            if _mapping(_mapping(handler).get(action)).get("host"):
                yield Fault(f"{path}.{name}.{action}.host", "must be left out: it is the pod")


def _mapping(value: Any) -> Spec:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
