"""Plain tables of nodes and jobs: what stands in them, and what of it can't be."""

from __future__ import annotations

from fairlead.planner import openb, plain
from fairlead.planner.nodes import Node
from fairlead.planner.workloads import Demand, Job

NODES = "name,cpu_milli,memory_mib,gpus,model,count\na,8000,1024,4,H100,2\nb,4000,512,0,,\n"
HEAD = "name,arrival_s,duration_s,cpu_milli,memory_mib,gpus,gpu_milli,models,pods,priority\n"


def known() -> tuple[Node, ...]:
    return plain.read_nodes(NODES.splitlines()).items


def test_a_row_of_nodes_may_be_several() -> None:
    a = [Node(name=f"a-{number}", cpu_millis=8000, memory_mib=1024, gpus=4, model="H100") for number in range(2)]
    assert known() == (*a, Node(name="b", cpu_millis=4000, memory_mib=512))


def test_columns_that_may_lack_and_cells_that_may_be_empty() -> None:
    short = plain.read_jobs(["name,arrival_s,duration_s,cpu_milli,memory_mib,gpus", "j,0,60,1000,64,2"], known())
    full = plain.read_jobs([*HEAD.splitlines(), "j,0,60,1000,64,2,,,,"], known())
    job = Job(name="j", arrival_s=0, duration_s=60, demand=Demand(1000, 64, 2, 1000))
    assert short.items == full.items == (job,)
    (shared,) = plain.read_jobs([*HEAD.splitlines(), "j,5,60,0,0,1,250,H100|H200,3,-7"], known()).items
    assert shared.demand == Demand(0, 0, 1, 250, ("H100", "H200")) and (shared.pods, shared.priority) == (3, -7)


def test_rows_that_can_not_be_are_named_by_their_line() -> None:
    rows = ["j,9,60,0,0,1,,,,", "k,8,60,0,0,1,,,,", "l,9,0,0,0,1,,,,", "m,9,1,0,0,2,500,,,", "n,9,1,0,0,1,,T4,,",
            "o,9,1,0,0,1,,,0,", "j,9,1,0,0,1,,,,", "p,nan,1,0,0,1,,,,", "q,9,1,0,0,5,,,,"]  # fmt: skip
    found = plain.read_jobs([*HEAD.splitlines(), *rows], known())
    assert [str(each) for each in found.faults] == [
        "line 3: arrival_s: is before that of a row above: 8 < 9; sort the rows by it",
        "line 4: duration_s: must be 1 to 1000000000000, got 0",
        "line 5: gpu_milli: must be 1000 to 1000, got 500",
        "line 6: models: no node has a GPU T4; there are H100",
        "line 7: pods: must be 1 to 100000, got 0",
        "line 8: name: 'j' stands in an earlier line too",
        "line 9: arrival_s: 'nan' is no whole number",
    ]
    assert found.bad == 7 and [each.name for each in found.items] == ["j", "q"]
    assert [each.path for each in found.notes] == ["line 10"] and "larger than any node" in found.notes[0].message


def test_openb_has_times_too() -> None:
    head = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,creation_time,deletion_time,scheduled_time"
    rows = ["a,0,0,1,500,,10,100,40", "b,0,0,1,500,,20,20,", "c,0,0,1,500,,30,35,40"]
    found = openb.read_jobs([head, *rows], known())
    assert [(each.arrival_s, each.duration_s) for each in found.items] == [(10, 60), (20, 1)]
    assert [str(each) for each in found.faults] == ["line 4: deletion_time: is before the pod began: 35 < 40"]
