"""Why free GPUs are stranded: every fragment has one cause, and together they are the published measure."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.planner.fragmentation import Fragmentation
from fairlead.planner.nodes import Node
from fairlead.planner.standing import Held, Pool, Standing, Where
from fairlead.planner.states import GpuState, NodeState
from fairlead.planner.stranding import CAUSES, Ask, asks_of, stranded, summed, whole
from fairlead.planner.typical import typical_workload
from fairlead.planner.waiting import waiting
from fairlead.planner.workloads import Demand, Pod
from planner import reference
from planner.clusters import MODELS, PROPERTY, demands

PLENTY = 10**9


def pool(name: str = "n", model: str = "A", left: tuple[int, ...] = (1000,), **fields: int | bool) -> Pool:
    """Return a node with plenty of CPU and memory left."""
    node = Node(name=name, cpu_millis=8000, memory_mib=4, gpus=len(left), model=model if left else "")
    return Pool(node=node, host=name, left=left, **{"cpu_left": PLENTY, "memory_left": PLENTY, **fields})


devices = st.lists(st.sampled_from((0, 100, 250, 500, 750, 1000)), max_size=4).map(tuple)
pools = st.builds(
    lambda model, left, cpu, memory: pool("n", model, left, cpu_left=cpu, memory_left=memory),
    st.sampled_from(MODELS[1:]),
    devices,
    st.sampled_from((-500, 0, 500, 1000, PLENTY)),
    st.sampled_from((-1, 0, 1, PLENTY)),
)
standings = st.builds(
    lambda known, drawn: Standing(
        pools=(known,),
        pods=tuple(Held(Pod(f"p{number}", demand), "", where) for number, (demand, where) in enumerate(drawn)),
        wheres=(
            Where(frozenset("n"), frozenset("n")),
            Where(frozenset("n"), frozenset()),
            Where(frozenset(), frozenset()),
        ),
    ),
    pools,
    st.lists(st.tuples(demands, st.integers(0, 2)), max_size=30),
)


@PROPERTY
@given(pools, st.lists(demands, min_size=1, max_size=30))
def test_where_memory_and_nodes_let_everybody_in_it_is_the_published_measure(known: Pool, asked: list[Demand]) -> None:
    known = msgspec.structs.replace(known, memory_left=PLENTY)
    standing = Standing(pools=(known,), pods=tuple(Held(Pod(str(place), each)) for place, each in enumerate(asked)))
    measure = Fragmentation(typical_workload(each for each in asked if each.gpus), dict.fromkeys(MODELS, 4))
    state = NodeState(msgspec.structs.replace(known.node, model=known.node.model or MODELS[0]), MODELS)
    state.cpu_left, state.left = known.cpu_left, list(known.left)
    state.state = GpuState(MODELS.index(known.node.model), tuple(sorted(known.left)))
    expected = measure.amount(state) if any(each.gpus for each in asked) else 0.0
    assert sum(stranded(known, asks_of(standing)).values()) == pytest.approx(expected, abs=1e-6)


@PROPERTY
@given(standings)
def test_the_causes_add_up_to_what_no_typical_pod_can_use(standing: Standing) -> None:
    (known,), asks = standing.pools, asks_of(standing)
    parts = stranded(known, asks)
    expected = sum(ask.share * (sum(known.left) - usable(known, ask)) for ask in asks)
    assert sum(parts.values()) == pytest.approx(expected, abs=1e-6)
    assert all(each >= 0 for each in parts.values())
    assert sum(whole(parts).values()) == round(sum(parts.values()))
    assert sum(ask.share for ask in asks) == pytest.approx(1 if asks else 0)


def usable(known: Pool, ask: Ask) -> int:
    """What of a node's free devices a pod can use, written out device by device."""
    fits = reference.fits(ask.demand, known.cpu_left, known.left, known.node.model)
    fits = fits and known.memory_left >= ask.demand.memory_mib and "n" in ask.where.selected & ask.where.open
    return sum(each for each in known.left if each >= ask.demand.gpu_millis) if fits else 0


@PROPERTY
@given(standings)
def test_what_is_mended_is_no_cause_any_more_and_no_cause_before_it_changes(standing: Standing) -> None:
    (known,), asks = standing.pools, asks_of(standing)
    before = stranded(known, asks)
    more_cpu = stranded(msgspec.structs.replace(known, cpu_left=PLENTY), asks)
    more_memory = stranded(msgspec.structs.replace(known, memory_left=PLENTY), asks)
    reopened = [ask._replace(where=Where(ask.where.selected, ask.where.selected)) for ask in asks]
    assert more_cpu["no-cpu"] == more_memory["no-memory"] == stranded(known, reopened)["node-closed"] == 0
    assert {**more_cpu, "no-cpu": 0, "no-memory": 0} == {**before, "no-cpu": 0, "no-memory": 0}
    assert {**more_memory, "no-memory": 0} == {**before, "no-memory": 0}
    assert sum(more_cpu.values()) <= sum(before.values()) + 1e-9


HERE = Where(frozenset("n"), frozenset("n"))


@pytest.mark.parametrize(
    ("known", "demand", "where", "expected"),
    [
        (pool(slices=True), Demand(0, 0, 1, 1000, ("B",)), HERE, {"mig-profile": 1000}),
        (pool(), Demand(0, 0, 1, 1000, ("B",)), HERE, {"model": 1000}),
        (pool(), Demand(0, 0, 1, 1000), Where(frozenset(), frozenset()), {"model": 1000}),
        (pool(), Demand(0, 0, 1, 1000), Where(frozenset("n"), frozenset()), {"node-closed": 1000}),
        (pool(left=(300, 1000)), Demand(0, 0, 1, 500), HERE, {"gpu-too-full": 300}),
        (pool(left=(300, 1000)), Demand(0, 0, 2, 1000), HERE, {"gpu-too-full": 300, "too-few-gpus": 1000}),
        (pool(left=(300, 1000), cpu_left=1), Demand(2, 0, 1, 500), HERE, {"gpu-too-full": 300, "no-cpu": 1000}),
        (pool(cpu_left=1, memory_left=1), Demand(1, 2, 1, 500), HERE, {"no-memory": 1000}),
        (pool(cpu_left=1, memory_left=1), Demand(1, 1, 1, 500), HERE, {}),
        (pool(left=()), Demand(1, 1, 1, 500), HERE, {}),
    ],
)  # fmt: skip
def test_each_cause(known: Pool, demand: Demand, where: Where, expected: dict[str, int]) -> None:
    assert stranded(known, [Ask(demand, where, 1.0)]) == {**dict.fromkeys(CAUSES, 0.0), **expected}


@PROPERTY
@given(st.lists(st.floats(0, 1e6), min_size=len(CAUSES), max_size=len(CAUSES)))
def test_whole_amounts_are_less_than_one_away_and_add_up(values: list[float]) -> None:
    parts = dict(zip(CAUSES, values, strict=True))
    found = whole(summed([parts]))
    assert sum(found.values()) == round(sum(values))
    assert all(math.floor(parts[cause]) <= each <= math.floor(parts[cause]) + 1 for cause, each in found.items())


def test_memory_is_what_pods_with_a_typical_demand_have() -> None:
    pods = [Held(Pod(str(place), Demand(1000, memory, 1, 1000))) for place, memory in enumerate((1, 1, 1, 9))]
    found = asks_of(Standing(pools=(pool(),), pods=tuple(pods)))
    assert [(each.demand.memory_mib, each.share) for each in found] == [(1, 0.75), (9, 0.25)]
    assert stranded(pool(memory_left=5), found)["no-memory"] == 250


def test_pods_that_wait_are_counted_as_they_would_fit() -> None:
    known = (
        pool("n1", left=(1000, 500), cpu_left=1000),
        pool("n2", left=(1000,), cpu_left=0),
        pool("n3", "B", (1000, 1000)),
    )
    closed = Where(frozenset(("n1", "n2", "n3")), frozenset(("n1", "n2")))
    waits = [Demand(1000, 0, 1, 500), Demand(1000, 0, 1, 1000, ("A",)), Demand(0, 0, 4, 1000, ("A",))]
    pods = [Held(Pod(str(place), each), "", 0) for place, each in enumerate(waits)]
    runs = Held(Pod("r", Demand(0, 0, 1, 1000)), "n1", 0)
    found = waiting(Standing(pools=known, pods=(*pods, runs), wheres=(closed,)))
    assert found == (3, 1, 2)


@PROPERTY
@given(standings)
def test_usable_gpus_never_take_fewer_pods(standing: Standing) -> None:
    found = waiting(standing)
    assert found.fit_now <= found.fit_if_usable <= found.pods
    assert found.pods == sum(each.pod.demand.gpus > 0 for each in standing.pods)
