"""What of a run is left to submit."""

from __future__ import annotations

from fairlead.engines.kubernetes.remaining import counts, left
from fairlead.specs.graphs import Export, Graph, Node, Output
from fairlead.specs.steps import FunctionStep
from fairlead.specs.values import Ref
from fairlead.store.progress import Progress
from fairlead.store.records import AttemptRecord, Ended, Outcome

STEPS = {name: FunctionStep(name=name, function=f"m:{name}") for name in ("numbers", "check", "square")}
GRAPH = Graph(
    flow="f",
    steps=STEPS,
    nodes=(
        Node(step="numbers", split=(Export(0, ()),)),
        Node(step="check"),
        Node(step="square", each=("x",), inputs={"x": Output(0)}, after=(1,)),
    ),
)
ITEMS = Ref(digest="0" * 64, format="items", size_bytes=1)


def ended(step: str, status: str) -> Ended:
    outcome = Outcome(items=(ITEMS,)) if step == "numbers" else Outcome()
    record = AttemptRecord(step=step, index=0, number=1, status=status, started=1, finished=2, outcome=outcome)  # type: ignore[arg-type]
    return Ended(record=record)


def resumed(*records: Ended) -> Progress:
    return Progress(GRAPH, lambda ref: 7 if ref == ITEMS else 0, records=records, resume=True)


def test_a_mapped_node_that_waits_for_a_failed_one_has_the_length_of_the_list_that_is_there() -> None:
    progress = resumed(ended("numbers", "succeeded"), ended("check", "failed"))
    nodes = left(progress)
    assert nodes == {1: None, 2: None}
    assert counts(progress, nodes) == {2: 7}


def test_a_length_that_a_node_has_yet_to_say_is_not_known() -> None:
    progress = resumed()
    nodes = left(progress)
    assert nodes == {0: None, 1: None, 2: None}
    assert counts(progress, nodes) == {}


def test_of_a_node_whose_items_all_failed_the_number_is_known() -> None:
    progress = resumed(ended("numbers", "succeeded"), ended("check", "succeeded"))
    nodes = left(progress)
    assert nodes == {2: None}
    assert counts(progress, nodes) == {2: 7}
