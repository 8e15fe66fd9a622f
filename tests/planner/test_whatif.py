"""What if: what a change makes of nodes and jobs, and what of it can't be."""

from __future__ import annotations

import pytest

from fairlead.errors import UsageError
from fairlead.planner.nodes import Node
from fairlead.planner.whatif import Addition, Change, change_faults, changed
from fairlead.planner.workloads import Demand, Job

NODES = tuple(Node(name=name, cpu_millis=1, memory_mib=2, gpus=4, model="A") for name in ("a-0", "a-1", "added-0"))
JOBS = tuple(
    Job(name=str(arrival_s), demand=Demand(0, 0, 1, 1000), arrival_s=arrival_s, duration_s=9) for arrival_s in (0, 3, 8)
)


def test_nothing_is_changed_but_what_is_said() -> None:
    assert changed(NODES, JOBS, Change(name="x")) == (list(NODES), list(JOBS))
    nodes, jobs = changed(NODES, JOBS, Change(name="x", remove=("a-*",), arrivals=2.0))
    assert [node.name for node in nodes] == ["added-0"]
    assert [(job.arrival_s, job.duration_s) for job in jobs] == [(0, 9), (2, 9), (4, 9)]


def test_added_nodes_have_names_of_their_own_and_may_be_like_one_that_goes() -> None:
    own = Addition(count=2, cpu_milli=5, memory_mib=6, gpus=1, model="B")
    nodes, _ = changed(NODES, JOBS, Change(name="x", remove=("a-0",), add=(Addition(like="a-0"), own)))
    assert [node.name for node in nodes] == ["a-1", "added-0", "added-1", "added-2", "added-3"]
    assert nodes[2] == Node(name="added-1", cpu_millis=1, memory_mib=2, gpus=4, model="A")
    assert nodes[4] == Node(name="added-3", cpu_millis=5, memory_mib=6, gpus=1, model="B")


def test_a_change_that_leaves_no_gpu_is_refused() -> None:
    with pytest.raises(UsageError, match="no node with a GPU is left"):
        changed(NODES, JOBS, Change(name="x", remove=("*",), add=(Addition(cpu_milli=1, memory_mib=1),)))


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        (Change(name="as it is"), ["name: stands there twice"]),
        (Change(name=""), ["name: must be given"]),
        (Change(name="x", remove=("b*",)), ["remove[0]: no node is called 'b*'"]),
        (Change(name="x", arrivals=float("nan")), ["arrivals: must be above 0, got nan"]),
        (Change(name="x", policy="fdg"), ["policy: there is no 'fdg': did you mean 'fgd'?"]),
        (Change(name="x", add=(Addition(like="a-2"),)), ["add[0].like: no node is called 'a-2': did you mean"]),
        (Change(name="x", add=(Addition(like="a-0", gpus=2),)), ["add[0]: is like a-0, so gpus can't be given"]),
        (
            Change(name="x", add=(Addition(count=0, gpus=2),)),
            ["add[0].count: must be", "add[0].cpu_milli: must be", "add[0].memory_mib: must be", "add[0].model: must be"],
        ),
    ],
)  # fmt: skip
def test_what_can_not_be_is_named_with_its_path(change: Change, faults: list[str]) -> None:
    found = [str(each) for each in change_faults([change], NODES)]
    assert len(found) == len(faults)
    for said, expected in zip(found, faults, strict=True):
        assert said.startswith(f"change[0].{expected}")
