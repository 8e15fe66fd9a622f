"""The openb format: the nodes and pods of a GPU cluster as Alibaba publishes them.

Source: cluster-trace-gpu-v2023 of github.com/alibaba/clusterdata; thousandths of cores and GPUs, MiB of memory. The
columns of times and of the quality of service are not read: the published experiment has no use for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from fairlead.planner.nodes import GPU_MILLIS, Node, models_of
from fairlead.planner.tables import Row, Table, read_table
from fairlead.planner.workloads import Demand, Pod

GPUS_MOST = 1024
"""No node has more GPUs."""

_NODE_COLUMNS = ("sn", "cpu_milli", "memory_mib", "gpu", "model")
_POD_COLUMNS = ("name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli")


def read_nodes(lines: Iterable[str]) -> Table[Node]:
    """Read a list of nodes."""
    once = _once()

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
    once = _once()
    models = {model for model in models_of(nodes) if model}
    known: dict[Demand, tuple[Demand, str]] = {}

    def read(row: Row) -> Pod:
        name = once(row, "name")
        demand = _demand(row)
        if not row.faults:
            if demand not in known:
                known[demand] = demand, _too_large(demand, nodes)
            demand, too_large = known[demand]
            if demand.models and not set(demand.models) & models:
                row.fault(
                    "gpu_spec", f"no node has a GPU {' or '.join(demand.models)}; there are {', '.join(sorted(models))}"
                )
            elif too_large:
                row.note(too_large)
        return Pod(name, demand)

    return read_table(lines, _POD_COLUMNS, read)


def _once() -> Callable[[Row, str], str]:
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
