"""What would become of jobs on nodes: both read from files, and simulated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from fairlead.errors import UsageError, nearest
from fairlead.planner import openb, plain
from fairlead.planner.lines import STRATEGIES
from fairlead.planner.nodes import Node, gpu_millis_of
from fairlead.planner.outcomes import reported
from fairlead.planner.policies.table import policy_named
from fairlead.planner.simulation import simulate
from fairlead.planner.workloads import Job
from fairlead.runs.capacity import with_gpus
from fairlead.runs.tables import read_rows
from fairlead.specs.reports import SimulationReport

_FORMATS = {"plain": (plain.read_nodes, plain.read_jobs), "openb": (openb.read_nodes, openb.read_jobs)}


class Scenario(msgspec.Struct, frozen=True):
    """Nodes and the jobs that come, and what the user should know of the files that they were read from."""

    nodes: tuple[Node, ...]
    jobs: tuple[Job, ...]
    notes: tuple[str, ...] = ()


def read_scenario(nodes: Path, workloads: Path, form: str, *, skip_bad: bool = False) -> Scenario:
    """Read nodes and jobs.

    Args:
        nodes: The file of nodes.
        workloads: The file of jobs, in the order in which they come.
        form: How both are written: ``plain`` or ``openb``.
        skip_bad: Whether rows that can't be are left out and counted, instead of refused.

    Raises:
        UsageError: A file can't be read, or there are no GPUs, or no jobs.
        SpecError: Rows can't be; it names their lines.
    """
    read_nodes, read_jobs = _FORMATS[form]
    notes: list[str] = []
    found = with_gpus(nodes, read_rows(nodes, read_nodes, notes, skip_bad=skip_bad))
    jobs = read_rows(workloads, lambda lines: read_jobs(lines, found), notes, skip_bad=skip_bad)
    if not jobs:
        raise UsageError("there is no job", where=str(workloads), next="give a list that has some")
    return Scenario(found, jobs, tuple(notes))


def simulate_policies(
    scenario: Scenario, policies: Sequence[str], strategy: str, seed: int
) -> dict[str, SimulationReport]:
    """Simulate with each policy.

    Raises:
        UsageError: There is no such policy, or no such strategy of queueing.
    """
    if strategy not in STRATEGIES:
        raise UsageError(f"there is no queueing strategy {strategy!r}", next=nearest(strategy, STRATEGIES))
    found = {name: policy_named(name) for name in policies}
    gpu_millis = gpu_millis_of(scenario.nodes)
    return {
        name: reported(scenario.jobs, simulate(scenario.nodes, scenario.jobs, policy, strategy, seed), gpu_millis)
        for name, policy in found.items()
    }
