"""The openb format: the nodes and pods of a GPU cluster as Alibaba publishes them.

Source: cluster-trace-gpu-v2023 of github.com/alibaba/clusterdata; thousandths of cores and GPUs, MiB of memory. The
columns of times are read for a simulation alone, as the published experiment has no use for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from fairlead.planner.nodes import GPU_MILLIS, Node, models_of
from fairlead.planner.tables import Row, Table, read_table
from fairlead.planner.workloads import Demand, Job, Pod

GPUS_MOST = 1024
"""No node has more GPUs."""

_NODE_COLUMNS = ("sn", "cpu_milli", "memory_mib", "gpu", "model")
_POD_COLUMNS = ("name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli")
_TIME_COLUMNS = ("creation_time", "deletion_time", "scheduled_time")


def read_nodes(lines: Iterable[str]) -> Table[Node]:
    """Read a list of nodes."""
    once = named_once()

    def read(row: Row) -> Node:
        gpus = row.number("gpu", most=GPUS_MOST)
        return Node(
            name=once(row, "sn"),
            cpu_millis=row.number("cpu_milli", least=1),
            memory_mib=row.number("memory_mib", least=1),
            gpus=gpus,
            model=row.text("model", needed=gpus > 0) if gpus else "",
        )

    return read_table(lines, _NODE_COLUMNS, read)


def read_pods(lines: Iterable[str], nodes: Sequence[Node]) -> Table[Pod]:
    """Read a list of pods.

    One that no node could take, empty as it may be, is noted and kept: the published lists have some, which come and
    find no place. One that asks for a model that no node has is a fault.
    """
    once, asked = named_once(), Asked(nodes, "gpu_spec")
    return read_table(lines, _POD_COLUMNS, lambda row: Pod(once(row, "name"), asked.of(row, _demand(row))))


def read_jobs(lines: Iterable[str], nodes: Sequence[Node]) -> Table[Job]:
    """Read a list of pods with the times at which they came, began and ended; who never began waited to the end."""
    once, asked, came = named_once(), Asked(nodes, "gpu_spec"), in_order()

    def read(row: Row) -> Job:
        arrival_s, end_s = came(row, "creation_time"), row.number("deletion_time")
        began_s = row.number("scheduled_time") if row.text("scheduled_time", needed=False) else arrival_s
        if not row.faults and end_s < began_s:
            row.fault("deletion_time", f"is before the pod began: {end_s} < {began_s}")
        return Job(
            name=once(row, "name"), demand=asked.of(row, _demand(row)), arrival_s=arrival_s,
            duration_s=max(1, end_s - began_s),
        )  # fmt: skip

    return read_table(lines, (*_POD_COLUMNS, *_TIME_COLUMNS), read)


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


def _demand(row: Row) -> Demand:
    gpus = row.number("num_gpu", most=GPUS_MOST)
    least, most = (0, 0) if gpus == 0 else (1, GPU_MILLIS) if gpus == 1 else (GPU_MILLIS, GPU_MILLIS)
    return Demand(
        cpu_millis=row.number("cpu_milli"),
        memory_mib=row.number("memory_mib"),
        gpus=gpus,
        gpu_millis=row.number("gpu_milli", least=least, most=most),
        models=tuple(sorted({each for each in row.text("gpu_spec", needed=False).split("|") if each})),
    )


def _too_large(demand: Demand, nodes: Sequence[Node]) -> str:
    """Say that no node could ever take a pod; empty where one could."""
    for node in nodes:
        if (
            demand.cpu_millis <= node.cpu_millis
            and demand.memory_mib <= node.memory_mib
            and demand.gpus <= node.gpus
            and (not demand.models or node.model in demand.models)
        ):
            return ""
    of = f" of {' or '.join(demand.models)}" if demand.models else ""
    return (
        f"is larger than any node: {demand.cpu_millis} thousandths of a core, {demand.memory_mib} MiB and "
        f"{demand.gpus} GPUs{of}"
    )
