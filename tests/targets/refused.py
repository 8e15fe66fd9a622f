"""Overlays that Pod Security's ``restricted`` profile refuses, field by field."""

from __future__ import annotations

from typing import Any

from fairlead.specs.contexts import Context, Submission
from fairlead.specs.steps import FunctionStep
from fairlead.targets import pods
from fairlead.targets.overlays import merged

STEP = FunctionStep(name="work", function="mod:work")
PLACE = Submission(
    run="00000000-000000-00000", flow="f", namespace="ml",
    context=Context(name="c", store="s3://b", image="python", worker_image="fairlead", user=1000),
)  # fmt: skip
PLAIN = pods.step_pod(PLACE, STEP)


def of_main(fields: dict[str, Any]) -> dict[str, Any]:
    return {"containers": [{"name": "main", **fields}]}


def of_security(fields: dict[str, Any]) -> dict[str, Any]:
    return of_main({"securityContext": fields})


def overlaid(patch: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = merged(PLAIN, patch)
    return found


REFUSED: dict[str, dict[str, Any]] = {
    "the network of its node": {"hostNetwork": True},
    "the processes of its node": {"hostPID": True},
    "the memory of its node": {"hostIPC": True},
    "a folder of its node": {"volumes": [{"name": "etc", "hostPath": {"path": "/etc"}}]},
    "a file server": {"volumes": [{"name": "home", "nfs": {"server": "filer", "path": "/"}}]},
    "a privileged container": of_security({"privileged": True, "allowPrivilegeEscalation": None}),
    "more privileges than its parent": of_security({"allowPrivilegeEscalation": True}),
    "unsaid whether it may have more": of_security({"allowPrivilegeEscalation": None}),
    "root by its number": of_security({"runAsUser": 0}),
    "perhaps root": of_security({"runAsNonRoot": False}),
    "perhaps root in all": {"securityContext": {"runAsNonRoot": None}, **of_security({"runAsNonRoot": None})},
    "every system call": of_security({"seccompProfile": {"type": "Unconfined"}}),
    "capabilities that are kept": of_security({"capabilities": {"drop": ["NET_RAW"]}}),
    "a capability that is added": of_security({"capabilities": {"add": ["SYS_ADMIN"]}}),
    "no profile of AppArmor": of_security({"appArmorProfile": {"type": "Unconfined"}}),
    "another label of SELinux": of_security({"seLinuxOptions": {"type": "spc_t"}}),
    "a port of its node": of_main({"ports": [{"containerPort": 80, "hostPort": 80}]}),
    "a kernel's setting": {"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}},
    "a container beside without a profile": {"containers": [{"name": "beside", "image": "busybox"}]},
    "an init container without a profile": {"initContainers": [{"name": "before", "image": "busybox"}]},
}
