"""The typical workload."""

from __future__ import annotations

from fairlead.planner.typical import typical_workload
from fairlead.planner.workloads import Demand


def test_the_most_popular_demands_count_until_they_are_enough() -> None:
    often, seldom, rare = Demand(1000, 0, 1, 500), Demand(2000, 0), Demand(3000, 0, 8, 1000)
    found = typical_workload([often] * 90 + [seldom] * 8 + [rare] * 2)
    assert [each.demand for each in found] == [often, seldom]
    assert [each.share for each in found] == [90 / 98, 8 / 98]


def test_memory_does_not_tell_demands_apart() -> None:
    found = typical_workload([Demand(1000, 5, 1, 500), Demand(1000, 7, 1, 500)])
    assert [(each.demand, each.share) for each in found] == [(Demand(1000, 0, 1, 500), 1.0)]


def test_of_equally_popular_demands_the_larger_one_comes_first() -> None:
    small, large = Demand(1000, 0, 1, 500), Demand(2000, 0, 1, 100)
    assert [each.demand for each in typical_workload([small, large])] == [large, small]
