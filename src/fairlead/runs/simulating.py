"""What would become of jobs on nodes: both read from files, and simulated, as they are and with changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from fairlead.errors import SpecError, UsageError, nearest
from fairlead.insight.planning.prices import PriceBook
from fairlead.planner import openb, plain
from fairlead.planner.lines import STRATEGIES
from fairlead.planner.nodes import Node, gpu_millis_of
from fairlead.planner.outcomes import reported
from fairlead.planner.policies.table import policy_named
from fairlead.planner.simulation import simulate
from fairlead.planner.whatif import AS_IS, Change, Changes, change_faults, changed
from fairlead.planner.workloads import Job
from fairlead.runs.capacity import with_gpus
from fairlead.runs.importing import empty_nodes
from fairlead.runs.node_costs import with_cost, with_differences
from fairlead.runs.tables import read_rows, read_toml
from fairlead.specs import documents
from fairlead.specs.reports import SimulationReport

_FORMATS = {"plain": (plain.read_nodes, plain.read_jobs), "openb": (openb.read_nodes, openb.read_jobs)}


class Scenario(msgspec.Struct, frozen=True):
    """Nodes and the jobs that come, and what the user should know of the files that they were read from."""

    nodes: tuple[Node, ...]
    jobs: tuple[Job, ...]
    notes: tuple[str, ...] = ()


def read_scenario(
    nodes: Path, workloads: Path, form: str, *, is_bundle: bool = False, skip_bad: bool = False
) -> Scenario:
    """Read nodes and jobs.

    Args:
        nodes: The file of nodes.
        workloads: The file of jobs, in the order in which they come.
        form: How both are written: ``plain`` or ``openb``.
        is_bundle: Whether the file of nodes is a snapshot of a cluster, whose nodes are taken as empty.
        skip_bad: Whether rows that can't be are left out and counted, instead of refused.

    Raises:
        UsageError: A file can't be read, or there are no GPUs, or no jobs.
        SpecError: Rows can't be; it names their lines.
    """
    read_nodes, read_jobs = _FORMATS[form]
    notes: list[str] = []
    listed = empty_nodes(nodes, notes) if is_bundle else read_rows(nodes, read_nodes, notes, skip_bad=skip_bad)
    found = with_gpus(nodes, listed)
    jobs = read_rows(workloads, lambda lines: read_jobs(lines, found), notes, skip_bad=skip_bad)
    if not jobs:
        raise UsageError("there is no job", where=str(workloads), next="give a list that has some")
    return Scenario(found, jobs, tuple(notes))


def simulate_policies(
    scenario: Scenario, policies: Sequence[str], strategy: str, seed: int, book: PriceBook | None = None
) -> Iterator[tuple[str, SimulationReport]]:
    """Simulate with each policy, one after another; returns a report for each with its name, as soon as there is one.

    A report has what its nodes cost where there is a price book.

    Raises:
        UsageError: There is no such policy, or no such strategy of queueing.
    """
    _check(policies, strategy)
    return ((name, _simulated(scenario.nodes, scenario.jobs, name, strategy, seed, book)) for name in policies)


def read_changes(file: Path, scenario: Scenario) -> tuple[Change, ...]:
    """Read what is to be changed.

    Raises:
        UsageError: The file can't be read, or is no TOML.
        SpecError: It says what can't be; every fault is named.
    """
    found = documents.convert(read_toml(file, "file of changes", "docs/capacity.md"), Changes, source=str(file))
    if faults := list(change_faults(found.change, scenario.nodes)):
        raise SpecError(str(file), faults)
    return found.change


def compare_changes(
    scenario: Scenario, changes: Iterable[Change], policy: str, strategy: str, seed: int, book: PriceBook | None = None
) -> Iterator[tuple[str, SimulationReport]]:
    """Simulate a scenario as it is, and with each change alone; as `simulate_policies` does with policies.

    Raises:
        UsageError: There is no such policy or strategy, or a change leaves no GPU.
    """
    _check([policy], strategy)
    # all of them before any is simulated: what can't be is said at once
    tried = [(each, *changed(scenario.nodes, scenario.jobs, each)) for each in (Change(name=AS_IS), *changes)]
    return with_differences(
        (each.name, _simulated(nodes, jobs, each.policy or policy, each.queueing or strategy, seed, book))
        for each, nodes, jobs in tried
    )


def _check(policies: Iterable[str], strategy: str) -> None:
    """Refuse what there is not, before anything is simulated."""
    for name in policies:
        policy_named(name)
    if strategy not in STRATEGIES:
        raise UsageError(f"there is no queueing strategy {strategy!r}", next=nearest(strategy, STRATEGIES))


def _simulated(
    nodes: Sequence[Node], jobs: Sequence[Job], policy: str, strategy: str, seed: int, book: PriceBook | None
) -> SimulationReport:
    report = reported(jobs, simulate(nodes, jobs, policy_named(policy), strategy, seed), gpu_millis_of(nodes))
    return with_cost(report, nodes, book)
