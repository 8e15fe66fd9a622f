"""Replays: nothing is ever given twice, and a seed decides everything."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.planner.cluster import Cluster
from fairlead.planner.curves import averaged, binned
from fairlead.planner.demands import Demands
from fairlead.planner.fragmentation import Fragmentation
from fairlead.planner.nodes import Node, gpu_millis_of, gpus_by_model, models_of
from fairlead.planner.policies.table import POLICIES, policy_named
from fairlead.planner.replay import Step, replay
from fairlead.planner.streams import Stream
from fairlead.planner.typical import typical_workload
from fairlead.planner.workloads import Pod
from planner import reference
from planner.clusters import PROPERTY, nodes, workloads

names = st.sampled_from(sorted(POLICIES))


@PROPERTY
@given(nodes, workloads, names)
def test_no_node_gives_more_than_it_has_and_no_pod_waits_that_would_fit(
    known: list[Node], pods: list[Pod], name: str
) -> None:
    distinct = sorted({each.demand for each in pods})
    demands = Demands(distinct, models_of(known))
    measure = Fragmentation(typical_workload(each.demand for each in pods), gpus_by_model(known))
    cluster = Cluster(known, demands, policy_named(name)(demands, measure, Stream(0)), measure)
    given_to: list[list[Pod]] = [[] for _ in known]
    for pod in pods:
        could = [
            pod.demand.memory_mib <= state.memory_left
            and reference.fits(pod.demand, state.cpu_left, state.left, node.model)
            for node, state in zip(known, cluster.nodes, strict=True)
        ]
        place = cluster.place(distinct.index(pod.demand))
        assert (place is None) == (not any(could))
        if place is not None:
            assert could[place.node]
            given_to[place.node].append(pod)
    for node, state, held in zip(known, cluster.nodes, given_to, strict=True):
        assert state.cpu_left == node.cpu_millis - sum(each.demand.cpu_millis for each in held) >= 0
        assert state.memory_left == node.memory_mib - sum(each.demand.memory_mib for each in held) >= 0
        assert sum(state.left) == 1000 * node.gpus - sum(each.demand.total_gpu_millis for each in held)
        assert all(0 <= each <= 1000 for each in state.left)
    assert cluster.used == sum(each.demand.total_gpu_millis for held in given_to for each in held)


@PROPERTY
@given(nodes, workloads, names, st.integers(0, 5))
def test_a_replay_is_the_same_again_and_allocation_only_grows(
    known: list[Node], pods: list[Pod], name: str, seed: int
) -> None:
    steps = replay(known, pods, policy_named(name), seed, None)
    assert steps == replay(known[::-1], pods[::-1], policy_named(name), seed, None)
    assert len(steps) == len(pods)
    used = [each.used for each in steps]
    assert used == sorted(used)
    assert all(each.used <= min(each.arrived, gpu_millis_of(known)) for each in steps)
    assert all(-1e-6 <= each.fragmented <= gpu_millis_of(known) - each.used + 1e-6 for each in steps)


def test_curves_are_means_over_the_pods_of_a_per_cent_and_then_over_seeds() -> None:
    first: Sequence[Step] = [Step(996, 900, 50.0), Step(1004, 1000, 70.0), Step(2000, 1900, 0.0)]
    second = [Step(1000, 990, 60.0)]
    report = averaged([binned(each, 100_000) for each in (first, second)])
    assert [each.arrivals_percent for each in report.gpu_allocation] == [1, 2]
    assert report.gpu_allocation[0].mean == pytest.approx((0.95 + 0.99) / 2)
    assert report.gpu_allocation[0].sd == pytest.approx(0.04 / 2**0.5)
    assert report.gpu_allocation[1].mean == pytest.approx(1.9)
    assert report.fragmentation[0].mean == pytest.approx(0.06)
