"""What would become of jobs on nodes: both read from files, and simulated, as they are and with changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import msgspec

from fairlead.errors import SpecError, UsageError, nearest
from fairlead.insight.planning.prices import PriceBook
from fairlead.planner import openb, plain
from fairlead.planner.domains import Domains
from fairlead.planner.lines import STRATEGIES, Strategy
from fairlead.planner.nodes import Node, ReclaimRate, gpu_millis_of
from fairlead.planner.outcomes import reported
from fairlead.planner.policies.table import POLICIES, policy_named
from fairlead.planner.reclaims import Reclaim
from fairlead.planner.simulation import simulate
from fairlead.planner.whatif import AS_IS, Change, Changes, change_faults, changed, requeued
from fairlead.planner.workloads import Job
from fairlead.queues.manifests import Setup
from fairlead.runs.arriving import jobs_of_runs
from fairlead.runs.capacity import with_gpus
from fairlead.runs.cores import in_order, on_cores
from fairlead.runs.importing import empty_nodes
from fairlead.runs.node_costs import with_cost, with_differences
from fairlead.runs.queueing import queued, read_queues
from fairlead.runs.reclaiming import listed_reclaims, with_rate
from fairlead.runs.tables import read_rows, read_toml
from fairlead.specs import documents
from fairlead.specs.capacity import SimulationReport

_FORMATS = {"plain": (plain.read_nodes, plain.read_jobs), "openb": (openb.read_nodes, openb.read_jobs)}
_MANY = 5_000
"""So many jobs are simulated beside others, in processes of their own."""


class Scenario(msgspec.Struct, frozen=True):
    """Nodes and the jobs that come, what becomes of nodes, and what the user should know of the files that say so."""

    nodes: tuple[Node, ...]
    jobs: tuple[Job, ...]
    notes: tuple[str, ...] = ()
    setup: Setup | None = None
    reclaims: tuple[Reclaim, ...] = ()
    spot_rate: ReclaimRate | None = None
    topology: tuple[str, ...] = ()


def read_scenario(
    nodes: Path,
    workloads: Path | Sequence[str],
    form: str,
    *,
    queues: Path | None = None,
    reclaims: Path | None = None,
    spot_rate: ReclaimRate | None = None,
    topology: Sequence[str] = (),
    is_bundle: bool = False,
    skip_bad: bool = False,
) -> Scenario:
    """Read nodes and jobs.

    Args:
        nodes: The file of nodes.
        workloads: The file of jobs, in the order in which they come; or flows, whose newest runs are the jobs.
        form: How both are written: ``plain`` or ``openb``.
        queues: The file of the queues that admit jobs; None where all that come may look for nodes.
        reclaims: The file that says when nodes are taken away.
        spot_rate: How often spot nodes are taken beside that; None where they are not.
        topology: The labels by which nodes are near each other, the narrowest first.
        is_bundle: Whether the file of nodes is a snapshot of a cluster, whose nodes are taken as empty.
        skip_bad: Whether rows that can't be are left out and counted, instead of refused.

    Raises:
        UsageError: A file can't be read, or there are no GPUs, no jobs or no queues.
        NotFoundError: There is no such run.
        SpecError: Rows or queues can't be; it names their lines.
    """
    read_nodes, read_jobs = _FORMATS[form]
    notes: list[str] = []
    listed = empty_nodes(nodes, notes) if is_bundle else read_rows(nodes, read_nodes, notes, skip_bad=skip_bad)
    found = with_gpus(nodes, listed)
    if not isinstance(workloads, Path):
        jobs = jobs_of_runs(workloads, found, notes)
    else:
        jobs = read_rows(workloads, lambda lines: read_jobs(lines, found), notes, skip_bad=skip_bad)
    if not jobs:
        raise UsageError("there is no job", where=str(workloads), next="give a list that has some")
    away = listed_reclaims(reclaims, found, notes, skip_bad=skip_bad)
    if spot_rate is not None and not any(node.spot for node in found):
        notes.append(f"{nodes}: no node is a spot node, so the rate takes none away")
    setup = None
    if queues is not None:
        setup = read_queues(queues, found)
        jobs = queued(jobs, setup, workloads if isinstance(workloads, Path) else "the runs")
        notes += setup.notes
    return Scenario(found, jobs, tuple(notes), setup, away, spot_rate, _known_labels(topology, found, nodes))


def simulate_policies(
    scenario: Scenario, policies: Sequence[str], strategy: str | None, seed: int, book: PriceBook | None = None
) -> Iterator[tuple[str, SimulationReport]]:
    """Simulate with each policy, one after another; returns a report for each with its name, as soon as there is one.

    A report has what its nodes cost where there is a price book.

    Raises:
        UsageError: There is no such policy, or no such strategy of queueing.
    """
    known = _known(policies, strategy)
    for name in policies:
        _check_policy(scenario, name)
    work = partial(_with_policy, strategy=known, seed=seed, book=book)
    return in_order(on_cores(work, scenario, policies, _processes(scenario)))


def read_changes(file: Path, scenario: Scenario) -> tuple[Change, ...]:
    """Read what is to be changed.

    Raises:
        UsageError: The file can't be read, or is no TOML.
        SpecError: It says what can't be; every fault is named.
    """
    found = documents.convert(read_toml(file, "file of changes", "docs/capacity.md"), Changes, source=str(file))
    if faults := list(change_faults(found.change, scenario.nodes, scenario.setup)):
        raise SpecError(str(file), faults)
    return found.change


def compare_changes(
    scenario: Scenario,
    changes: Iterable[Change],
    policy: str,
    strategy: str | None,
    seed: int,
    book: PriceBook | None = None,
) -> Iterator[tuple[str, SimulationReport]]:
    """Simulate a scenario as it is, and with each change alone; as `simulate_policies` does with policies.

    Raises:
        UsageError: There is no such policy or strategy, or a change leaves no GPU.
    """
    known = _known([policy], strategy)
    listed = (Change(name=AS_IS), *changes)
    for each in listed:  # all of them before any is simulated: what can't be is said at once
        _check_policy(_changed(scenario, each), each.policy or policy)
    work = partial(_with_change, policy=policy, strategy=known, seed=seed, book=book)
    found = on_cores(work, scenario, listed, _processes(scenario))
    return with_differences(in_order(found))


def _processes(scenario: Scenario) -> int | None:
    """Return how many processes simulate: this one where few jobs are done before another has begun."""
    return None if len(scenario.jobs) >= _MANY else 1


def _with_policy(
    scenario: Scenario, policy: str, *, strategy: Strategy | None, seed: int, book: PriceBook | None
) -> tuple[str, SimulationReport]:
    return policy, _simulated(scenario, policy, strategy, seed, book)


def _with_change(
    scenario: Scenario, change: Change, *, policy: str, strategy: Strategy | None, seed: int, book: PriceBook | None
) -> tuple[str, SimulationReport]:
    found = _changed(scenario, change)
    return change.name, _simulated(found, change.policy or policy, change.queueing or strategy, seed, book)


def _changed(scenario: Scenario, change: Change) -> Scenario:
    nodes, jobs = changed(scenario.nodes, scenario.jobs, change)
    setup = None if scenario.setup is None else requeued(scenario.setup, change)
    return msgspec.structs.replace(scenario, nodes=tuple(nodes), jobs=tuple(jobs), setup=setup)


def _known(policies: Iterable[str], strategy: str | None) -> Strategy | None:
    """Refuse what there is not, before anything is simulated; returns the strategy."""
    for name in policies:
        policy_named(name)
    if strategy is None:
        return None
    found = next((each for each in STRATEGIES if each == strategy), None)
    if found is None:
        raise UsageError(f"there is no queueing strategy {strategy!r}", next=nearest(strategy, STRATEGIES))
    return found


def _known_labels(labels: Sequence[str], nodes: Iterable[Node], file: Path) -> tuple[str, ...]:
    """Return labels that nodes have; refuse one that none has."""
    known = {name for node in nodes for name, _ in node.labels}
    for label in labels:
        if label not in known:
            raise UsageError(f"no node has the label {label!r}", where=str(file), next=nearest(label, known))
    return tuple(labels)


def _check_policy(scenario: Scenario, policy: str) -> None:
    """Refuse a policy that packs gangs without a topology, or can't place pods on GPUs that are cut, where some are."""
    if policy_named(policy).packs_gangs and not scenario.topology:
        raise UsageError(
            f"the policy {policy} does not know which nodes are near each other",
            next="--topology LABEL, with the label of a rack or a block that nodes have",
        )
    cut = next((node.name for node in scenario.nodes if node.cut is not None), None)
    if cut is not None and not policy_named(policy).knows_mig:
        able = [name for name, each in POLICIES.items() if each.knows_mig]
        raise UsageError(
            f"the policy {policy} chooses no MIG instances", why=f"the GPUs of {cut} are cut",
            next=f"--policy {' or '.join(able)}",
        )  # fmt: skip


def _simulated(
    scenario: Scenario, policy: str, strategy: Strategy | None, seed: int, book: PriceBook | None
) -> SimulationReport:
    nodes = with_rate(scenario.nodes, scenario.spot_rate)
    domains = Domains(nodes, scenario.topology) if scenario.topology else None
    course = simulate(
        nodes, scenario.jobs, policy_named(policy), strategy, seed, scenario.setup, scenario.reclaims, domains
    )
    report = reported(scenario.jobs, course, gpu_millis_of(nodes), domains)
    return with_cost(report, nodes, book, course.losses.away_s if course.losses else ())
