"""Nodes and jobs as plain tables, whose columns docs/capacity.md has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

import msgspec

from fairlead.errors import UsageError, nearest
from fairlead.planner.mig.cutting import Cut, cut_fault, gpu_part, read_cut
from fairlead.planner.nodes import GPU_MILLIS, GPUS_MOST, Node
from fairlead.planner.reading import Asked, in_order, named_once
from fairlead.planner.reclaims import Reclaim
from fairlead.planner.tables import NUMBER_MOST, Row, Table, read_table
from fairlead.planner.workloads import Demand, Job

_NODE_COLUMNS = ("name", "cpu_milli", "memory_mib", "gpus", "model")
_JOB_COLUMNS = ("name", "arrival_s", "duration_s", "cpu_milli", "memory_mib", "gpus")
_RECLAIM_COLUMNS = ("node", "at_s", "back_s")
_COUNT_MOST = 100_000
_PRIORITY_MOST = 10**9


def read_nodes(lines: Iterable[str]) -> Table[Node]:
    """Read a table of nodes; a row with a ``count`` is that many alike."""
    once = named_once()

    def read(row: Row) -> tuple[Node, ...]:
        gpus = row.number("gpus", most=GPUS_MOST)
        name, count = once(row, "name"), _or(row, "count", 1, least=1, most=_COUNT_MOST)
        model = row.text("model") if gpus else ""
        node = Node(
            name=name, cpu_millis=row.number("cpu_milli", least=1), memory_mib=row.number("memory_mib", least=1),
            gpus=gpus, model=model, labels=_labels(row), spot=_spot(row), cut=_cut(row, model),
        )  # fmt: skip
        if count == 1:
            return (node,)
        return tuple(msgspec.structs.replace(node, name=f"{name}-{number}") for number in range(count))

    found = read_table(lines, _NODE_COLUMNS, read)
    return Table(tuple(chain.from_iterable(found.items)), found.faults, found.bad, found.notes)


def read_jobs(lines: Iterable[str], nodes: Sequence[Node]) -> Table[Job]:
    """Read a table of jobs, in the order in which they come."""
    once, asked, came = named_once(), Asked(nodes, "models"), in_order()

    def read(row: Row) -> Job:
        pods = _or(row, "pods", 1, least=1, most=_COUNT_MOST)
        pods_min = _or(row, "pods_min", pods, least=1, most=pods)
        return Job(
            name=once(row, "name"), arrival_s=came(row, "arrival_s"), duration_s=row.number("duration_s", least=1),
            pods=pods, pods_min=pods_min if pods_min < pods else None,
            priority=_or(row, "priority", 0, least=-_PRIORITY_MOST, most=_PRIORITY_MOST),
            demand=asked.of(row, _demand(row)), queue=row.text("queue", needed=False),
            checkpoint_s=_or(row, "checkpoint_s", 0, least=1, most=NUMBER_MOST),
        )  # fmt: skip

    return read_table(lines, _JOB_COLUMNS, read)


def read_reclaims(lines: Iterable[str], nodes: Sequence[Node]) -> Table[Reclaim]:
    """Read a table of when nodes are taken away, in any order."""
    names = {node.name for node in nodes}

    def read(row: Row) -> Reclaim:
        node, at_s = row.text("node"), row.number("at_s")
        if node and node not in names:
            row.fault("node", f"no node is called {node!r}: {nearest(node, names)}")
        back_s = row.number("back_s", least=at_s) if row.text("back_s", needed=False) else None
        return Reclaim(node=node, at_s=at_s, back_s=back_s)

    return read_table(lines, _RECLAIM_COLUMNS, read)


def _demand(row: Row) -> Demand:
    gpus, profile = row.number("gpus", most=GPUS_MOST), row.text("profile", needed=False)
    if profile:
        part = _part(row, gpus, profile)
    else:
        part = _or(row, "gpu_milli", GPU_MILLIS, least=1 if gpus == 1 else GPU_MILLIS, most=GPU_MILLIS) if gpus else 0
    return Demand(
        cpu_millis=row.number("cpu_milli"),
        memory_mib=row.number("memory_mib"),
        gpus=gpus,
        gpu_millis=part,
        models=tuple(sorted({each for each in row.text("models", needed=False).split("|") if each})) if gpus else (),
        profile=profile,
    )


def _part(row: Row, gpus: int, profile: str) -> int:
    """Return the part of a GPU that an instance is."""
    if gpus != 1 or row.text("gpu_milli", needed=False):
        row.fault("profile", "an instance is of 1 GPU, and says itself which part of it; give gpus 1 and no gpu_milli")
    try:
        return gpu_part(profile)
    except UsageError as error:
        row.fault("profile", f"{error.what}: {error.next}")
        return 0


def _cut(row: Row, model: str) -> Cut | None:
    """Return how the GPUs of a node are cut."""
    text = row.text("mig", needed=False)
    if not text or row.faults:
        return None
    if why := cut_fault(model, text):
        row.fault("mig", why)
        return None
    return read_cut(model, text)


def _labels(row: Row) -> tuple[tuple[str, str], ...]:
    """Return the labels of a node: ``pool=spot|zone=a``."""
    found = {}
    for each in filter(None, row.text("labels", needed=False).split("|")):
        name, given, value = each.partition("=")
        if not given or not name:
            row.fault("labels", f"must be name=value, divided by |, got {each!r}")
        found[name] = value
    return tuple(sorted(found.items()))


def _spot(row: Row) -> bool:
    """Say whether a node may be taken away by who provides it: ``true``; not where the cell is empty or missing."""
    said = row.text("spot", needed=False)
    if said not in ("", "true", "false"):
        row.fault("spot", f"must be true or false, got {said[:40]!r}")
    return said == "true"


def _or(row: Row, column: str, otherwise: int, *, least: int, most: int) -> int:
    """Return a number; where the cell is empty, or there is no such column, what counts then."""
    return row.number(column, least=least, most=most) if row.text(column, needed=False) else otherwise
