"""Whether a pod could ever be on a node: only what is certain counts against it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.targets.fitting import never_fits, requests


def node(
    name: str = "n", *, taints: Any = None, labels: dict[str, str] | None = None, **allocatable: str
) -> dict[str, Any]:
    given = {"cpu": "4", "memory": "16Gi", "pods": "110", **allocatable}
    return {"metadata": {"name": name, "labels": labels}, "spec": {"taints": taints}, "status": {"allocatable": given}}


def pod(*, cpu: str = "1", init: str = "", **spec: Any) -> dict[str, Any]:
    first = [{"resources": {"requests": {"cpu": init}}}] if init else []
    asked = {"cpu": cpu, **spec.pop("more", {})}
    return {"spec": {"containers": [{"resources": {"requests": asked}}], "initContainers": first, **spec}}


def affinity(**expression: Any) -> dict[str, Any]:
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


SPOT = [{"key": "spot", "value": "yes", "effect": "NoSchedule"}]
CORDON = [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]


@pytest.mark.parametrize(
    ("asking", "having", "said"),
    [
        (pod(), node(), ""),
        (pod(cpu="64"), node(), "asks for 64 cpu, and it has 4"),
        (pod(init="64"), node(), "asks for 64 cpu, and it has 4"),
        (pod(more={"nvidia.com/gpu": "1"}), node(), "asks for 1 nvidia.com/gpu, and it has 0"),
        (pod(overhead={"cpu": "3500m"}), node(), "asks for 4.5 cpu"),
        (pod(nodeSelector={"zone": "a"}), node(labels={"zone": "b"}), "has no label zone=a"),
        (pod(nodeSelector={"zone": "a"}), node(labels={"zone": "a"}), ""),
        (pod(), node(taints=SPOT), "has the taint spot=yes:NoSchedule"),
        (pod(tolerations=[{"key": "spot", "operator": "Equal", "value": "yes"}]), node(taints=SPOT), ""),
        (pod(tolerations=[{"operator": "Exists"}]), node(taints=SPOT), ""),
        (pod(tolerations=[{"key": "spot", "value": "no"}]), node(taints=SPOT), "has the taint"),
        (pod(), node(taints=CORDON), ""),
        (pod(), node(taints=[{"key": "spot", "effect": "PreferNoSchedule"}]), ""),
        (pod(affinity=affinity(key="zone", operator="In", values=["a"])), node(labels={"zone": "b"}), "affinity excludes"),
        (pod(affinity=affinity(key="zone", operator="NotIn", values=["a"])), node(), ""),
        (pod(affinity=affinity(key="n", operator="Gt", values=["3"])), node(labels={"n": "3"}), "affinity excludes"),
        (pod(affinity=affinity(key="n", operator="Odd")), node(), ""),
    ],
)  # fmt: skip
def test_a_node_that_a_pod_can_never_be_on(asking: dict[str, Any], having: dict[str, Any], said: str) -> None:
    found = never_fits(asking, [having])
    assert (said in found) if said else not found


def test_one_node_that_may_do_is_enough_and_none_says_nothing() -> None:
    asking = pod(cpu="8")
    assert never_fits(asking, [node(), node(cpu="16")]) == ""
    assert never_fits(asking, []) == ""
    assert "2 of 3: asks for 8 cpu, and it has 4" in never_fits(asking, [node(), node(), node(cpu="2")])


AMOUNTS = st.integers(1, 64).map(str)


@given(st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=1, max_size=4), st.lists(AMOUNTS, max_size=3))
def test_a_pod_asks_for_its_containers_together_or_its_largest_first_one(
    containers: list[tuple[str, str]], first: list[str]
) -> None:
    document = {
        "spec": {
            "containers": [{"resources": {"requests": {"cpu": a, "memory": f"{b}Mi"}}} for a, b in containers],
            "initContainers": [{"resources": {"requests": {"cpu": a}}} for a in first],
        }
    }
    asked = requests(document)
    assert asked["cpu"] == max([sum(int(a) for a, _ in containers), *map(int, first)])
    assert asked["memory"] == sum(int(b) for _, b in containers) * 1024 * 1024
    enough = {"cpu": str(asked["cpu"]), "memory": str(asked["memory"])}
    assert never_fits(document, [node(**enough)]) == ""
    assert never_fits(document, [node(**{**enough, "cpu": str(asked["cpu"] - Decimal("0.001"))})])
