"""The openb format: the nodes and pods of a GPU cluster as Alibaba publishes them.

Source: cluster-trace-gpu-v2023 of github.com/alibaba/clusterdata; thousandths of cores and GPUs, MiB of memory. The
columns of times are read for a simulation alone, as the published experiment has no use for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fairlead.planner.nodes import GPU_MILLIS, GPUS_MOST, Node
from fairlead.planner.reading import Asked, in_order, named_once
from fairlead.planner.tables import Row, Table, read_table
from fairlead.planner.workloads import Demand, Job, Pod

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
