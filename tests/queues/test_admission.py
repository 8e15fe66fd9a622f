"""Rules that hold whatever comes: quota is never exceeded, strict queues are never overtaken, and nothing is forgotten."""

from __future__ import annotations

import pytest

from fairlead.queues.admission import Queues
from fairlead.queues.replay import Arrival, replay
from fairlead.queues.specs import (
    ClusterQueue,
    FairSharing,
    FlavorQuotas,
    Fungibility,
    Preemption,
    Quota,
    ResourceGroup,
    Workload,
)
from queues.random_queues import Scenario, contended, scenario

SEEDS = range(600)


def queue(name: str = "q", cpu: int = 4, **more: object) -> ClusterQueue:
    """Return a queue with CPUs of one flavor."""
    limits = {each: more.pop(each) for each in ("borrowing_limit", "lending_limit") if each in more}
    quota = Quota(nominal=cpu, **limits)  # type: ignore[arg-type]
    group = ResourceGroup(resources=("cpu",), flavors=(FlavorQuotas(name="a", quotas={"cpu": quota}),))
    return ClusterQueue(name=name, groups=(group,), **more)  # type: ignore[arg-type]


def work(name: str, cpu: int, *, on: str = "q", priority: int = 0, created: float = 0.0) -> Workload:
    """Return a workload."""
    return Workload(name=name, queue=on, pod_sets=({"cpu": cpu},), priority=priority, created=created, uid=name)


def played(given: Scenario, upto: int | None = None) -> Queues:
    """Play a scenario."""
    queues = Queues(given.queues, given.cohorts)
    for number, step in enumerate(given.steps[:upto]):
        if step.what == "submit":
            queues.submit(given.workloads[step.workload])
        else:
            queues.finish(step.workload)
        queues.settle(float(number))
    return queues


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_used_that_is_not_there_and_nothing_is_forgotten(seed: int) -> None:
    given = scenario(seed)
    for upto in range(1, len(given.steps) + 1):
        queues = played(given, upto)
        there = {step.workload for step in given.steps[:upto] if step.what == "submit"}
        gone = {step.workload for step in given.steps[:upto] if step.what == "finish"}
        assert queues.admitted.keys() | queues.pending == there - gone
        assert not queues.admitted.keys() & queues.pending
        for each in given.queues:
            used: dict[object, int] = {}
            for name, usage in queues.admitted.items():
                if given.workloads[name].queue == each.name:
                    for what, amount in usage.items():
                        used[what] = used.get(what, 0) + amount
            assert {what: amount for what, amount in used.items() if amount} == queues.usage(each.name)


@pytest.mark.parametrize("seed", range(100))
def test_the_same_happens_again(seed: int) -> None:
    given = scenario(seed)
    assert played(given).admitted == played(given).admitted


def test_a_strict_queue_is_not_overtaken_and_another_one_is() -> None:
    for strategy, expected in (("StrictFIFO", set()), ("BestEffortFIFO", {"small"})):
        queues = Queues([queue(strategy=strategy)])
        queues.submit(work("large", 5, created=0))
        queues.submit(work("small", 1, created=1))
        queues.settle(1)
        assert queues.admitted.keys() == expected, strategy


def test_the_higher_priority_comes_first_and_then_the_earlier() -> None:
    queues = Queues([queue(cpu=1)])
    for name, priority, created in (("late", 0, 2), ("early", 0, 1), ("high", 1, 3)):
        queues.submit(work(name, 1, priority=priority, created=created))
    order = []
    for now in range(3):
        order += [each.workload for each in queues.settle(float(now))]
        queues.finish(order[-1])
    assert order == ["high", "early", "late"]


def test_borrowed_quota_is_taken_back_from_the_least_important_first() -> None:
    rules = Preemption(reclaim="Any")
    queues = Queues([queue("q", 2, cohort="c", preemption=rules), queue("other", 4, cohort="c")])
    for number, priority in enumerate((2, 1, 3)):
        queues.submit(work(f"w{priority}", 2, on="other", priority=priority, created=float(number)))
        queues.settle(float(number))
    queues.submit(work("mine", 2, created=9))
    assert [(each.what, each.workload) for each in queues.settle(9.0)] == [("evicted", "w1"), ("admitted", "mine")]


@pytest.mark.parametrize(("fair", "used"), [(None, {"a": 5, "b": 4}), (FairSharing(), {"a": 4, "b": 5})])
def test_the_last_of_what_is_lent_goes_to_who_has_borrowed_least_by_its_weight(
    fair: FairSharing | None, used: dict[str, int]
) -> None:
    """Nine CPUs are lent to two queues, one of each in every cycle; without fairness who came first has the last."""
    lent = [queue("a", 0, cohort="c"), queue("b", 0, cohort="c", weight=2.0), queue("lender", 9, cohort="c")]
    queues = Queues(lent, fair=fair)
    for number in range(9):
        queues.submit(work(f"a{number}", 1, on="a", created=float(number)))
        queues.submit(work(f"b{number}", 1, on="b", created=float(number + 9)))
    queues.settle(20.0)
    assert {name: sum(queues.usage(name).values()) for name in used} == used


def test_work_is_taken_back_until_shares_are_fair_and_no_further() -> None:
    rules = Preemption(reclaim="Any")
    borrowers = [queue(name, 0, cohort="c", preemption=rules) for name in ("a", "b")]
    queues = Queues([*borrowers, queue("lender", 8, cohort="c")], fair=FairSharing())
    for number in range(8):
        queues.submit(work(f"a{number}", 1, on="a", created=float(number)))
    queues.settle(8.0)
    for number in range(8):
        queues.submit(work(f"b{number}", 1, on="b", created=float(10 + number)))
    changes = queues.settle(20.0)
    assert {name: sum(queues.usage(name).values()) for name in ("a", "b")} == {"a": 4, "b": 4}
    assert len([each for each in changes if each.what == "evicted"]) == 4 and not queues.is_restless


@pytest.mark.parametrize("seed", range(300))
def test_whatever_is_shared_what_is_in_use_is_what_was_admitted(seed: int) -> None:
    given = contended(seed)
    queues = Queues(given.queues, given.cohorts, FairSharing())
    for number, step in enumerate(given.steps):
        if step.what == "submit":
            queues.submit(given.workloads[step.workload])
        else:
            queues.finish(step.workload)
        queues.settle(float(number))
        for each in given.queues:
            used: dict[object, int] = {}
            for name, usage in queues.admitted.items():
                if given.workloads[name].queue == each.name:
                    for what, amount in usage.items():
                        used[what] = used.get(what, 0) + amount
            assert {what: amount for what, amount in used.items() if amount} == queues.usage(each.name)


def test_the_next_flavor_is_tried_before_quota_is_borrowed_where_a_queue_says_so() -> None:
    flavors = tuple(FlavorQuotas(name=name, quotas={"cpu": Quota(nominal=2)}) for name in ("spot", "steady"))
    group = ResourceGroup(resources=("cpu",), flavors=flavors)
    lender = ClusterQueue(name="lender", groups=(group,), cohort="c")
    for borrows, flavor in (("TryNextFlavor", "steady"), ("MayStopSearch", "spot")):
        rules = Fungibility(when_can_borrow=borrows)  # type: ignore[arg-type]
        queues = Queues([ClusterQueue(name="q", groups=(group,), cohort="c", fungibility=rules), lender])
        for number in range(2):
            queues.submit(work(f"w{number}", 2, created=float(number)))
            queues.settle(float(number))
        ((what, _),) = queues.admitted["w1"].items()
        assert what.flavor == flavor, borrows


def test_work_that_is_taken_back_without_end_is_said_to_be_restless() -> None:
    restless = [seed for seed in (4082, 4083) if played(scenario(seed)).is_restless]
    assert restless == [4083]


def test_work_that_is_taken_back_goes_on_from_its_last_checkpoint() -> None:
    rules = Preemption(within="LowerPriority")
    arrivals = [
        Arrival(workload=work("low", 4, created=0), runtime=10, checkpoint=3),
        Arrival(workload=work("high", 4, priority=1, created=8), runtime=5),
    ]
    low, high = replay([queue(preemption=rules)], [], arrivals)
    assert (high.admitted, high.finished) == (8, 13)
    assert (low.evictions, low.lost, low.admitted, low.finished) == (1, 2, 13, 17)
