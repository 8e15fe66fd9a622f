"""The order of pods, and drawing more of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fairlead.planner.arrivals import inflated, shuffled
from fairlead.planner.streams import Stream
from fairlead.planner.workloads import Pod
from planner.clusters import PROPERTY, workloads


def asked(pods: list[Pod]) -> int:
    return sum(each.demand.total_gpu_millis for each in pods)


@PROPERTY
@given(workloads, st.integers(0, 9))
def test_the_order_depends_on_the_seed_alone(pods: list[Pod], seed: int) -> None:
    found = shuffled(pods, Stream(seed))
    assert found == shuffled(pods[::-1], Stream(seed))
    assert sorted(found, key=lambda each: each.name) == sorted(pods, key=lambda each: each.name)


@PROPERTY
@given(workloads.filter(lambda pods: asked(pods) > 0), st.integers(0, 40_000), st.integers(0, 9))
def test_pods_are_added_or_left_out_until_they_ask_for_enough(pods: list[Pod], wanted: int, seed: int) -> None:
    found = inflated(pods, wanted, Stream(seed))
    most = max(each.demand.total_gpu_millis for each in pods)
    if asked(pods) <= wanted:
        assert found[: len(pods)] == pods
        # the first that would go beyond by one of its GPUs is not added; its others may
        assert wanted - 1000 <= asked(found) < wanted + most
    else:
        assert asked(found) <= wanted
        assert set(found) <= set(pods)
