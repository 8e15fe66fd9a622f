"""The Training Operator's ``XGBoostJob``: the node with rank 0 is its one ``Master``, and the others are workers.

The operator takes the end of the master for that of the job, whatever the workers still do; so that pod waits until all
ranks have left their records. It numbers the pods over both roles, in the variable ``RANK``.

Source: https://www.kubeflow.org/docs/components/trainer/legacy-v1/user-guides/xgboost/
"""

from __future__ import annotations

from fairlead.targets import naming
from fairlead.targets.orders import Manifest
from fairlead.targets.overlays import overlaid
from fairlead.targets.training import conditions
from fairlead.targets.training.gang_scheduling import scheduling_policy
from fairlead.targets.training.indexed_job import KEPT_S
from fairlead.targets.training.members import MASTER_PORT, Places, labels, member, metadata
from fairlead.targets.training.operator_jobs import COMPONENT, ONCE, OPENED
from fairlead.targets.training.target import Gang, Resource, Target

_JOB = Resource("kubeflow.org", "v1", "XGBoostJob", "xgboostjobs")
_CONTAINER, _PORT = "xgboost", "xgboostjob-port"


def render(gang: Gang) -> list[Manifest]:
    """Compile the ranks of an attempt.

    Raises:
        SpecError: An overlay makes it what can't be on a cluster.
    """
    workers = gang.runtime.nodes - 1
    made: Manifest = {
        "apiVersion": _JOB.api_version,
        "kind": _JOB.kind,
        "metadata": metadata(gang, labels(gang)),
        "spec": {
            "runPolicy": {**ONCE, **scheduling_policy(gang), "ttlSecondsAfterFinished": KEPT_S},
            "xgbReplicaSpecs": {
                "Master": _replicas(gang, 1, 0, "--last"),
                **({"Worker": _replicas(gang, workers, 1)} if workers else {}),
            },
        },
    }
    return [naming.marked(overlaid(gang.step, made, None, OPENED))]


def _replicas(gang: Gang, count: int, first: int, *more: str) -> Manifest:
    """Return the pods of one role, the first of which is the node of this number."""
    template = member(gang, Places("RANK", f"{gang.object_name}-master-0"), *more, container=_CONTAINER)
    template["metadata"]["annotations"][naming.FIRST_NODE] = str(first)
    (main,) = (each for each in template["spec"]["containers"] if each["name"] == _CONTAINER)
    main["ports"] = [*main.get("ports", ()), {"name": _PORT, "containerPort": MASTER_PORT}]
    return {"replicas": count, "restartPolicy": "Never", "template": template}


TARGET = Target(
    name="xgboostjob",
    component=COMPONENT,
    runtimes=frozenset({"xgboost"}),
    resources=(_JOB,),
    groups_itself=True,
    render=render,
    state=conditions.state,
)
