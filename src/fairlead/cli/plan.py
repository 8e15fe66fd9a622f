"""Say whether a flow would run on a cluster, when, and at what cost, before anything is created.

    fairlead plan FILE[:FLOW] --on CONTEXT [--strict] [--prices FILE] [-o json|yaml] [--NAME VALUE …]
    fairlead plan FILE[:FLOW] --on CONTEXT --snapshot bundle.tgz …

Each step, as the very pods that would be made of it, is held against the cluster: never, not now, or now; with the
fields that this rests on, and the smallest change with which it would fit. What could not be read is listed. With
--strict the exit code is 6 where any step would not run now.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fairlead.cli.flags import split_flags, split_target
from fairlead.cli.labels import read_labels
from fairlead.cli.opening import add_target_option, read_targets
from fairlead.cli.output import add_output_option, print_document, print_table
from fairlead.errors import UsageError
from fairlead.quantities import human_bytes, human_duration, human_number
from fairlead.specs.contexts import LOCAL

if TYPE_CHECKING:
    from fairlead.insight.planning.documents import Cost, Plan, Reason, Spread, StepPlan

_VALUED = {"--on", "--label", "--target", "--snapshot", "--prices", "--output", "-o"}
_SWITCHES = {"--strict", "--help", "-h"}
_WOULD_NOT_RUN = 6
_OWN = "(fairlead)"
_NAMED = 5
_ORDER = ("never", "not-now", "warning")


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.usage = "fairlead plan FILE[:FLOW] --on CONTEXT [options] [--NAME VALUE …]"
    parser.add_argument(
        "file", metavar="FILE[:FLOW]", help="the Python file, and the flow where it has several, or a step of it"
    )
    parser.add_argument("--on", metavar="CONTEXT", help="on which cluster; the chosen context where it is not given")
    parser.add_argument("--strict", action="store_true", help="end with 6 where any step would not run now")
    parser.add_argument("--snapshot", default="", metavar="BUNDLE", help="say it by a snapshot, not by the cluster")
    parser.add_argument(
        "--prices", action="append", default=[], metavar="FILE", help="a price book, in TOML; may be repeated"
    )
    add_target_option(parser)
    parser.add_argument(
        "--label", action="append", default=[], metavar="KEY=VALUE", help="label the run; may be repeated"
    )
    add_output_option(parser)


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Tell the options of ``plan`` and the parameters of the flow apart."""
    own, flags = split_flags(arguments, valued=_VALUED, switches=_SWITCHES, verb="plan")
    found = parser.parse_args(own)
    found.flags = flags
    return found


def run(arguments: argparse.Namespace) -> int:
    """Print the plan."""
    from fairlead.runs.launching import load_flow
    from fairlead.runs.settings import chosen_context

    on = chosen_context()
    if on == LOCAL:
        raise UsageError(
            "fairlead plan needs a cluster",
            why="no context is chosen, and on this machine a run says at once what can't be",
            next=f"fairlead plan {arguments.file} --on CONTEXT",
        )
    from fairlead.runs.planning import plan  # lazy: urllib3, 30 ms; only for a cluster

    _, flow = load_flow(*split_target(arguments.file))
    graph = flow.trace(flow.read_flags(arguments.flags)).graph
    found = plan(
        graph,
        on,
        labels=read_labels(arguments.label),
        targets=read_targets(arguments.target),
        bundle=arguments.snapshot,
        prices=arguments.prices,
    )
    if arguments.output == "table":
        _print(found)
    else:
        print_document(found, arguments.output)
    return _WOULD_NOT_RUN if arguments.strict and found.verdict in ("never", "not-now") else 0


def _print(found: Plan) -> None:
    print(f"flow {found.flow} in {found.context}, namespace {found.namespace}: {_VERDICTS[found.verdict]}")
    print()
    rows = [_row(each) for each in found.steps]
    print_table(["step", "count", "pods", "verdict", "start", "time p50/p90", "memory p90", "cost p50/p90"], rows)
    least = "" if all(each.is_counted for each in found.steps) else "at least "
    print(f"\n{least}{found.pods} pods in all; cost: {_cost(found.cost)}")
    for each, whose in _grouped(found).items():
        _print_reason(each, whose)
    if found.unread:
        print("\nnot read")
        for gap in found.unread:
            print(f"  {gap.what}: {gap.why}")


_VERDICTS = {
    "never": "it would never run",
    "not-now": "it would not run now",
    "now": "it would run now",
    "unknown": "nothing that could be read is against it",
}


def _row(step: StepPlan) -> list[str]:
    memory = step.memory_bytes
    return [
        step.step or _OWN,
        f"{step.instances}{'' if step.is_counted else '+'}",
        str(step.pods * step.instances),
        step.verdict.replace("-", " "),
        step.start,
        _spread(step.duration_s),
        human_bytes(memory.p90) if memory is not None else "?",
        _cost(step.cost) if step.cost is not None else "?",
    ]


def _spread(found: Spread | None) -> str:
    return f"{human_duration(found.p50)} / {human_duration(found.p90)}" if found is not None else "?"


def _cost(found: Cost | None) -> str:
    if found is None:
        return "not known without a price book: --prices FILE"
    if found.p50 is None or found.p90 is None:
        return f"? ({', '.join(found.lacking)})"
    return f"{human_number(found.p50)} / {human_number(found.p90)} {found.currency}"


def _grouped(found: Plan) -> dict[Reason, list[str]]:
    """Return the reasons, each once, with what they are against; those of what is never first."""
    groups: dict[tuple[str, str], tuple[Reason, list[str]]] = {}
    for step in (None, *found.steps):
        whose = "the run" if step is None else f"step {step.step}" if step.step else _OWN
        for each in found.reasons if step is None else step.reasons:
            groups.setdefault((each.id, each.message), (each, []))[1].append(whose)
    return dict(sorted(groups.values(), key=lambda each: _ORDER.index(each[0].verdict)))


def _print_reason(each: Reason, whose: Sequence[str]) -> None:
    listed = ", ".join(dict.fromkeys(whose[:_NAMED])) + (f" and {len(whose) - _NAMED} more" if whose[_NAMED:] else "")
    print(f"\n{each.verdict.replace('-', ' ')}: {each.id} ({each.layer}), of {listed}")
    print(f"  {each.message}")
    for seen in each.evidence:
        print(f"  saw    {seen.subject}: {seen.path} = {seen.value}")
    if each.fits:
        print(f"  fits   {each.fits}")
    if each.remedy:
        print(f"  next   {each.remedy}")
    if each.source:
        print(f"  read   {each.source}")
