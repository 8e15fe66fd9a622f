"""Print what would become of jobs on nodes: how long they wait, and how much of the GPUs they use."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.cli.capacity_costs import print_costs
from fairlead.cli.capacity_csv import of_queues, of_simulations, of_simulations_over_time
from fairlead.cli.capacity_gathering import gathered
from fairlead.cli.capacity_plotting import add_plot_option, check_plot, wants_plot
from fairlead.cli.capacity_policies import add_policy_option, policies_of
from fairlead.cli.output import add_output_option, print_csv, print_document, print_table
from fairlead.errors import UsageError
from fairlead.quantities import human_duration

if TYPE_CHECKING:
    from fairlead.runs.simulating import Scenario
    from fairlead.specs.capacity import SimulationReport
    from fairlead.specs.simulated import ElasticGangs, GangsTogether, QueueOutcome, Reclaimed, Seconds

_HEAD = (
    "JOBS", "GIVEN UP", "MAKESPAN", "OCCUPANCY %", "FRAGMENTED %", "WAIT P50", "P90", "P99", "MOST",
    "COMPLETION P50", "P90",
)  # fmt: skip
_QUEUE_HEAD = (
    "QUEUE", "JOBS", "GIVEN UP", "TAKEN BACK", "GPU-HOURS", "IN VAIN", "WAIT P50", "P90", "MOST",
    "COMPLETION P50", "P90",
)  # fmt: skip
_RECLAIM_HEAD = ("NODES TAKEN", "JOBS STOPPED", "GPU-HOURS LOST", "NODE-HOURS AWAY")
_GANG_HEAD = ("NEAR BY", "GANGS", "TOGETHER", "%")
_ELASTIC_HEAD = ("ELASTIC GANGS", "SMALLER", "THEIR PODS %")
_NAMED = 5
"""So many jobs that can never begin are named to people; the document has all."""


def configure(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb, and describe its options."""
    simulating = verbs.add_parser(
        "simulate",
        help="simulate jobs that come, wait, run and go",
        description="Simulate jobs that come, wait, run and go, on nodes that are empty at first.",
    )
    add_scenario_options(simulating)


def add_scenario_options(simulating: argparse.ArgumentParser) -> None:
    """Describe the options that say what is simulated."""
    simulating.add_argument(
        "--format", choices=("plain", "openb"), default="plain", help="how the files are written; plain"
    )
    nodes = simulating.add_mutually_exclusive_group(required=True)
    nodes.add_argument("--nodes", type=Path, metavar="FILE", help="the nodes, empty")
    nodes.add_argument("--snapshot", type=Path, metavar="BUNDLE", help="the nodes of a snapshot, empty")
    jobs = simulating.add_mutually_exclusive_group(required=True)
    jobs.add_argument("--workloads", type=Path, metavar="FILE", help="the jobs")
    jobs.add_argument(
        "--from-runs", nargs="*", metavar="FLOW", help="the attempts of the newest runs of flows, or of all, as jobs"
    )
    simulating.add_argument("--on", metavar="CONTEXT", help="by the store of which context, with --from-runs")
    add_policy_option(simulating)
    simulating.add_argument(
        "--queues",
        type=Path,
        metavar="FILE",
        help="the queues that admit jobs: Kueue's ClusterQueues, Cohorts and ResourceFlavors; none without",
    )
    simulating.add_argument(
        "--queueing",
        metavar="STRATEGY",
        help="StrictFIFO, or BestEffortFIFO: those behind may pass who can't begin; as each queue says where it is not "
        "given, and BestEffortFIFO where there are no queues",
    )
    simulating.add_argument(
        "--topology",
        default="",
        metavar="LABEL[,LABEL]",
        help="the labels of nodes by which they are near each other, the narrowest first",
    )
    simulating.add_argument("--reclaims", type=Path, metavar="FILE", help="when nodes are taken away, and are back")
    simulating.add_argument(
        "--spot-reclaim-rate", type=float, metavar="N", help="how often each spot node is taken away in an hour"
    )
    simulating.add_argument(
        "--spot-back-after", metavar="DURATION", help="after how long it is there again, with --spot-reclaim-rate"
    )
    simulating.add_argument(
        "--seed", type=int, default=42, metavar="N", help="decides what a policy draws, and when spot nodes go; 42"
    )
    simulating.add_argument(
        "--prices", action="append", default=[], metavar="FILE", help="a price book, in TOML; may be repeated"
    )
    simulating.add_argument("--skip-bad", action="store_true", help="leave bad rows out and count them, not refuse")
    instead = simulating.add_mutually_exclusive_group()
    instead.add_argument(
        "--over-time", action="store_true", help="print a line for each part of the time; documents have them always"
    )
    instead.add_argument(
        "--by-queue", action="store_true", help="print a line for each queue alone; documents have them always"
    )
    add_plot_option(simulating)
    add_output_option(simulating, more=("csv",))


def run(arguments: argparse.Namespace) -> int:
    """Simulate, and print what came of it."""
    from fairlead.runs.pricing import read_book
    from fairlead.runs.simulating import simulate_policies

    policies = policies_of(arguments)
    book = read_book(arguments.prices)
    scenario = read(arguments)
    reports = simulate_policies(scenario, policies, arguments.queueing, arguments.seed, book)
    return print_reports(reports, len(policies), "POLICY", arguments)


def read(arguments: argparse.Namespace) -> Scenario:
    """Return what is to be simulated; what is to be known of its files is printed."""
    from fairlead.runs.reclaiming import spot_rate
    from fairlead.runs.simulating import read_scenario

    check_plot(arguments)
    if arguments.by_queue and arguments.queues is None:
        raise UsageError("--by-queue prints a line for each queue, and there is none", next="add --queues FILE")
    scenario = read_scenario(
        arguments.nodes or arguments.snapshot,
        arguments.from_runs if arguments.workloads is None else arguments.workloads,
        arguments.format, queues=arguments.queues, reclaims=arguments.reclaims,
        spot_rate=spot_rate(arguments.spot_reclaim_rate, arguments.spot_back_after),
        topology=[each for each in dict.fromkeys(arguments.topology.split(",")) if each],
        is_bundle=arguments.nodes is None, skip_bad=arguments.skip_bad,
    )  # fmt: skip
    for note in scenario.notes:
        print(note, file=sys.stderr)
    return scenario


def print_reports(
    reports: Iterable[tuple[str, SimulationReport]], count: int, what: str, arguments: argparse.Namespace
) -> int:
    """Print so many reports with their names, as is asked for; `what` heads the column of names.

    Returns:
        The exit code: where the user has interrupted it, those that there are are printed, and it is said.
    """
    named, code = gathered(reports, count, "simulations", arguments)
    found = dict(named)
    tabled = of_simulations_over_time if arguments.over_time else of_queues if arguments.by_queue else of_simulations
    if arguments.output == "table" and arguments.over_time:
        rows = [_at(*row) for row in tabled(found, what.lower()).rows]
        print_table((what, "FROM", "ALLOCATED %", "FRAGMENTED %", "WAITING"), rows)
    elif arguments.output == "table" and arguments.by_queue:
        _print_queues(found, what)
    elif arguments.output == "table":
        _print(found, what)
    elif arguments.output == "csv":
        print_csv(*tabled(found, what.lower()))
    else:
        print_document(found, arguments.output)
    if wants_plot(arguments, code):
        from fairlead.cli.capacity_plots import plot_simulations

        plot_simulations(found, arguments.plot)
    return code


def _print(found: dict[str, SimulationReport], what: str) -> None:
    print_table((what, *_HEAD), [_row(name, report) for name, report in found.items()])
    if any(report.queues for report in found.values()):
        print()
        _print_queues(found, what)
    reclaims = [(name, report.reclaims) for name, report in found.items() if report.reclaims is not None]
    if reclaims:
        print()
        print_table((what, *_RECLAIM_HEAD), [_reclaim_row(name, each) for name, each in reclaims])
    gangs = [(name, *_gang_row(each)) for name, report in found.items() for each in report.gangs]
    if gangs:
        print()
        print_table((what, *_GANG_HEAD), gangs)
    elastic = [(name, *_elastic_row(report.elastic)) for name, report in found.items() if report.elastic is not None]
    if elastic:
        print()
        print_table((what, *_ELASTIC_HEAD), elastic)
    for name, report in found.items():
        if report.is_restless:
            print(f"{name}: the queues' rules take work back and admit it again without end")
        if report.given_up:
            named = ", ".join(report.given_up[:_NAMED])
            more = f" and {len(report.given_up) - _NAMED} more" if len(report.given_up) > _NAMED else ""
            by = "these nodes and queues" if report.queues else "these nodes"
            never = "never begin" if report.reclaims is None else "never begin or never end"
            print(f"{name}: can {never} on {by}: {named}{more}")
    print_costs(found, what)


def _print_queues(found: dict[str, SimulationReport], what: str) -> None:
    rows = [_queue_row(name, each) for name, report in found.items() for each in report.queues]
    print_table((what, *_QUEUE_HEAD), rows)


def _at(name: str, from_s: int, used: float, lost: float, waiting: float) -> tuple[str, ...]:
    return name, human_duration(from_s), f"{used:.2f}", f"{lost:.2f}", f"{waiting:.1f}"


def _row(name: str, report: SimulationReport) -> tuple[str, ...]:
    wait, completion = report.wait, report.completion
    return (
        name, str(report.jobs), str(len(report.given_up)), human_duration(report.makespan_s),
        f"{report.scheduling_occupancy:.2f}", f"{report.fragmentation:.2f}",
        *_cells(wait, "p50", "p90", "p99", "most"), *_cells(completion, "p50", "p90"),
    )  # fmt: skip


def _queue_row(name: str, queue: QueueOutcome) -> tuple[str, ...]:
    return (
        name, queue.name, str(queue.jobs), str(queue.given_up), str(queue.evictions), f"{queue.gpu_hours:.1f}",
        f"{queue.lost_gpu_hours:.1f}", *_cells(queue.wait, "p50", "p90", "most"),
        *_cells(queue.completion, "p50", "p90"),
    )  # fmt: skip


def _reclaim_row(name: str, found: Reclaimed) -> tuple[str, ...]:
    return name, str(found.nodes), str(found.jobs), f"{found.lost_gpu_hours:.1f}", f"{found.away_node_hours:.1f}"


def _gang_row(found: GangsTogether) -> tuple[str, ...]:
    share = f"{100 * found.together / found.gangs:.1f}" if found.gangs else ""
    return found.label, str(found.gangs), str(found.together), share


def _elastic_row(found: ElasticGangs) -> tuple[str, ...]:
    share = "" if found.pods_percent is None else f"{found.pods_percent:.1f}"
    return str(found.gangs), str(found.smaller), share


def _cells(seconds: Seconds | None, *names: str) -> list[str]:
    return [human_duration(getattr(seconds, name)) if seconds else "" for name in names]
