"""Whether a node can run, case by case, and who looks at a run has no say in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from fairlead.specs import conditions
from fairlead.specs.graphs import Constant, DictOf, FirstOf, Graph, ListOf, Literally, Node, Output
from fairlead.specs.status import StepStatus
from fairlead.specs.values import Ref
from fairlead.store import verdicts
from fairlead.store.records import Outcome
from store.playing import A, graph_of, take

GOOD = conditions.Compare("gt", conditions.Scalar(0), conditions.Constant(0.5))


class Known(NamedTuple):
    """A view that is written down."""

    graph: Graph
    statuses: Mapping[int, StepStatus]
    outcomes: Mapping[int, Outcome] = {}
    bars: Mapping[int, StepStatus] = {}

    def status_of(self, node: int) -> StepStatus:
        return self.statuses[node]

    def barred(self, node: int) -> StepStatus | None:
        return self.bars.get(node)

    def outcome_of(self, node: int) -> Outcome | None:
        return self.outcomes.get(node)

    def count_of(self, node: int) -> int:
        return self.graph.nodes[node].count or 0

    def count_items(self, ref: Ref) -> int:
        return ref.size_bytes

    def constant_items(self, name: str) -> Ref:
        return Ref(digest=name, format="items", size_bytes=4)


def list_of(count: int) -> Ref:
    return Ref(digest="d", format="items", size_bytes=count)


class Case(NamedTuple):
    """A node behind others whose status is known, and its verdict."""

    name: str
    before: list[Node]
    statuses: list[StepStatus]
    node: dict[str, Any]
    verdict: tuple[str | None, str | None]
    exported: Any = None
    bars: Mapping[int, StepStatus] = {}


PLAIN = [take("a", exports=(A,)), take("b")]
MAPPED = [take("a", Literally([1, 2]), each=("x",), count=2)]
RUNS = (None, None)
CASES = [
    Case("needs nothing", [], [], {}, RUNS),
    Case("all succeeded", PLAIN, ["succeeded", "succeeded"], {"x": Output(0), "after": (1,)}, RUNS),
    Case("an input failed", PLAIN, ["failed", "succeeded"], {"x": Output(0)}, ("blocked", "a failed")),
    Case("an order failed", PLAIN, ["failed", "succeeded"], {"after": (0,)}, ("blocked", "a failed")),
    Case("blocked", PLAIN, ["blocked", "succeeded"], {"x": Output(0)}, ("blocked", "a blocked")),
    Case("cancelled", PLAIN, ["cancelled", "succeeded"], {"x": Output(0)}, ("cancelled", "a cancelled")),
    Case("the first failure counts", PLAIN, ["cancelled", "failed"], {"x": Output(1), "after": (0,)}, ("cancelled", "a cancelled")),
    Case("a failure before a skip", PLAIN, ["skipped", "failed"], {"x": Output(0), "after": (1,)}, ("blocked", "b failed")),
    Case("an input skipped", PLAIN, ["skipped", "succeeded"], {"x": Output(0)}, ("skipped", "what 'x' comes from was skipped")),
    Case("deep in a list", PLAIN, ["skipped", "succeeded"], {"x": ListOf((Literally(1), Output(0)))}, ("skipped", "what 'x' comes from was skipped")),
    Case("deep in a mapping", PLAIN, ["skipped", "succeeded"], {"x": DictOf({"k": Output(0)})}, ("skipped", "what 'x' comes from was skipped")),
    Case("an order skipped", PLAIN, ["skipped", "succeeded"], {"after": (0,)}, RUNS),
    Case("first of, one left", PLAIN, ["skipped", "succeeded"], {"x": FirstOf((Output(0), Output(1)))}, RUNS),
    Case("first of, none left", PLAIN, ["skipped", "skipped"], {"x": FirstOf((Output(0), Output(1)))}, ("skipped", "what 'x' comes from was skipped")),
    Case("first of, a written one", PLAIN, ["skipped", "skipped"], {"x": FirstOf((Output(0), Literally(0)))}, RUNS),
    Case("first of, one failed", PLAIN, ["failed", "succeeded"], {"x": FirstOf((Output(0), Output(1)))}, ("blocked", "a failed")),
    Case("condition true", PLAIN, ["succeeded", "succeeded"], {"when": GOOD}, RUNS, 0.9),
    Case("condition false", PLAIN, ["succeeded", "succeeded"], {"when": GOOD}, ("skipped", "its condition is false"), 0.1),
    Case("condition of no number", PLAIN, ["succeeded", "succeeded"], {"when": GOOD}, ("failed", "its condition can't be evaluated: 'x' and 0.5 have no order"), "x"),
    Case("condition skipped", PLAIN, ["skipped", "succeeded"], {"when": GOOD}, ("skipped", "what its condition reads was skipped")),
    Case("follows items", MAPPED, ["failed"], {"x": Output(0), "each": ("x",), "count": 2}, RUNS),
    Case("follows what was skipped", MAPPED, ["skipped"], {"x": Output(0), "each": ("x",), "count": 2}, ("skipped", "a skipped"), None, {0: "skipped"}),
    Case("follows what was cancelled", MAPPED, ["cancelled"], {"x": Output(0), "each": ("x",), "count": 2}, ("cancelled", "a cancelled"), None, {0: "cancelled"}),
    Case("follows what failed as one", MAPPED, ["failed"], {"x": Output(0), "each": ("x",), "count": 2}, ("blocked", "a failed"), None, {0: "failed"}),
    Case("gathers what failed", MAPPED, ["failed"], {"x": Output(0)}, ("blocked", "a failed")),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_verdict(case: Case) -> None:
    fields = dict(case.node)
    x = fields.pop("x", None)
    graph = graph_of(*case.before, take("last", x, **fields))
    outcomes = {0: Outcome(exports=(case.exported,))} if case.exported is not None else {}
    view = Known(graph, dict(enumerate(case.statuses)), outcomes, case.bars)
    assert verdicts.verdict(view, len(case.before)) == case.verdict


@pytest.mark.parametrize(
    ("statuses", "whole"),
    [
        (set(), "succeeded"),
        ({"succeeded"}, "succeeded"),
        ({"succeeded", "skipped"}, "skipped"),
        ({"skipped", "blocked"}, "blocked"),
        ({"blocked", "cancelled"}, "cancelled"),
        ({"cancelled", "failed", "succeeded"}, "failed"),
    ],
)
def test_a_node_is_as_its_worst_instance(statuses: set[StepStatus], whole: str) -> None:
    assert verdicts.worst(statuses) == whole


SPLIT = take("a", split=(A,))


@pytest.mark.parametrize(
    ("before", "fields", "found"),
    [
        ([], {"inputs": {"x": Literally([1, 2])}, "each": ("x",), "count": 2}, {2}),
        ([SPLIT], {"inputs": {"x": Output(0)}, "each": ("x",)}, {3}),
        ([SPLIT], {"inputs": {"x": Output(0), "y": Literally([1])}, "each": ("x", "y"), "count": 1}, {3, 1}),
        (MAPPED, {"inputs": {"x": Output(0)}, "each": ("x",), "count": 2}, {2}),
        ([], {"inputs": {"x": Constant("c0")}, "each": ("x",)}, {4}),
    ],
)
def test_the_lengths_of_mapped_lists(before: list[Node], fields: dict[str, Any], found: set[int]) -> None:
    graph = graph_of(*before, take("last", **fields))
    view = Known(graph, {0: "succeeded"}, {0: Outcome(items=(list_of(3),))})
    assert verdicts.counts(view, graph.nodes[-1]) == found


def test_what_was_not_exported_is_missing_in_words() -> None:
    graph = graph_of(take("a"), take("b"))
    with pytest.raises(LookupError, match="a did not export it"):
        verdicts.exported(graph, conditions.Scalar(0), Outcome())
