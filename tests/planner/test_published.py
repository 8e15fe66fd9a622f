"""A few seeds of the published experiment give what was published; benchmarks/fgd.py replays all of it."""

from __future__ import annotations

import pytest

from fairlead.planner.curves import averaged, binned
from fairlead.planner.nodes import gpu_millis_of
from fairlead.planner.policies.table import policy_named
from fairlead.planner.replay import replay
from planner.clusters import TRACES, trace
from planner.published import ALLOCATION, ARRIVALS, FRAGMENTATION, POLICIES, tolerance

pytestmark = pytest.mark.skipif(not TRACES.exists(), reason="the published traces are not beside the checkout")

SEEDS = (42, 43)


@pytest.mark.parametrize("name", POLICIES)
def test_the_default_trace_gives_the_published_allocation_and_fragmentation(name: str) -> None:
    nodes, pods = trace("default")
    report = averaged(
        [binned(replay(nodes, pods, policy_named(name), seed, 1.3), gpu_millis_of(nodes)) for seed in SEEDS]
    )
    allocation = {each.arrivals_percent: each.mean for each in report.gpu_allocation}
    fragmentation = {each.arrivals_percent: each.mean for each in report.fragmentation}
    mean, sd = ALLOCATION["default"][POLICIES.index(name)]
    allowed = tolerance(sd, len(SEEDS))
    assert allocation[100] == pytest.approx(mean, abs=allowed)
    for percent, published in zip(ARRIVALS, FRAGMENTATION[name], strict=True):
        assert fragmentation[percent] == pytest.approx(published, abs=allowed), percent
    assert max(allocation) == 130


@pytest.mark.parametrize("name", ["default", "gpuspec25"])
def test_balanced_fgd_allocates_more_than_fgd_with_and_without_models(name: str) -> None:
    nodes, pods = trace(name)
    ours, theirs = (
        binned(replay(nodes, pods, policy_named(policy), SEEDS[0], 1.3), gpu_millis_of(nodes))[100].gpu_allocation
        for policy in ("balanced-fgd", "fgd")
    )
    assert ours - theirs > 0.3  # benchmarks/margins.py replays 30 seeds of every trace
