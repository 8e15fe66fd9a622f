"""Nodes that do not empty: which pods a budget keeps there, and what is no matter of budgets."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.insight.why import Answer, explain
from insight import pictures as p

KARPENTER = "https://github.com/kubernetes-sigs/karpenter/blob/v1.6.0/pkg/controllers/disruption/events/events.go"


def served(name: str = "serve-0", *, ready: str = "True", app: str = "serve") -> dict[str, Any]:
    """Return a pod that a budget may be of."""
    pod = p.pod(name, spec={"nodeName": "n1"}, phase="Running", conditions=[p.condition("Ready", ready)])
    pod["metadata"]["labels"] = {"app": app}
    return pod


def of_node(*objects: dict[str, Any], cordoned: bool = True, said: str = "") -> Answer:
    """Explain the node ``n1``."""
    node = {**p.node("n1", conditions=[p.condition("Ready", "True")]), "spec": {"unschedulable": cordoned}}
    events = (p.event("DisruptionBlocked", said, kind="Node", name="n1", space=""),) if said else ()
    snapshot = p.picture(node, *objects, events=events)
    found = snapshot.find("Node", "n1")
    assert found is not None
    return explain(snapshot, found)


def test_a_node_that_is_drained_waits_for_the_budget_of_its_pods() -> None:
    (cause,) = of_node(served(), served("serve-1"), p.budget(expected=3, healthy=3, desired=3)).causes
    assert (cause.id, cause.confidence) == ("eviction-refused", 1.0)
    assert "PodDisruptionBudget b does not let serve-0 and 1 more go: it wants 3 of its 3 pods" in cause.message
    assert cause.remedy.startswith('kubectl patch pdb b -n team --type merge -p \'{"spec":{"minAvailable":null')
    assert {"spec.unschedulable", "status.disruptionsAllowed", "spec.nodeName"} <= {
        each.path for each in cause.evidence
    }


@pytest.mark.parametrize(
    ("pod", "more"),
    [
        (served(app="other"), {}),  # the budget is not its own
        (served(ready="False"), {}),  # it is not well, and the others are enough
        (p.ended(0), {}),
        (served(), {"cordoned": False}),  # nobody asks for it
    ],
)
def test_what_no_budget_holds_is_not_said_to_be_held(pod: dict[str, Any], more: dict[str, Any]) -> None:
    assert not of_node(pod, p.budget(expected=3, healthy=2, desired=2), **more).causes


def test_a_pod_that_is_not_well_stays_while_too_few_others_are_unless_the_budget_lets_it_go() -> None:
    budget = p.budget(expected=3, healthy=1, desired=2)
    (cause,) = of_node(served(ready="False"), budget).causes
    assert "AlwaysAllow" in cause.remedy
    budget["spec"]["unhealthyPodEvictionPolicy"] = "AlwaysAllow"
    assert not of_node(served(ready="False"), budget).causes


def test_a_budget_of_another_namespace_is_known_by_what_karpenter_says() -> None:
    (cause,) = of_node(cordoned=False, said="Pdb prevents pod evictions (PodDisruptionBudget=[shop/db])").causes
    assert cause.id == "eviction-refused" and "[shop/db]" in cause.message
