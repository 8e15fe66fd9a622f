from __future__ import annotations

from fairlead.specs.graphs import Graph, Node
from fairlead.specs.runtimes import Torch
from fairlead.specs.steps import Dimension, DriverStep, FunctionStep, SweepStep
from fairlead.targets.counting import PodCount, count_pods

STEPS = {
    "work": FunctionStep(name="work", function="m:work"),
    "fit": FunctionStep(name="fit", function="m:fit", runtime=Torch(nodes=4)),
    "loop": DriverStep(name="loop", function="m:loop"),
    "search": SweepStep(
        name="search", trial="fit", space={"x": Dimension(type="int", low=0, high=1)}, trials=3, metric="m", direction="maximize"
    ),
}  # fmt: skip


def count(*nodes: Node) -> PodCount:
    return count_pods(Graph(flow="f", steps=STEPS, nodes=nodes))


def test_a_plain_step_is_a_pod_and_the_last_one_comes_after_all() -> None:
    assert count(Node(step="work"), Node(step="work")) == PodCount(steps=2)
    assert count(Node(step="work"), Node(step="work")).total == 3


def test_a_gang_has_a_pod_for_each_node_and_one_that_waits() -> None:
    assert count(Node(step="fit")) == PodCount(steps=4, waiting=1)


def test_a_sweep_has_a_driver_and_its_trials() -> None:
    assert count(Node(step="search")) == PodCount(steps=12, drivers=1, waiting=3)
    assert str(count(Node(step="search"))) == "17 pods: 12 of steps, 1 of drivers, 3 waiting for gangs, 1 to finish"


def test_pods_that_create_parts_are_counted() -> None:
    graph = Graph(flow="f", steps=STEPS, nodes=(Node(step="work"),))
    assert str(count_pods(graph, creators=2)) == "4 pods: 1 of steps, 2 creating parts, 1 to finish"


def test_packages_are_installed_by_pods_of_their_own() -> None:
    counted = count_pods(Graph(flow="f", steps=STEPS, nodes=(Node(step="work"),)), layers=2)
    assert str(counted) == "4 pods: 1 of steps, 2 to install packages, 1 to finish"


def test_a_list_counts_with_its_items_and_one_of_unknown_length_says_so() -> None:
    assert count(Node(step="fit", each=("x",), count=5)) == PodCount(steps=20, waiting=5)
    assert count(Node(step="work", each=("x",), count=0)) == PodCount()
    unknown = count(Node(step="work", each=("x",)))
    assert not unknown.is_exact and str(unknown) == "at least 2 pods: 1 of steps, 1 to finish"


def test_a_dynamic_flow_calls_nobody_knows_how_often() -> None:
    assert str(count(Node(step="loop"))) == "at least 2 pods: 1 of drivers, 1 to finish"
