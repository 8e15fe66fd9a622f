"""List what steps of several pods, sweeps and whole flows can become: with a context, what its cluster has and chooses.

    fairlead targets [--on CONTEXT] [-o json|yaml]

A step names its runtime and no component. Which target runs it, the context says, a run with --target, or else the
first of this list that the cluster has. The last ones run whole flows.
"""

from __future__ import annotations

import argparse

from fairlead.cli.output import add_output_option, print_document, print_table
from fairlead.specs.contexts import LOCAL


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("--on", metavar="CONTEXT", help="the cluster to ask; the chosen context where it is not given")
    add_output_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the table."""
    from fairlead.runs.settings import chosen_context
    from fairlead.runs.training_targets import training_targets  # lazy: urllib3, 30 ms; only for this verb

    on = chosen_context()
    found = training_targets(on)
    if arguments.output != "table":
        print_document(found, arguments.output)
        return 0
    heads = ["target", "runs", "creates", "needs"]
    rows = [[each.name, ", ".join(each.runtimes), ", ".join(each.creates), each.component] for each in found]
    if on != LOCAL:
        heads.append(on)
        for row, each in zip(rows, found, strict=True):
            row.append(f"chosen for {', '.join(each.chosen)}" if each.chosen else "there" if each.served else "absent")
    print_table(heads, rows, whole_last=True)
    return 0
