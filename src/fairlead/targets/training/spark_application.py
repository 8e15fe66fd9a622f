"""The Spark Operator's ``SparkApplication``: the step is the driver, and its executors come and go with it.

The image is one of Spark's, whose entry point starts both; see the operator's documentation. What a container has comes
from templates of pods, which Spark takes from version 3 on; cores and memory are Spark's own words.

Sources: https://www.kubeflow.org/docs/components/spark-operator/reference/api-docs/,
https://spark.apache.org/docs/latest/running-on-kubernetes.html#pod-template
"""

from __future__ import annotations

from typing import Any, Literal

from fairlead.errors import Fault
from fairlead.specs.resources import Resources
from fairlead.specs.runtimes import Spark
from fairlead.targets import naming, pods
from fairlead.targets.hardware import devices
from fairlead.targets.orders import Manifest
from fairlead.targets.overlays import overlaid, refused
from fairlead.targets.resources import resources
from fairlead.targets.training import nodes
from fairlead.targets.training.conditions import is_suspended
from fairlead.targets.training.indexed_job import KEPT_S
from fairlead.targets.training.members import labels, metadata
from fairlead.targets.training.target import Gang, Resource, State, Target

_APPLICATION = Resource("sparkoperator.k8s.io", "v1beta2", "SparkApplication", "sparkapplications")
_VERSION = "4.0.0"
"""Of Spark: the operator reads from it whether pods have templates; which Spark runs is the image's affair."""
_CONTAINER = "spark-kubernetes-{}"
"""The name of the container of each role: Spark takes the first one where none has it, and the operator says nothing
then of how it ended."""
_HEAP = 0.6
"""The part of a pod's memory that the JVM has; the rest is for Python and for what else there is."""
_OF_PODS = "would change pods, which overlays of the kind Pod do"
_OPENED = frozenset(
    {"metadata.annotations", "metadata.labels", "spec.sparkConf", "spec.hadoopConf", "spec.deps", "spec.sparkVersion"}
)
_WORDS: dict[str, Literal["waiting", "running", "succeeded", "failed"]] = {
    "": "running",
    "SUBMITTED": "running",
    "RUNNING": "running",
    "PENDING_RERUN": "running",
    "INVALIDATING": "running",
    "SUCCEEDING": "running",
    "FAILING": "running",
    "UNKNOWN": "running",
    "SUSPENDING": "waiting",
    "SUSPENDED": "waiting",
    "RESUMING": "running",
    "COMPLETED": "succeeded",
    "FAILED": "failed",
    "SUBMISSION_FAILED": "failed",
}


def render(gang: Gang) -> list[Manifest]:
    """Compile an attempt.

    Raises:
        SpecError: An overlay makes it what can't be on a cluster.
    """
    assert isinstance(gang.cluster, Spark)
    context = gang.submission.context
    program, *arguments = nodes.command(gang)[1:]  # without the Python that Spark chooses itself
    made: Manifest = {
        "apiVersion": _APPLICATION.api_version,
        "kind": _APPLICATION.kind,
        "metadata": metadata(gang, labels(gang)),
        "spec": {
            "type": "Python",
            "pythonVersion": "3",
            "mode": "cluster",
            "sparkVersion": _VERSION,
            "image": gang.step.environment.image or context.image,
            "mainApplicationFile": f"local://{program}",
            "arguments": arguments,
            "restartPolicy": {"type": "Never"},
            "timeToLiveSeconds": KEPT_S,
            "driver": {
                **_share(gang, "driver"),
                "serviceAccount": context.driver_service_account,  # it creates its executors
                "template": _driver(gang),
            },
            "executor": {
                **_share(gang, "executor"),
                "instances": gang.cluster.executors,
                "template": nodes.named(nodes.node(gang, "executor"), _CONTAINER.format("executor")),
            },
        },
    }
    found = overlaid(gang.step, made, None, _OPENED)
    settings = [each for each in found["spec"].get("sparkConf") or () if each.startswith("spark.kubernetes.")]
    if settings:
        faults = [Fault(f"overlays.{_APPLICATION.kind}.spec.sparkConf.{each}", _OF_PODS) for each in settings]
        raise refused(f"step {gang.step.name!r}", _APPLICATION.kind, faults)
    return [naming.marked(found)]


def state(found: Manifest) -> State:
    """Return what a SparkApplication says of its step. Total over everything that it says."""
    said: dict[str, Any] = (found.get("status") or {}).get("applicationState") or {}
    word, note = str(said.get("state") or ""), str(said.get("errorMessage") or "")
    if word == "" and is_suspended(found):
        return State("waiting")
    return State(_WORDS[word], note) if word in _WORDS else State("running", f"{word}: {note}".rstrip(": "))


def _driver(gang: Gang) -> Manifest:
    """Return the template of the driver's pod, which creates those of its executors."""
    account = {"serviceAccountName": gang.submission.context.driver_service_account}
    made = nodes.named(nodes.node(gang, "driver", runs_it=True), _CONTAINER.format("driver"))
    return {**made, "spec": {**made["spec"], **account, "automountServiceAccountToken": True}}


def _share(gang: Gang, role: str) -> dict[str, Any]:
    """Return the cores and memory of a role, of which Spark makes requests and limits, and the accelerators.

    Those the templates have too, claims of devices among them; a queue counts what stands here.
    """
    context, step = gang.submission.context, pods.of_role(gang.step, role)
    asked, declared = resources(context, step), step.resources
    return {
        "cores": max(1, declared.cpu_millis // 1000),
        "coreRequest": asked["requests"]["cpu"],
        "coreLimit": asked["limits"]["cpu"],
        **_memory(declared),
        **_accelerators(devices(context, step)),
    }


def _memory(declared: Resources) -> dict[str, str]:
    if declared.memory_bytes is None:
        return {}
    total = declared.memory_bytes >> 20
    heap = int(total * _HEAP)
    return {"memory": f"{heap}m", "memoryOverhead": f"{total - heap}m"}


def _accelerators(found: dict[str, int]) -> dict[str, Any]:
    """Return the extended resource as a queue counts it; devices that are claimed are none."""
    if not found:
        return {}
    ((name, amount),) = found.items()
    return {"gpu": {"name": name, "quantity": amount}}


TARGET = Target(
    name="sparkapplication",
    component="the Kubeflow Spark Operator 2.5 or newer",
    runtimes=frozenset({"spark"}),
    resources=(_APPLICATION,),
    faults=lambda _: (),
    groups_itself=True,
    render=render,
    state=state,
)
