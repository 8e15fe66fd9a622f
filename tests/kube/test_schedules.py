"""Seeded faults between a watch and a real API server: whatever happens, the watch holds what the cluster holds."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from fairlead.testing.faults import HEAD, STREAM, Schedule
from kube.cluster import Outcome, new_namespace, run_schedule
from servers.apiserver import ApiServer

pytestmark = pytest.mark.apiserver

AT_ONCE = 12  # most of a schedule is waiting for time-outs


def run_all(server: ApiServer, seeds: range) -> list[Outcome]:
    client = new_namespace(server)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda seed: run_schedule(server, client, seed), seeds))


@pytest.mark.parametrize("batch", range(6))
def test_a_watch_holds_what_the_cluster_holds_after_any_faults(api_server: ApiServer, batch: int) -> None:
    outcomes = run_all(api_server, range(batch * 50, batch * 50 + 50))
    assert [each for each in outcomes if each.fault] == []
    assert {*HEAD, *STREAM} <= set(Counter(fault for each in outcomes for fault in each.faults)), (
        "every fault was there"
    )


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(17))
def test_a_watch_holds_what_the_cluster_holds_after_many_more(api_server: ApiServer, batch: int) -> None:
    outcomes = run_all(api_server, range(1000 + batch * 100, 1000 + batch * 100 + 100))
    assert [each for each in outcomes if each.fault] == []


@pytest.mark.parametrize("fault", [*HEAD, *STREAM])
def test_each_fault_alone_is_survived(api_server: ApiServer, fault: str) -> None:
    client = new_namespace(api_server)
    outcomes = [run_schedule(api_server, client, seed, faults=3, density=1.0, only=[fault]) for seed in range(2)]
    assert [each for each in outcomes if each.fault] == []
    assert {each for outcome in outcomes for each in outcome.faults} == {fault}
    if not fault.startswith("expired"):
        assert [each.relists for each in outcomes] == [0, 0], "only an expired version needs a new list"


def test_a_seed_gives_the_same_faults_again() -> None:
    def drawn(seed: int) -> list[object]:
        schedule = Schedule(seed)
        return [schedule.draw(is_watch=number % 3 > 0) for number in range(50)]

    assert drawn(7) == drawn(7) != drawn(8)
