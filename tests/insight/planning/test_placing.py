"""Placement: what fits no node even empty is never, what has no room is not now, and each says what would fit."""

from __future__ import annotations

from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.insight.planning.amounts import named
from fairlead.insight.planning.plans import judge, verdict_of
from fairlead.specs.resources import Resources
from fairlead.specs.runtimes import Torch
from fairlead.specs.steps import Overlay
from insight.pictures import node, pod, thing
from insight.planning.flows import BIG, against, asks, cluster_wide, facts, fit, ids

A100 = {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"}


def gpus(count: str) -> Any:
    return fit(resources=Resources(gpus=count, cpu=1, memory="1Gi"))


def card(name: str = "n1", **more: str) -> dict[str, Any]:
    return node(name, A100, **{"cpu": "64", "memory": "256Gi", "pods": "110", **more})


def taking(name: str, on: str, **requests: str) -> dict[str, Any]:
    container = {
        "name": "main",
        "resources": {"requests": {key.replace("_", "."): each for key, each in requests.items()}},
    }
    return pod(name, spec={"nodeName": on, "containers": [container]}, phase="Running")


def overlaid(**spec: Any) -> Any:
    return fit(resources=Resources(cpu=1, memory="1Gi"), overlays=(Overlay(kind="Pod", patch=spec),))


def test_a_step_that_fits_would_run_now() -> None:
    found = judge(asks(fit(resources=Resources(cpu=2, memory="4Gi"))), facts(BIG))
    assert [(each.reasons, each.unread) for each in found] == [((), ())] * 2


@pytest.mark.parametrize(
    ("step", "has", "fits"),
    [
        (gpus("A100-80GB:8"), {"nvidia.com/gpu": "7"}, "7 GPUs"),
        (fit(resources=Resources(cpu=2, memory="64Gi")), {"memory": "58Gi"}, "memory 58Gi"),
        (fit(resources=Resources(cpu=80, memory="1Gi")), {"cpu": "63500m"}, "cpu 63500m"),
        (fit(resources=Resources(cpu=80, memory="300Gi")), {}, "cpu 64, memory 256Gi"),
    ],
)  # fmt: skip
def test_more_than_any_node_has_is_never_and_the_nearest_says_what_would_fit(
    step: Any, has: dict[str, str], fits: str
) -> None:
    (reason,) = against(asks(step), facts(node("small", A100, cpu="1", memory="1Gi", pods="9"), card(**has)))
    assert (reason.id, reason.verdict, reason.fits) == ("more-than-any-node", "never", fits)
    assert any(each.subject == "Node n1" for each in reason.evidence)
    assert any(each.path.startswith("spec.containers[0].resources.requests") for each in reason.evidence)


def test_what_no_node_has_at_all_is_said() -> None:
    (reason,) = against(asks(gpus("A100-80GB:1")), facts(card()))
    assert reason.id == "more-than-any-node" and "no node has any nvidia.com/gpu" in reason.message and not reason.fits


@pytest.mark.parametrize(
    ("there", "fits"),
    [(("mig-1g.10gb", "mig-4g.40gb", "mig-7g.80gb"), "mig-4g.40gb"), (("mig-1g.10gb",), "mig-1g.10gb"), ((), "")],
)  # fmt: skip
def test_a_mig_profile_that_is_not_there_has_another_that_is(there: tuple[str, ...], fits: str) -> None:
    slices = {f"nvidia.com/{each}": "2" for each in there}
    (reason,) = against(asks(gpus("A100-80GB-MIG-3g.40gb:1")), facts(card(**slices)))
    assert (reason.id, reason.fits) == ("mig-profile-absent", fits)


def test_labels_that_no_node_has_are_never_with_those_that_there_are() -> None:
    step = overlaid(nodeSelector={"pool": "fast"})
    (reason,) = against(asks(step), facts(node("n1", {"pool": "slow"}, cpu="9", memory="9Gi")))
    assert (reason.id, reason.fits) == ("node-labels-unmatched", "pool=slow")
    assert [(each.path, each.value) for each in reason.evidence] == [('metadata.labels["pool"]', "slow")]


def test_an_affinity_is_held_against_the_nodes() -> None:
    terms = [{"matchExpressions": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["arm64"]}]}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    step = overlaid(affinity={"nodeAffinity": required})
    amd, arm = (node(each, {"kubernetes.io/arch": each}, cpu="9", memory="9Gi") for each in ("amd64", "arm64"))
    assert ids(asks(step), facts(amd)) == {"node-labels-unmatched": "never"}
    assert ids(asks(step), facts(amd, arm)) == {}


def test_a_taint_is_never_unless_it_passes_or_is_tolerated() -> None:
    def tainted(key: str) -> dict[str, Any]:
        return {**BIG, "spec": {"taints": [{"key": key, "value": "a", "effect": "NoSchedule"}]}}

    plain = fit(resources=Resources(cpu=1))
    (reason,) = against(asks(plain), facts(tainted("team")))
    assert (reason.id, reason.fits) == ("untolerated-taint", "a toleration of team=a:NoSchedule")
    assert ids(asks(overlaid(tolerations=[{"key": "team", "operator": "Exists"}])), facts(tainted("team"))) == {}
    assert ids(asks(plain), facts(tainted("node.kubernetes.io/not-ready"))) == {"node-cordoned": "not-now"}


def test_a_cordoned_node_takes_nothing_now() -> None:
    (reason,) = against(asks(fit()), facts({**BIG, "spec": {"unschedulable": True}}))
    assert (reason.id, reason.verdict) == ("node-cordoned", "not-now") and "uncordon n1" in reason.remedy


def test_what_is_taken_is_not_now_and_says_after_whose_end_there_is_room() -> None:
    others = (taking("long", "n1", cpu="60"), taking("short", "n1", cpu="1"))
    (reason,) = against(asks(fit(resources=Resources(cpu=8, memory="1Gi"))), facts(BIG, *others))
    assert (reason.id, reason.verdict, reason.fits) == ("insufficient-resources", "not-now", "cpu 3")
    assert reason.message.endswith("there is room on n1 once long ended")
    assert ids(asks(fit(resources=Resources(cpu=3, memory="1Gi"))), facts(BIG, *others)) == {}


def test_pods_that_have_ended_take_nothing() -> None:
    gone = {**taking("gone", "n1", cpu="64"), "status": {"phase": "Succeeded"}}
    assert ids(asks(fit(resources=Resources(cpu=8))), facts(BIG, gone)) == {}


def test_cards_that_are_free_here_and_there_are_scattered() -> None:
    cluster = facts(*(card(f"n{each}", **{"nvidia.com/gpu": "4"}) for each in range(2)), *(
        {**taking(f"p{each}", f"n{each}"), "spec": {"nodeName": f"n{each}", "containers": [
            {"resources": {"limits": {"nvidia.com/gpu": "2"}}}]}} for each in range(2)))  # fmt: skip
    (reason,) = against(asks(gpus("A100-80GB:4")), cluster)
    assert (reason.id, reason.verdict, reason.fits) == ("gpus-scattered", "not-now", "2 GPUs")


def test_a_gang_needs_all_its_nodes_at_once() -> None:
    step = fit(runtime=Torch(nodes=4), resources=Resources(cpu=8, memory="1Gi"))
    two = [node(f"n{each}", cpu="12", memory="64Gi", pods="110") for each in range(2)]
    (reason,) = against(asks(step), facts(*two))
    assert (reason.id, reason.verdict, reason.fits) == ("gang-never-whole", "never", "2 nodes")
    four = [node(f"n{each}", cpu="12", memory="64Gi", pods="110") for each in range(4)]
    assert ids(asks(step), facts(*four)) == {}
    (reason,) = against(asks(step), facts(*four, taking("p", "n1", cpu="8")))
    assert (reason.id, reason.verdict, reason.fits) == ("gang-not-whole-now", "not-now", "3 nodes")


def test_an_elastic_gang_begins_with_fewer() -> None:
    step = fit(runtime=Torch(nodes=4, nodes_min=2), resources=Resources(cpu=8, memory="1Gi"))
    assert ids(asks(step), facts(*(node(f"n{each}", cpu="12", memory="64Gi") for each in range(2)))) == {}


def test_an_autoscaler_may_add_what_is_not_there() -> None:
    (reason,) = against(asks(gpus("A100-80GB:1")), facts(card(), cluster_wide("NodePool", "gpu")))
    assert reason.verdict == "not-now" and "NodePool gpu adds nodes" in reason.message


def test_what_could_not_be_read_leaves_it_unknown() -> None:
    step = fit(resources=Resources(cpu=1, memory="1Gi"))
    for kind in ("Node", "Pod"):
        (judged, _) = judge(asks(step), facts(BIG, unread=frozenset({kind})))
        assert not judged.reasons and verdict_of(judged.reasons, judged.unread) == "unknown"


def test_a_cluster_without_nodes_runs_nothing() -> None:
    assert ids(asks(fit()), facts()) == {"no-nodes": "never"}


@pytest.mark.parametrize(("resource", "amount", "said"), [
    ("cpu", "0.25", "cpu 250m"), ("memory", "1610612736", "memory 1536Mi"), ("memory", "100000000000", "memory 93Gi"),
    ("nvidia.com/gpu", "1", "1 GPU"), ("nvidia.com/mig-1g.5gb", "2", "2 of mig-1g.5gb"), ("a/b", "3", "3 a/b"),
    ("memory", "500", "memory 500"),
])  # fmt: skip
def test_amounts_are_written_as_people_write_them(resource: str, amount: str, said: str) -> None:
    assert named(resource, Decimal(amount)) == said


LABELS = st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy"))
TAINTS = st.lists(
    st.fixed_dictionaries({"key": st.sampled_from("tu"), "effect": st.sampled_from(("NoSchedule", "PreferNoSchedule"))}),
    max_size=1,
)  # fmt: skip


@settings(deadline=None)
@given(
    nodes=st.lists(st.tuples(LABELS, TAINTS, st.integers(1, 4), st.integers(0, 3)), min_size=1, max_size=4),
    selector=LABELS, tolerated=st.sets(st.sampled_from("tu")), cpu=st.integers(1, 4), count=st.integers(1, 4),
)  # fmt: skip
def test_what_fits_when_every_way_is_tried_is_never_called_never(
    nodes: list[Any], selector: dict[str, str], tolerated: set[str], cpu: int, count: int
) -> None:
    things = [
        {**node(f"n{number}", labels, cpu=str(has), memory="64Gi"), "spec": {"taints": taints}}
        for number, (labels, taints, has, _) in enumerate(nodes)
    ]
    # the node "own" has room for the pod that waits for the gang
    things += [taking(f"p{number}", f"n{number}", cpu=str(used)) for number, (*_, used) in enumerate(nodes) if used]
    patch = {"nodeSelector": selector, "tolerations": [{"key": key, "operator": "Exists"} for key in sorted(tolerated)]}
    step = fit(runtime=Torch(nodes=count), resources=Resources(cpu=cpu, memory="1Gi"),
               overlays=(Overlay(kind="Pod", patch=patch),))  # fmt: skip
    (judged, _) = judge(asks(step), facts(node("own", cpu="1", memory="1Gi"), *things))
    able = [
        number for number, (labels, taints, _, _) in enumerate(nodes)
        if selector.items() <= labels.items()
        and all(each["key"] in tolerated or each["effect"] != "NoSchedule" for each in taints)
    ]  # fmt: skip
    ever = [nodes[number][2] for number in able] + ([1] if not selector else [])
    now = [max(0, nodes[number][2] - nodes[number][3]) for number in able] + ([1] if not selector else [])
    verdict = verdict_of(judged.reasons, judged.unread)
    assert (verdict != "never") == _has_room(ever, cpu, count)
    assert (verdict == "now") == _has_room(now, cpu, count)


def _has_room(left: list[int], cpu: int, count: int) -> bool:
    """Try every way in which pods could be put on nodes."""
    return any(
        all(sum(cpu for each in chosen if each == number) <= has for number, has in enumerate(left))
        for chosen in product(range(len(left)), repeat=count)
    )


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
        st.sampled_from(["spec", "status", "taints", "allocatable", "cpu", "labels", "metadata", "resourceGroups",
                         "flavors", "resources", "name", "limits", "max", "hard", "type", "key", "effect"]), inner,
        max_size=3),
    max_leaves=8,
)  # fmt: skip
KINDS = st.sampled_from([
    "Node", "Pod", "ResourceQuota", "LimitRange", "LocalQueue", "ClusterQueue", "ResourceFlavor", "Namespace",
    "StorageClass", "PersistentVolumeClaim", "Cohort",
])  # fmt: skip


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(KINDS, st.sampled_from(["q", "team", "n"]), ODD, ODD), max_size=6))
def test_objects_of_any_form_are_borne(objects: list[Any]) -> None:
    made = [{**thing(kind, name), "spec": spec, "status": status} for kind, name, spec, status in objects]
    made += [cluster_wide(kind, name, spec=spec, status=status) for kind, name, spec, status in objects]
    steps = asks(fit(queue="q", resources=Resources(gpus="A100-80GB:1")))
    assert len(judge(steps, facts(*made))) == 2
