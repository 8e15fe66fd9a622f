"""Snapshots as the planner has them: devices, shares, labels and taints, and whatever can't be read is named."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.planner.standing import Standing, Where
from fairlead.planner.workloads import Demand
from fairlead.runs.importing import imported
from insight import pictures as p

GPU = "nvidia.com/gpu"


def node(name: str, labels: dict[str, str] | None = None, **more: str) -> dict[str, Any]:
    """Return a node with 8 cores and 32 GiB."""
    return p.node(name, labels, **{"cpu": "8", "memory": "32Gi", **more})


def pod(name: str, on: str = "", spec: dict[str, Any] | None = None, **asked: str) -> dict[str, Any]:
    """Return a pod that asks for some resources."""
    container = {"name": "main", "resources": {"requests": {"cpu": "1", "memory": "1Gi", **asked}}}
    placed = {"nodeName": on} if on else {}
    return p.pod(name, spec={"containers": [container], **placed, **(spec or {})}, phase="Running" if on else "Pending")


def said(standing: Standing) -> list[str]:
    return [str(each) for each in standing.notes]


def test_what_pods_have_is_not_left() -> None:
    found = imported(
        p.picture(
            node("n1", **{GPU: "4"}),
            node("n2"),
            pod("a", "n1", **{GPU: "3"}),
            pod("b", "n1"),
            pod("c", "n2"),
            {**pod("d", "n1", **{GPU: "1"}), "status": {"phase": "Succeeded"}},
            pod("e", **{GPU: "2"}),
        )
    )
    one, two = found.pools
    assert (one.left, one.cpu_left, one.memory_left) == ((0, 0, 0, 1000), 6000, 30 * 1024)
    assert (two.left, two.cpu_left, two.node.gpus, two.node.model) == ((), 7000, 0, "")
    assert [(each.pod.name, each.pod.demand, each.host) for each in found.pods] == [
        ("team/a", Demand(1000, 1024, 3, 1000), "n1"),
        ("team/b", Demand(1000, 1024), "n1"),
        ("team/c", Demand(1000, 1024), "n2"),
        ("team/e", Demand(1000, 1024, 2, 1000), ""),
    ]
    assert not found.notes


def test_whole_cards_and_slices_of_a_node_are_two_pools_that_share_its_cpu() -> None:
    found = imported(
        p.picture(
            node("n", **{GPU: "2", "nvidia.com/mig-1g.5gb": "7"}), pod("a", "n", **{"nvidia.com/mig-1g.5gb": "2"})
        )
    )
    assert [(each.node.name, each.host, sum(each.left), each.cpu_left, each.slices) for each in found.pools] == [
        (f"n/{GPU}", "n", 2000, 7000, False), ("n/nvidia.com/mig-1g.5gb", "n", 5000, 7000, True),
    ]  # fmt: skip
    assert found.pods[0].pod.demand.models == ("mig-1g.5gb",)


def test_shares_are_parts_of_cards() -> None:
    shared = {"nvidia.com/gpu.product": "T4-SHARED", "nvidia.com/gpu.replicas": "4"}
    found = imported(
        p.picture(
            node("n", shared, **{GPU: "8"}),
            pod("a", "n", **{GPU: "1"}),
            pod("b", "n", **{GPU: "2"}),
            pod("c", **{GPU: "1"}),
            pod("d", **{GPU: "5"}),
        )
    )
    assert found.pools[0].left == (500, 750)
    assert [(each.pod.demand.gpus, each.pod.demand.gpu_millis) for each in found.pods] == [
        (1, 250), (1, 500), (1, 250), (2, 1000),
    ]  # fmt: skip
    assert said(found) == [
        f"Pod team/{name}: asks for {count} shares, 4 of which are a card, and is counted as if it had them of one"
        for name, count in (("b", 2), ("d", 5))
    ]


def test_a_label_of_a_cloud_tells_a_spot_node() -> None:
    labels = ({"cloud.google.com/gke-spot": "true"}, {"karpenter.sh/capacity-type": "on-demand"}, None)
    found = imported(p.picture(*(node(f"n{number}", each, **{GPU: "1"}) for number, each in enumerate(labels))))
    assert [pool.node.spot for pool in found.pools] == [True, False, False]


def test_labels_and_taints_say_where_pods_may_be() -> None:
    tainted = node("n3", {"pool": "b"}, **{GPU: "1"})
    tainted["spec"] = {"taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]}
    cordoned = node("n4", {"pool": "b"}, **{GPU: "1"})
    cordoned["spec"] = {"unschedulable": True}
    lost = p.node("n5", {"pool": "b"}, [p.condition("Ready", "Unknown")], cpu="8", memory="32Gi", **{GPU: "1"})
    tolerating = {"tolerations": [{"key": "k", "operator": "Exists"}], "nodeSelector": {"pool": "b"}}
    found = imported(
        p.picture(
            node("n1", {"pool": "a", "nvidia.com/gpu.product": "A10"}, **{GPU: "1"}),
            node("n2", {"pool": "b"}, **{GPU: "1"}),
            tainted,
            cordoned,
            lost,
            pod("any", **{GPU: "1"}),
            pod("b", spec={"nodeSelector": {"pool": "b"}}, **{GPU: "1"}),
            pod("t", spec=tolerating, **{GPU: "1"}),
            pod("none", spec={"nodeSelector": {"pool": "c"}}, **{GPU: "1"}),
            pod("amd", **{"amd.com/gpu": "1"}),
        )
    )
    b = frozenset(("n2", "n3", "n4", "n5"))
    wheres = [found.wheres[each.where] for each in found.pods if each.where is not None]
    assert wheres == [
        Where(b | {"n1"}, frozenset(("n1", "n2"))),
        Where(b, frozenset(("n2",))),
        Where(b, frozenset(("n2", "n3"))),
        Where(frozenset(), frozenset()),
        Where(b | {"n1"}, frozenset(("n1", "n2"))),
    ]
    assert [each.pod.demand.models for each in found.pods] == [
        (), (GPU,), (GPU,), (f"no node's {GPU}",), ("no node's amd.com/gpu",),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("thing", "expected"),
    [
        (p.node("n", cpu="8", **{GPU: "1"}),
         "Node n: is left out: it does not say how much CPU and memory it has for pods"),
        (node("n", **{GPU: "some"}), f"Node n: is left out: {GPU} is 'some', which can't be"),
        (node("n", **{GPU: "-1"}), f"Node n: is left out: {GPU} is '-1', which can't be"),
        (node("n", **{GPU: "0.5"}), f"Node n: is left out: {GPU} is '0.5', which can't be"),
        (p.node("n", cpu="1E", memory="1Gi"), "Node n: is left out: cpu is '1E', which can't be"),
        (pod("p", **{GPU: "one"}), f"Pod team/p: is left out: {GPU} is 'one', which can't be"),
        (pod("p", spec={"containers": "none"}), "Pod team/p: is left out: it has no list of containers"),
        (pod("p", spec={"containers": [1]}), "Pod team/p: is left out: it has no list of containers"),
        (pod("p", spec={"overhead": {"cpu": "x"}}), "Pod team/p: is left out: cpu is 'x', which can't be"),
        (pod("p", "gone"), "Pod team/p: is on the node gone, which could not be read"),
        (pod("p", spec={"resourceClaims": [{"name": "gpu"}]}), "Pod team/p: claims devices, which are not looked at"),
        (pod("p", **{GPU: "1", "amd.com/gpu": "2"}),
         f"Pod team/p: asks for devices of several kinds (amd.com/gpu, {GPU}), and is counted for one"),
    ],
)  # fmt: skip
def test_what_can_not_be_read_is_named(thing: dict[str, Any], expected: str) -> None:
    assert said(imported(p.picture(thing))) == [expected]


def test_devices_that_are_not_offered_or_given_twice_are_named() -> None:
    broken = node("n", **{GPU: "2"})
    broken["status"]["capacity"] = {GPU: "4", "cpu": "8"}
    found = imported(p.picture(broken, pod("a", "n", **{GPU: "3"})))
    assert said(found) == [
        f"Node n: has 4 {GPU}, and offers 2 of them to pods", f"Node n: pods on n have 3 {GPU}: more than it has",
    ]  # fmt: skip
    assert found.pools[0].left == (0, 0)


values = st.recursive(
    st.none() | st.integers() | st.text(max_size=4) | st.sampled_from(("1", "8", "-1", "1Gi")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ("cpu", "memory", GPU, "spec", "status", "containers", "resources", "requests", "allocatable")
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(("Node", "Pod")), values, values), max_size=4))
def test_nothing_that_a_bundle_may_hold_breaks_it_or_goes_unnamed(drawn: list[tuple[str, Any, Any]]) -> None:
    objects = [
        p.thing(kind, f"x{number}", spec=spec, status=status) for number, (kind, spec, status) in enumerate(drawn)
    ]
    found = imported(p.picture(*objects))
    named = {str(each.path) for each in found.notes}
    for number, (kind, _, status) in enumerate(drawn):
        is_ended = kind == "Pod" and isinstance(status, dict) and status.get("phase") in ("Succeeded", "Failed")
        hosts = {pool.host for pool in found.pools} if kind == "Node" else {each.pod.name for each in found.pods}
        name = f"x{number}" if kind == "Node" else f"{p.NAMESPACE}/x{number}"
        assert is_ended or name in hosts or f"{kind} {p.NAMESPACE}/x{number}" in named
