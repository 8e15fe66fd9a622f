"""The tasks of a ``PipelineRun``: a pod in the form that Tekton has for it.

Tekton has no init containers: steps run one after another, and what is to run first is a step before the others. The
fields of a pod that are no container's stand in a template of the run, which is merged field by field. What neither
has a place for is refused.

Source: https://tekton.dev/docs/pipelines/podtemplates/, https://tekton.dev/docs/pipelines/tasks/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fairlead.errors import Fault
from fairlead.specs.contexts import Context
from fairlead.targets import pods
from fairlead.targets.orders import Manifest
from fairlead.targets.refusals import texts

MAIN = f"step-{pods.MAIN}"
"""The name that Tekton gives the container of the step that runs the user's function."""

_TEMPLATE = frozenset(
    {
        "affinity", "automountServiceAccountToken", "dnsConfig", "dnsPolicy", "enableServiceLinks", "hostAliases",
        "imagePullSecrets", "nodeSelector", "priorityClassName", "runtimeClassName", "schedulerName",
        "securityContext", "tolerations", "topologySpreadConstraints",
    }
)  # fmt: skip
"""The fields that a pod's spec and the template of a run have in common."""
_ELSEWHERE = frozenset({"containers", "initContainers", "volumes", "serviceAccountName", "restartPolicy"})
_STEP = frozenset(
    {
        "args", "command", "env", "envFrom", "image", "imagePullPolicy", "name", "securityContext", "volumeDevices",
        "volumeMounts", "workingDir",
    }
)  # fmt: skip
_SIDECAR = _STEP | {"lifecycle", "livenessProbe", "ports", "readinessProbe", "startupProbe"}
_OWN_FOLDER = "/tekton"


class Task(NamedTuple):
    """A pod as a task.

    Attributes:
        spec: Its steps and volumes, as a ``taskSpec``.
        template: The fields of its pod that differ from those of every pod of the run.
        account: The ServiceAccount, where it differs.
    """

    spec: Manifest
    template: Manifest
    account: str


def usual_template(context: Context) -> Manifest:
    """Return the fields that the pods of a run have in common."""
    return {
        "automountServiceAccountToken": False,
        "securityContext": pods.pod_security(context.user),
        **({"priorityClassName": context.priority} if context.priority else {}),
    }


def as_task(context: Context, pod: pods.PodSpec) -> Task:
    """Return the task that makes a pod, of which `pod_faults` has found nothing."""
    usual = usual_template(context)
    main, *beside = sorted(pod["containers"], key=lambda each: bool(each["name"] != pods.MAIN))
    spec: dict[str, Any] = {"steps": [_container(each) for each in (*pod.get("initContainers", ()), main)]}
    if beside:
        spec["sidecars"] = [_container(each) for each in beside]
    if pod.get("volumes"):
        spec["volumes"] = pod["volumes"]
    template = {name: pod[name] for name in sorted(_TEMPLATE & pod.keys()) if usual.get(name) != pod[name]}
    account = str(pod["serviceAccountName"])
    return Task(spec, template, account if account != context.service_account else "")


def pod_faults(pod: pods.PodSpec) -> Iterator[Fault]:
    """Yield what of a pod no task can have, with paths below it."""
    for name in sorted(pod.keys() - _TEMPLATE - _ELSEWHERE):
        yield Fault(name, "has no field in Tekton's template of pods")
    for kind in ("initContainers", "containers"):
        for each in pod.get(kind, ()):
            known = _STEP if kind == "initContainers" or each["name"] == pods.MAIN else _SIDECAR
            for name in sorted(each.keys() - known - {"resources"}):
                yield Fault(f"{kind}[{each['name']}].{name}", "has no field in a step of Tekton's")
            for mount in each.get("volumeMounts", ()):
                path = str(mount.get("mountPath", ""))
                if path == _OWN_FOLDER or path.startswith(f"{_OWN_FOLDER}/"):
                    yield Fault(f"{kind}[{each['name']}].volumeMounts", f"{path} is Tekton's own folder")
    yield from _substituted(pod)


def _substituted(pod: Mapping[str, Any]) -> Iterator[Fault]:
    found = sorted({text for text in texts(pod) if "$(" in text})
    if found:
        yield Fault("", f"holds {found[0]!r}: what stands in $(…) Tekton would replace after the whole was checked")


def _container(container: Mapping[str, Any]) -> Manifest:
    """Return a container as a step or a sidecar, whose resources have another name."""
    found = {name: value for name, value in container.items() if name != "resources"}
    return found | ({"computeResources": container["resources"]} if container.get("resources") else {})
