"""Say why something is pending or has failed: the first cause, what it rests on, and what to do about it.

    fairlead why RUN[/STEP[/INDEX]]
    fairlead why KIND/NAME|POD [-n NAMESPACE]
    fairlead why bundle.tgz[:RUN|:KIND/NAME]

Of a run, on this machine or on a cluster, with what was not run because of it and what has changed since its flow last
succeeded; and of any workload of a cluster, whoever made it: a pod, a Job, a Workflow, a TrainJob, a RayJob, a
Deployment. A bundle is what `fairlead snapshot` has kept.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fairlead.cli.output import add_output_option, print_document

if TYPE_CHECKING:
    from fairlead.insight.why import Answer, Cause


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("subject", metavar="RUN|KIND/NAME|POD|BUNDLE", help="what to explain")
    parser.add_argument("-n", "--namespace", default="", help="another namespace than the context's")
    add_output_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the answer."""
    from fairlead.runs.diagnosing import answer

    found = answer(arguments.subject, arguments.namespace)
    if arguments.output == "table":
        _print(found)
    else:
        print_document(found, arguments.output)
    return 0


def _print(found: Answer) -> None:
    counts = ", ".join(
        f"{count:,} {status}" for status, count in sorted(found.steps.items(), key=lambda each: -each[1])
    )
    print(f"{found.subject} is {found.state}{f': of its steps {counts}' if counts else ''}")
    if not found.causes and found.state != "succeeded":
        print("nothing that was read is wrong with it")
    for number, cause in enumerate(found.causes):
        print()
        _print_cause(cause, first=number == 0)
    if found.consequences:
        print("\nwhat follows from it")
        for cause in found.consequences:
            print(f"  {cause.subject}{_more(cause)}: {cause.message}")
    if found.changed:
        print(f"\nsince {found.changed.run}, the last run of the flow that succeeded")
        for what in found.changed.what or ("nothing that is recorded has changed",):
            print(f"  {what}")
    if found.unread:
        print("\nnot read")
        reasons: dict[str, list[str]] = {}
        for each in found.unread:
            reasons.setdefault(each.why, []).append(each.what)
        for why, named in reasons.items():
            print(f"  {', '.join(named)}: {why}")


def _print_cause(cause: Cause, *, first: bool) -> None:
    sure = "" if cause.confidence >= 1 else f", {cause.confidence:.0%} sure"
    print(f"{'first cause' if first else 'also'}: {cause.id} ({cause.layer}{sure})")
    print(f"  {cause.message}")
    print(f"  where  {cause.subject}{f' container {cause.part}' if cause.part else ''}{_more(cause)}")
    for each in cause.evidence:
        print(f"  saw    {each.path} = {each.value}")
    print(f"  next   {cause.remedy}")
    if cause.source:
        print(f"  read   {cause.source}")


def _more(cause: Cause) -> str:
    return f" and {cause.count - 1:,} more" if cause.count > 1 else ""
