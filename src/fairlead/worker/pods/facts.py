"""What a pod tells the workflow about its outcome: whether nodes run that wait for it alone, and how long lists are.

The values of steps never pass through the workflow. A condition is evaluated here, by the one evaluator, and the
workflow reads the word ``true`` or ``false``; so a branch that is not taken starts no pod.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fairlead.specs.branching import conditions_on, length_facts, lists_of
from fairlead.specs.conditions import ConditionError, evaluate
from fairlead.specs.graphs import Graph
from fairlead.specs.values import Ref
from fairlead.store.records import Outcome
from fairlead.store.verdicts import exported


def facts(graph: Graph, node: int, outcome: Outcome, count_items: Callable[[Ref], int]) -> dict[str, str]:
    """Return the facts that others wait for, by the names that `fairlead.specs.branching` gives them.

    Args:
        graph: The run's graph.
        node: The node that has succeeded.
        outcome: What it produced.
        count_items: Returns how many items a list value has.
    """
    found = {}
    for name, dependent in conditions_on(graph, node).items():
        condition = graph.nodes[dependent].when
        assert condition is not None
        try:
            holds = evaluate(condition, lambda scalar: exported(graph, scalar, outcome))
        except (ConditionError, LookupError):
            holds = True  # its own pod says what is wrong with it
        found[name] = "true" if holds else "false"
    for position, _ in enumerate(lists_of(graph, node)):
        found |= length_facts(position, count_items(outcome.items[position]))
    return found


def undecided(graph: Graph, node: int) -> dict[str, str]:
    """Return the facts as they are where a node does not succeed: nothing runs that waits for them."""
    found = dict.fromkeys(conditions_on(graph, node), "false")
    for position, _ in enumerate(lists_of(graph, node)):
        found |= length_facts(position, 0)
    return found


def write_facts(folder: Path, found: dict[str, str]) -> None:
    """Write each fact to a file of its name, where the workflow's executor reads it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in found.items():
        (folder / name).write_text(value)
