"""What tables of nodes and workloads have in common, whatever their columns are called."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fairlead.planner.nodes import Node, models_of
from fairlead.planner.tables import Row
from fairlead.planner.workloads import Demand


class Asked:
    """What rows ask for, each demand once, held against the nodes.

    Args:
        nodes: The nodes.
        models: The column that names models.
    """

    def __init__(self, nodes: Sequence[Node], models: str) -> None:
        self._nodes = nodes
        self._column = models
        self._models = {model for model in models_of(nodes) if model}
        self._known: dict[Demand, tuple[Demand, str]] = {}

    def of(self, row: Row, demand: Demand) -> Demand:
        """Return a row's demand; a model that no node has is a fault, and one that is too large for all is noted."""
        if row.faults:
            return demand
        if demand not in self._known:
            self._known[demand] = demand, _too_large(demand, self._nodes)
        demand, too_large = self._known[demand]
        if demand.models and not set(demand.models) & self._models:
            named = " or ".join(demand.models)
            row.fault(self._column, f"no node has a GPU {named}; there are {', '.join(sorted(self._models))}")
        elif too_large:
            row.note(too_large)
        return demand


def in_order() -> Callable[[Row, str], int]:
    """Return what reads a time that is none before that of the row above."""
    latest = 0

    def time(row: Row, column: str) -> int:
        nonlocal latest
        faults, found = len(row.faults), row.number(column)
        if found < latest and len(row.faults) == faults:
            row.fault(column, f"is before that of a row above: {found} < {latest}; sort the rows by it")
        latest = max(latest, found)
        return found

    return time


def named_once() -> Callable[[Row, str], str]:
    """Return what reads a name that no other row has."""
    seen: set[str] = set()

    def name(row: Row, column: str) -> str:
        found = row.text(column)
        if found in seen:
            row.fault(column, f"{found!r} stands in an earlier line too")
        seen.add(found)
        return found

    return name


def _too_large(demand: Demand, nodes: Sequence[Node]) -> str:
    """Say that no node could ever take a pod; empty where one could."""
    for node in nodes:
        if (
            demand.cpu_millis <= node.cpu_millis
            and demand.memory_mib <= node.memory_mib
            and demand.gpus <= node.gpus
            and (not demand.models or node.model in demand.models)
            and _is_cut_as_asked(demand, node)
        ):
            return ""
    of = f" of {' or '.join(demand.models)}" if demand.models else ""
    if demand.profile:
        of += f" cut into {demand.profile}"
    return (
        f"is larger than any node: {demand.cpu_millis} thousandths of a core, {demand.memory_mib} MiB and "
        f"{demand.gpus} GPUs{of}"
    )


def _is_cut_as_asked(demand: Demand, node: Node) -> bool:
    if demand.profile:
        return node.cut is not None and node.cut.gives(demand.profile)
    return node.cut is None or not demand.gpus
