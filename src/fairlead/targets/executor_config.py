"""A pod in the form that Kubeflow Pipelines has for it: a container, and beside it what is of Kubernetes alone.

Nothing delivers the worker there: a pipeline has no init containers, so images bring it (`volumes.BROUGHT`). The
account, the restart policy and most of the security context are those of the installation, and can't be said. Whatever
else of a pod has no place there is refused rather than left out.

Source: https://github.com/kubeflow/pipelines/blob/2.17.0/kubernetes_platform/proto/kubernetes_executor_config.proto
and https://github.com/kubeflow/pipelines/blob/2.17.0/api/v2alpha1/pipeline_spec.proto, PipelineContainerSpec
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from fairlead.errors import Fault
from fairlead.targets import pods
from fairlead.targets.volumes import BROUGHT, DELIVERY

VARIABLES = "FAIRLEAD_VARIABLES"
"""The variable that names the folders in which Secrets lie whose keys are variables: a pipeline can name single keys
only, and which ones a Secret has is not known. The worker makes them variables (`fairlead.worker.pods.start`)."""

_SECRETS = "/fairlead-secrets"
_GIVEN = {"restartPolicy", "serviceAccountName", "automountServiceAccountToken"}
"""What pods have from the installation, and steps do not need otherwise: they do not talk to the API server."""
_SPARED = (DELIVERY, "tmp")
"""The volumes that a pod does not need here: its root can be written to."""
_MAIN = {"name", "image", "command", "resources", "volumeMounts", "env", "envFrom", "securityContext"}
_POD = "overlays.Pod"


class Executor(NamedTuple):
    """A pod as a pipeline has it.

    Attributes:
        container: The ``PipelineContainerSpec``.
        config: The ``KubernetesExecutorConfig``.
        faults: What of the pod neither can say.
    """

    container: dict[str, Any]
    config: dict[str, Any]
    faults: list[Fault]


def executor(pod: pods.PodSpec, metadata: Mapping[str, Mapping[str, str]], user: int | None) -> Executor:
    """Compile a pod of one container.

    Args:
        pod: Its spec.
        metadata: Its labels and annotations.
        user: The user id that the context has.
    """
    rest = {name: value for name, value in pod.items() if name not in _GIVEN}
    faults: list[Fault] = []
    main, *beside = rest.pop("containers")
    if beside:
        faults.append(Fault(f"{_POD}.containers", "a pod of a pipeline has one container"))
    security = rest.pop("securityContext")
    if security != pods.pod_security(user):
        faults.append(Fault(f"{_POD}.securityContext", _UNSAID))
    python, _, *arguments = main["command"]
    environment = _environment(main)
    volumes = _volumes(main["volumeMounts"], rest.pop("volumes"), faults)
    resources = _resources(main["resources"], faults)
    affinity = _affinity(rest.pop("affinity", {}), faults)
    faults += _container_faults(main)
    if any(each["name"] != DELIVERY for each in rest.pop("initContainers", ())):
        faults.append(Fault(f"{_POD}.initContainers", _UNSAID))
    selector = rest.pop("nodeSelector", {})
    config = {
        **environment.config,
        **volumes,
        **({"nodeSelector": {"labels": selector}} if selector else {}),
        **_listed("tolerations", rest.pop("tolerations", ())),
        **_listed("nodeAffinity", affinity),
        **({"podMetadata": {name: dict(each) for name, each in metadata.items() if each}}),
        "securityContext": {
            "runAsNonRoot": True,
            **({} if user is None else {"runAsUser": str(user), "runAsGroup": str(user)}),
        },
    }
    if rest.pop("priorityClassName", ""):
        faults.append(Fault("priority", "a pipeline gives its pods no priority class; the context may name one, too"))
    if rest.pop("resourceClaims", ()):
        faults.append(Fault("resources.gpus", "devices that are claimed need a template for each run"))
    faults += [Fault(f"{_POD}.{name}", _UNSAID) for name in sorted(rest)]
    container = {
        "image": main["image"],
        "command": [python, f"{BROUGHT}/start.py"],
        "args": arguments,
        "resources": resources,
        **_listed("env", environment.plain),
    }
    return Executor(container, config, faults)


_UNSAID = "a pipeline has no way to say it"


class _Environment(NamedTuple):
    plain: list[dict[str, str]]
    config: dict[str, Any]


def _environment(container: pods.Container) -> _Environment:
    plain: list[dict[str, str]] = []
    config: dict[str, list[Any]] = {"fieldPathAsEnv": [], "secretAsEnv": [], "secretAsVolume": []}
    for variable in container.get("env", ()):
        source = variable.get("valueFrom", {})
        if "fieldRef" in source:
            config["fieldPathAsEnv"].append({"name": variable["name"], "fieldPath": source["fieldRef"]["fieldPath"]})
        elif "secretKeyRef" in source:
            reference = source["secretKeyRef"]
            keys = [{"secretKey": reference["key"], "envVar": variable["name"]}]
            config["secretAsEnv"].append({**_secret(reference["name"]), "keyToEnv": keys})
        else:
            plain.append({"name": variable["name"], "value": variable["value"]})
    folders = []
    for each in container.get("envFrom", ()):
        name = each["secretRef"]["name"]
        folders.append(f"{_SECRETS}/{name}")
        config["secretAsVolume"].append({**_secret(name), "mountPath": folders[-1], "optional": False})
    if folders:
        plain.append({"name": VARIABLES, "value": ":".join(folders)})
    return _Environment(plain, {name: each for name, each in config.items() if each})


def _secret(name: str) -> dict[str, Any]:
    """Return a Secret's name in both the forms that versions of Kubeflow Pipelines read."""
    return {"secretName": name, "secretNameParameter": {"runtimeValue": {"constant": name}}}


def _volumes(mounts: Any, volumes: Any, faults: list[Fault]) -> dict[str, Any]:
    sources = {each["name"]: each for each in volumes}
    empty: list[dict[str, Any]] = []
    claims: list[dict[str, Any]] = []
    for mount in mounts:
        name, path = mount["name"], mount["mountPath"]
        source = sources[name]
        if name in _SPARED:
            continue
        if "emptyDir" in source:
            kept = {key: source["emptyDir"][key] for key in ("medium", "sizeLimit") if key in source["emptyDir"]}
            empty.append({"volumeName": name, "mountPath": path, **kept})
        elif "persistentVolumeClaim" in source:
            claim = source["persistentVolumeClaim"]["claimName"]
            both = {"constant": claim, "pvcNameParameter": {"runtimeValue": {"constant": claim}}}
            claims.append({**both, "mountPath": path, **({"subPath": mount["subPath"]} if "subPath" in mount else {})})
        else:
            faults.append(Fault(f"{_POD}.volumes.{name}", _UNSAID))
        if mount.get("readOnly"):
            faults.append(Fault(f"volumes.{name}", "a pipeline can't mount a volume for reading alone"))
        for key in sorted(mount.keys() - {"name", "mountPath", "readOnly", "subPath"}):
            faults.append(Fault(f"{_POD}.containers.main.volumeMounts.{name}.{key}", _UNSAID))
    return {**_listed("emptyDirMounts", empty), **_listed("pvcMount", claims)}


def _resources(asked: Mapping[str, Any], faults: list[Fault]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind in ("Request", "Limit"):
        amounts = asked[f"{kind.lower()}s"]
        found |= {f"resource{name.title()}{kind}": amounts[name] for name in ("cpu", "memory") if name in amounts}
    devices = {name: amount for name, amount in asked["limits"].items() if name not in ("cpu", "memory")}
    if devices.pop("ephemeral-storage", None) is not None:
        faults.append(Fault("resources.disk", "a pipeline asks for processors, memory and one kind of device"))
    if len(devices) > 1:
        faults.append(Fault("resources.gpus", f"a pipeline asks for one kind of device, not {', '.join(devices)}"))
    for name, amount in devices.items():
        found["accelerator"] = {"resourceType": name, "resourceCount": str(amount)}
    return found


def _affinity(affinity: Mapping[str, Any], faults: list[Fault]) -> list[dict[str, Any]]:
    """Return the terms of a node's affinity, which Kubeflow Pipelines joins as Kubernetes does: any of them will do."""
    nodes = affinity.get("nodeAffinity", {})
    terms: list[dict[str, Any]] = []
    for term in nodes.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get("nodeSelectorTerms", ()):
        terms.append(dict(term))
    for each in nodes.get("preferredDuringSchedulingIgnoredDuringExecution", ()):
        terms.append({**each["preference"], "weight": each["weight"]})
    faults += [Fault(f"{_POD}.affinity.{kind}", _UNSAID) for kind in sorted(affinity.keys() - {"nodeAffinity"})]
    return terms


def _container_faults(main: pods.Container) -> Iterator[Fault]:
    path = f"{_POD}.containers.{main['name']}"
    for name in sorted(main.keys() - _MAIN):
        yield Fault(f"{path}.{name}", _UNSAID)
    if main["securityContext"] != pods.container_security():
        yield Fault(f"{path}.securityContext", _UNSAID)


def _listed(name: str, items: Iterable[Any]) -> dict[str, Any]:
    found = list(items)
    return {name: found} if found else {}
