"""Print what changes of a cluster, or of what comes to it, would make of jobs that wait and GPUs that are used."""

from __future__ import annotations

import argparse
from pathlib import Path

from fairlead.cli.capacity_policies import policies_of
from fairlead.cli.capacity_simulate import add_scenario_options, print_reports, read
from fairlead.errors import UsageError


def configure(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb, and describe its options."""
    comparing = verbs.add_parser(
        "compare",
        help="simulate jobs on nodes as they are, and with changes",
        description="Simulate jobs on nodes as they are, and with each change of a file alone.",
    )
    comparing.add_argument("changes", type=Path, metavar="CHANGES", help="a file of changes, in TOML")
    add_scenario_options(comparing)


def run(arguments: argparse.Namespace) -> int:
    """Simulate, and print what came of each."""
    from fairlead.runs.pricing import read_book
    from fairlead.runs.simulating import compare_changes, read_changes

    policy, *others = policies_of(arguments)
    if others:
        raise UsageError("compare wants one --policy", next=f"--policy {policy}, and another one in a change")
    book = read_book(arguments.prices)
    scenario = read(arguments)
    changes = read_changes(arguments.changes, scenario)
    reports = compare_changes(scenario, changes, policy, arguments.queueing, arguments.seed, book)
    return print_reports(reports, 1 + len(changes), "CHANGE", arguments)
