"""The openb format: what is read, and what is named by its line."""

from __future__ import annotations

import pytest

from fairlead.planner.nodes import Node
from fairlead.planner.openb import read_nodes, read_pods
from fairlead.planner.workloads import Demand, Pod
from planner.clusters import TRACES, trace

NODES = [Node(name="a", cpu_millis=8000, memory_mib=1024, gpus=2, model="T4")]
HEAD = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec"


def pods(*rows: str) -> list[str]:
    return [HEAD, *rows]


def test_nodes_and_pods_are_read_in_order() -> None:
    table = read_nodes(["sn,cpu_milli,memory_mib,gpu,model", "b,64000,262144,2,P100", "a,8000,1,0,"])
    assert table.items == (
        Node(name="b", cpu_millis=64000, memory_mib=262144, gpus=2, model="P100"),
        Node(name="a", cpu_millis=8000, memory_mib=1),
    )
    table = read_pods(pods("p,1000,0,1,460,T4|P100|T4", "q,500,10,0,0,", "r,500,10,2,1000,"), NODES)
    assert table.items == (
        Pod("p", Demand(1000, 0, 1, 460, ("P100", "T4"))),
        Pod("q", Demand(500, 10)),
        Pod("r", Demand(500, 10, 2, 1000)),
    )
    assert not table.faults


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("p,-5,1,0,0,", "cpu_milli: must be 0 to 1000000000000, got -5"),
        ("p,,1,0,0,", "cpu_milli: is missing"),
        ("p,NaN,1,0,0,", "cpu_milli: 'NaN' is no whole number"),
        ("p,1e3,1,0,0,", "cpu_milli: '1e3' is no whole number"),
        ("p,٣,1,0,0,", "cpu_milli: '٣' is no whole number"),
        ("p,1,1,1,0,", "gpu_milli: must be 1 to 1000, got 0"),
        ("p,1,1,1,1001,", "gpu_milli: must be 1 to 1000, got 1001"),
        ("p,1,1,2,500,", "gpu_milli: must be 1000 to 1000, got 500"),
        ("p,1,1,0,500,", "gpu_milli: must be 0 to 0, got 500"),
        ("p,1,1,1,500,H999", "gpu_spec: no node has a GPU H999; there are T4"),
        ("p,1,1,0,0", "has 5 cells, the head has 6"),
        ("p,1,1,0,0,,x", "has 7 cells, the head has 6"),
        (",1,1,0,0,", "name: is missing"),
        ("ok,1,1,0,0,", "name: 'ok' stands in an earlier line too"),
        ('p,"1"1,1,0,0,', "',' expected after '\"'"),
    ],
)
def test_a_bad_row_is_named_by_its_line_and_the_others_are_read(row: str, said: str) -> None:
    table = read_pods(pods("ok,1,1,0,0,", row, "last,1,1,0,0,"), NODES)
    assert [str(each) for each in table.faults] == [f"line 3: {said}"]
    assert table.bad == 1
    assert [each.name for each in table.items] == ["ok", "last"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("p,1,1,3,1000,", "is larger than any node: 1 thousandths of a core, 1 MiB and 3 GPUs"),
        ("p,9000,1,1,500,T4", "is larger than any node: 9000 thousandths of a core, 1 MiB and 1 GPUs of T4"),
    ],
)
def test_a_pod_that_no_node_could_take_is_kept_and_named(row: str, said: str) -> None:
    table = read_pods(pods(row), NODES)
    assert [str(each) for each in table.notes] == [f"line 2: {said}"]
    assert len(table.items) == 1


def test_all_faults_of_a_row_are_said_and_count_once() -> None:
    table = read_nodes(["sn,cpu_milli,memory_mib,gpu,model", "a,0,-1,2,"])
    assert [each.message.partition(":")[0] for each in table.faults] == ["cpu_milli", "memory_mib", "model"]
    assert table.bad == 1


def test_a_table_without_a_column_is_refused_whole() -> None:
    table = read_pods(["name,cpu_milli", "p,1"], NODES)
    assert [str(each) for each in table.faults] == ["line 1: has no column memory_mib, num_gpu, gpu_milli"]
    assert not table.items


@pytest.mark.skipif(not TRACES.exists(), reason="the published traces are not beside the checkout")
@pytest.mark.parametrize("file", sorted(TRACES.glob("openb_pod_list_*.csv")), ids=lambda each: each.stem[15:])
def test_every_published_trace_is_read_whole(file: object) -> None:
    nodes, found = trace(file.stem[15:])  # type: ignore[attr-defined]
    assert len(nodes) == 1213
    assert sum(node.gpus for node in nodes) == 6212
    assert len(found) == len(file.read_text().splitlines()) - 1  # type: ignore[attr-defined]
