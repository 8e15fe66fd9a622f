"""Policies against what they are said to do, on nodes in any state."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fairlead.errors import UsageError
from fairlead.planner.demands import Demands
from fairlead.planner.fragmentation import Fragmentation
from fairlead.planner.nodes import Node
from fairlead.planner.policies.balanced_fgd import prices
from fairlead.planner.policies.policy import Policy
from fairlead.planner.policies.table import POLICIES, policy_named
from fairlead.planner.states import NodeState
from fairlead.planner.streams import Stream
from fairlead.planner.typical import typical_workload
from fairlead.planner.workloads import Demand
from planner import reference
from planner.clusters import GPUS, MODELS, PROPERTY, demands

NODE = Node(name="n", cpu_millis=96_000, memory_mib=100, gpus=4, model="A")


def policy(name: str, known: list[Demand]) -> Policy:
    measure = Fragmentation(typical_workload(known), GPUS)
    return policy_named(name)(Demands(known, MODELS), measure, Stream(1))


def state(cpu: int, left: list[int], hosted: tuple[int, ...] = (), node: Node = NODE) -> NodeState:
    """Return a node that has so much left."""
    found = NodeState(node, MODELS)
    for device, each in enumerate(left):
        if each < 1000:
            found.place(Demand(0, 0, 1, 1000 - each), device)
    found.cpu_left = cpu
    found.hosted = Counter(hosted)
    return found


def test_an_unknown_policy_brings_the_nearest_names() -> None:
    with pytest.raises(UsageError, match="did you mean 'fgd'"):
        policy_named("fdg")


of_states = given(
    st.lists(demands, min_size=1, max_size=8, unique=True),
    st.integers(0, 8).map(lambda halves: 500 * halves),
    st.lists(st.sampled_from((0, 100, 250, 500, 900, 1000)), min_size=4, max_size=4),
)
"""Demands, and what a node of one model has left: CPU, and of each GPU."""


@PROPERTY
@of_states
def test_what_fits_and_what_is_fragmented_follow_their_definitions(
    known: list[Demand], cpu: int, left: list[int]
) -> None:
    node = state(cpu, left)
    typical = typical_workload(known)
    assert Demands(known, MODELS).fit(node).tolist() == [reference.fits(each, cpu, left, "A") for each in known]
    assert Fragmentation(typical, GPUS).amount(node) == pytest.approx(
        reference.fragmentation(typical, cpu, left, "A"), abs=1e-6
    )


@PROPERTY
@of_states
def test_fgd_scores_and_shares_as_its_paper_says(known: list[Demand], cpu: int, left: list[int]) -> None:
    fgd, node = policy("fgd", known), state(cpu, left)
    typical = typical_workload(known)
    scores = fgd.scores(node)
    for index, demand in enumerate(known):
        if not reference.fits(demand, cpu, left, "A"):
            continue
        exact = reference.fgd(typical, node, demand, "A")
        assert scores[index] == pytest.approx(np.floor(max(exact.values()) + 1e-9), abs=1e-9) or scores[
            index
        ] == np.floor(max(exact.values()))
        if demand.shares:
            assert np.floor(exact[fgd.device(node, index)] + 1e-9) >= scores[index]


def test_balanced_fgd_keeps_cpu_for_free_gpus_where_fgd_sees_no_difference() -> None:
    # the typical workload wants ten cores with a GPU; fragmentation does not change as long as the next pod fits
    light, heavy = Demand(4_000, 0, 1, 1000), Demand(16_000, 0, 1, 1000)
    known = [light, heavy]
    poor, rich = state(32_000, [1000] * 4), state(64_000, [1000] * 4)
    fgd, balanced = policy("fgd", known), policy("balanced-fgd", known)
    assert fgd.scores(poor).tolist() == fgd.scores(rich).tolist()
    light_first, heavy_first = balanced.scores(poor) - balanced.scores(rich)
    assert light_first > 0 > heavy_first


@PROPERTY
@of_states
def test_balanced_fgd_scores_what_is_fragmented_stranded_and_taken(
    known: list[Demand], cpu: int, left: list[int]
) -> None:
    balanced, node = policy("balanced-fgd", known), state(cpu, left)
    scores = balanced.scores(node)
    for index, demand in enumerate(known):
        if reference.fits(demand, cpu, left, "A"):
            exact = max(reference.balanced_fgd(typical_workload(known), GPUS, node, demand, "A").values())
            assert scores[index] in (np.floor(exact - 1e-9), np.floor(exact + 1e-9))


@PROPERTY
@given(
    st.lists(demands.map(lambda drawn: replace(drawn, models=())), min_size=1, max_size=8, unique=True),
    st.lists(st.sampled_from((0, 100, 250, 500, 900, 1000)), min_size=4, max_size=4),
)
def test_balanced_fgd_is_fgd_where_cpu_is_plenty_and_any_model_will_do(known: list[Demand], left: list[int]) -> None:
    node = state(NODE.cpu_millis, left)  # 24 cores with a GPU; no demand wants more than 20
    fgd, balanced = policy("fgd", known), policy("balanced-fgd", known)
    assert balanced.scores(node).tolist() == fgd.scores(node).tolist()
    for index, demand in enumerate(known):
        if demand.shares and max(left) >= demand.gpu_millis:
            assert balanced.device(node, index) == fgd.device(node, index)


def test_balanced_fgd_leaves_models_alone_that_others_need() -> None:
    whoever, needs_a = Demand(0, 0, 1, 1000), Demand(0, 0, 1, 1000, ("A",))
    known = [whoever, needs_a]
    # both ask for 8 of the 16 GPUs, of which 4 are A
    assert prices(typical_workload(known), GPUS).tolist() == [0, 2, 0]
    wanted, other = state(64_000, [1000] * 4), state(64_000, [1000] * 4, node=replace(NODE, model="B"))
    balanced = policy("balanced-fgd", known)
    assert balanced.scores(other)[0] > balanced.scores(wanted)[0]


@PROPERTY
@given(st.lists(demands, min_size=1, max_size=8))
def test_prices_add_up_to_what_is_asked_for_by_pods_that_can_not_go_everywhere(known: list[Demand]) -> None:
    typical = typical_workload(known)
    asked = sum(each.share * each.demand.total_gpu_millis for each in typical)
    bound = sum(each.share * each.demand.total_gpu_millis for each in typical if len(each.demand.models) == 1)
    found = sum(price * gpus for price, gpus in zip(prices(typical, GPUS), GPUS.values(), strict=True))
    assert found == pytest.approx(sum(GPUS.values()) * bound / asked if asked else 0)


def test_best_fit_dot_product_and_worst_fit_score_by_hand() -> None:
    known = [Demand(32_000, 0, 2, 1000)]
    node = state(64_000, [1000, 1000, 500, 0])
    # left: 32 of 128 cores and 500 of 8000; free: 64 of 128 and 2500 of 8000; asked: 32 of 128 and 2000 of 8000
    assert policy("best-fit", known).scores(node).tolist() == [int(100 * (1 - (0.25 + 0.0625) / 2))]
    assert policy("dot-product", known).scores(node).tolist() == [int(100 * (1 - (0.5 * 0.25 + 0.3125 * 0.25) / 2))]
    assert policy("worst-fit", known).scores(node).tolist() == [32_000 + 100 * 500]


@pytest.mark.parametrize(
    ("demand", "left", "score"),
    [
        (Demand(0, 0), [500, 1000, 1000, 1000], 0),
        (Demand(0, 0, 1, 500), [500, 700, 1000, 1000], 95),  # a shared GPU, half of it free
        (Demand(0, 0, 1, 600), [500, 700, 1000, 1000], 93),
        (Demand(0, 0, 1, 800), [500, 700, 1000, 1000], 49),  # a free GPU of a used node
        (Demand(0, 0, 2, 1000), [500, 700, 1000, 1000], 48),
        (Demand(0, 0, 2, 1000), [1000, 1000, 1000, 1000], 29),  # an idle node of four
        (Demand(0, 0, 1, 500), [1000, 1000, 1000, 1000], 29),
    ],
)
def test_gpu_packing_prefers_shared_gpus_then_used_nodes(demand: Demand, left: list[int], score: int) -> None:
    assert policy("gpu-packing", [demand]).scores(state(1000, left)).tolist() == [score]


@pytest.mark.parametrize(
    ("demand", "hosted", "score"),
    [
        (Demand(0, 0), (0,), 0),
        (Demand(0, 0, 1, 500), (0,), 75),
        (Demand(0, 0, 1, 500), (0, 1), 50),
        (Demand(0, 0, 1, 500), (), 25),
        (Demand(0, 0, 1, 500), (1,), 0),
        (Demand(0, 0, 2, 1000), (2,), 75),
    ],
)
def test_gpu_clustering_prefers_nodes_with_the_same_class(demand: Demand, hosted: tuple[int, ...], score: int) -> None:
    fill = 25 * (8000 - 2500) // 8000
    expected = score + (fill if demand.gpus else 0)
    assert policy("gpu-clustering", [demand]).scores(state(1000, [1000, 1000, 500, 0], hosted)).tolist() == [expected]


@pytest.mark.parametrize(
    ("name", "device"), [("best-fit", 2), ("dot-product", 2), ("worst-fit", 0), ("gpu-packing", 2)]
)
def test_the_gpu_that_is_shared(name: str, device: int) -> None:
    assert policy(name, [Demand(0, 0, 1, 300)]).device(state(1000, [1000, 800, 400, 200]), 0) == device


@pytest.mark.parametrize("name", POLICIES)
def test_scores_follow_from_the_state_alone(name: str) -> None:
    known = [Demand(1000, 0, 1, 300), Demand(2000, 0, 2, 1000), Demand(500, 0)]
    first, again = policy(name, known), policy(name, known)
    again.scores(state(4000, [1000] * 4))
    assert (
        first.scores(state(3000, [1000, 800, 400, 0])).tolist()
        == again.scores(state(3000, [1000, 800, 400, 0])).tolist()
    )
