"""What capacity is told by, as tables for other programs: the units are in the head, and nothing is cut or rounded.

They have the names of the documents, with what a number counts after it: ``wait_p50_s``. What is not known is empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from fairlead.specs.capacity import FragmentationReport, ReplayReport, RightsizeReport, SimulationReport
    from fairlead.specs.simulated import Seconds

_SECONDS = ("mean", "p50", "p90", "p99", "most")


class Table(NamedTuple):
    """A table: the names of its columns, and a value for each in every row."""

    head: Sequence[str]
    rows: Sequence[Sequence[Any]]


def of_simulations(found: Mapping[str, SimulationReport], what: str) -> Table:
    """Return a row for each simulation; `what` heads the column of their names."""
    head = (
        what, "jobs", "given_up", "makespan_s", "scheduling_occupancy_percent", "gpu_allocation_most_percent",
        "fragmentation_percent", *(f"{each}_{name}_s" for each in ("wait", "completion") for name in _SECONDS),
        "cost_per_h", "cost_over_makespan", "cost_per_used_gpu_h", "cost_more_than_as_is", "currency",
        "lacking", "nodes_taken", "jobs_stopped", "lost_gpu_hours", "away_node_hours",
        "elastic_gangs", "smaller_gangs", "their_pods_percent",
    )  # fmt: skip
    rows = [
        (
            name, each.jobs, len(each.given_up), each.makespan_s, each.scheduling_occupancy, each.gpu_allocation_most,
            each.fragmentation, *_seconds(each.wait), *_seconds(each.completion), *_cost(each), *_reclaimed(each),
            *_elastic(each),
        )
        for name, each in found.items()
    ]  # fmt: skip
    return Table(head, rows)


def of_queues(found: Mapping[str, SimulationReport], what: str) -> Table:
    """Return a row for each queue of each simulation."""
    head = (
        what, "queue", "jobs", "given_up", "evictions", "reclaims", "gpu_hours", "lost_gpu_hours",
        *(f"{each}_{name}_s" for each in ("wait", "completion") for name in _SECONDS),
    )  # fmt: skip
    rows = [
        (
            name, each.name, each.jobs, each.given_up, each.evictions, each.reclaims, each.gpu_hours,
            each.lost_gpu_hours, *_seconds(each.wait), *_seconds(each.completion),
        )
        for name, report in found.items()
        for each in report.queues
    ]  # fmt: skip
    return Table(head, rows)


def of_simulations_over_time(found: Mapping[str, SimulationReport], what: str) -> Table:
    """Return a row for each part of the time of each simulation."""
    head = (what, "from_s", "gpu_allocation_percent", "fragmentation_percent", "waiting_jobs")
    rows = [
        (name, each.from_s, each.gpu_allocation, each.fragmentation, each.waiting)
        for name, report in found.items()
        for each in report.over_time
    ]
    return Table(head, rows)


def of_replays(found: Mapping[str, ReplayReport]) -> Table:
    """Return a row for each per cent of arrivals of each policy."""
    curves = ("gpu_allocation", "fragmentation")
    head = (
        "policy",
        "seeds",
        "arrivals_percent",
        *(f"{each}_{name}_percent" for each in curves for name in ("mean", "sd")),
    )
    rows = [
        (policy, report.seeds, used.arrivals_percent, used.mean, used.sd, lost.mean, lost.sd)
        for policy, report in found.items()
        for used, lost in zip(report.gpu_allocation, report.fragmentation, strict=True)
    ]
    return Table(head, rows)


def of_fragmentation(found: FragmentationReport) -> Table:
    """Return a row for each node and kind of GPU that it has; what is stranded has a column for each cause."""
    causes = [each.cause for each in found.causes]
    head = (
        "node", "model", "gpu_millis", "free_gpu_millis", "stranded_gpu_millis",
        *(f"{each.replace('-', '_')}_gpu_millis" for each in causes),
    )  # fmt: skip
    rows = []
    for node in found.nodes:
        stranded = {each.cause: each.gpu_millis for each in node.causes}
        amounts = (node.gpu_millis, node.free_gpu_millis, node.stranded_gpu_millis)
        rows.append((node.node, node.model, *amounts, *(stranded.get(cause, 0) for cause in causes)))
    return Table(head, rows)


def of_rightsizing(found: RightsizeReport) -> Table:
    """Return a row for each step or workload."""
    head = (
        "flow", "step", "attempts", "oom_kills", "cpu_requested_millis", "cpu_p95_millis", "cpu_proposed_millis",
        "memory_requested_bytes", "memory_p95_bytes", "memory_proposed_bytes", "saved_core_hours", "saved_gib_hours",
        "gpu_memory_p95_bytes", "gpu_p95_percent", "saved_cost", "currency", "why",
    )  # fmt: skip
    rows = [
        (
            each.flow, each.step, each.attempts, each.oom_kills, each.cpu_millis.requested, each.cpu_millis.p95,
            each.cpu_millis.proposed, each.memory_bytes.requested, each.memory_bytes.p95, each.memory_bytes.proposed,
            each.cpu_millis.saved_hours, each.memory_bytes.saved_hours, each.gpu_memory_p95_bytes,
            each.gpu_p95_percent, each.saved_cost, found.currency, each.why,
        )
        for each in found.steps
    ]  # fmt: skip
    return Table(head, rows)


def _cost(report: SimulationReport) -> tuple[float | str | None, ...]:
    cost = report.cost
    if cost is None:
        return (None,) * 6
    amounts = (cost.per_h, cost.over_makespan, cost.per_used_gpu_h, cost.more_than_as_is)
    return (*amounts, cost.currency, "; ".join(cost.lacking))


def _reclaimed(report: SimulationReport) -> tuple[float | None, ...]:
    found = report.reclaims
    return (None,) * 4 if found is None else (found.nodes, found.jobs, found.lost_gpu_hours, found.away_node_hours)


def _elastic(report: SimulationReport) -> tuple[float | None, ...]:
    found = report.elastic
    return (None,) * 3 if found is None else (found.gangs, found.smaller, found.pods_percent)


def _seconds(found: Seconds | None) -> Iterator[float | None]:
    for name in _SECONDS:
        yield getattr(found, name) if found is not None else None
