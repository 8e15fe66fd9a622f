"""Print what steps ask for, what their attempts used, and what to ask for."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.cli.capacity_csv import of_rightsizing
from fairlead.cli.capacity_gaps import print_gaps
from fairlead.cli.output import add_output_option, print_csv, print_document, print_table
from fairlead.errors import UsageError
from fairlead.quantities import format_bytes, format_cpu, human_bytes, human_number

if TYPE_CHECKING:
    from fairlead.specs.capacity import Rightsized, RightsizeReport

_HEAD = (
    "STEP", "ATTEMPTS", "OOM", "CPU", "CPU P95", "PROPOSED", "MEMORY", "MEMORY P95", "PROPOSED", "CORE-H SAVED",
    "GIB-H",
)  # fmt: skip


def configure(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb, and describe its options."""
    sizing = verbs.add_parser(
        "rightsize",
        help="say what steps should ask for, by what they used",
        description="Say what steps ask for, what their newest attempts used, and what to ask for.",
    )
    sizing.add_argument("flows", nargs="*", metavar="FLOW", help="of which flows; all of the store where none is given")
    sizing.add_argument("--on", metavar="CONTEXT", help="by the store of which context; the chosen one's else")
    sizing.add_argument(
        "--margin", type=float, default=0.2, metavar="SHARE", help="so much more than was used; 0.2 where not given"
    )
    sizing.add_argument(
        "--prices", action="append", default=[], metavar="FILE", help="a price book, in TOML; may be repeated"
    )
    sizing.add_argument("--csv", type=Path, metavar="FILE", help="by a table of usage, of what Fairlead did not run")
    sizing.add_argument("--skip-bad", action="store_true", help="leave bad rows out and count them, not refuse")
    add_output_option(sizing, more=("csv",))


def run(arguments: argparse.Namespace) -> int:
    """Print what to ask for."""
    from fairlead.runs.rightsizing import rightsize_flows, rightsize_table

    if arguments.csv is None:
        if arguments.skip_bad:
            raise UsageError("--skip-bad is of rows of a table", next="--csv FILE")
        found = rightsize_flows(arguments.flows, arguments.margin, arguments.prices)
    else:
        if arguments.flows:
            raise UsageError("a table is of workloads that Fairlead did not run: name no flow beside --csv")
        notes: list[str] = []
        found = rightsize_table(
            arguments.csv, arguments.margin, arguments.prices, skip_bad=arguments.skip_bad, notes=notes
        )
        for note in notes:
            print(note, file=sys.stderr)
    if arguments.output == "table":
        _print(found)
    elif arguments.output == "csv":
        print_csv(*of_rightsizing(found))
        for each in found.lacking:
            print(each, file=sys.stderr)
        print_gaps(found.not_read, beside=True)
    else:
        print_document(found, arguments.output)
    return 0


def _print(found: RightsizeReport) -> None:
    if not found.steps:
        print(f"{found.subject}: no attempt that has ended is recorded")
    else:
        print_table(_HEAD, [_row(each) for each in found.steps])
        print(f"\nwould have saved: {human_number(found.saved_core_hours)} core-hours,"
              f" {human_number(found.saved_gib_hours)} GiB-hours{_cost(found)}")  # fmt: skip
        for each in found.steps:
            if each.gpu_memory_p95_bytes is not None or each.gpu_p95_percent is not None:
                print(f"{_name(each)}: {_gpu(each)}")
        for each in found.steps:
            if each.why:
                print(f"{_name(each)}: {each.why}")
    print_gaps(found.not_read)


def _row(step: Rightsized) -> tuple[str, ...]:
    cpu, memory = step.cpu_millis, step.memory_bytes
    return (
        _name(step),
        str(step.attempts),
        str(step.oom_kills or "-"),
        _cores(cpu.requested),
        _cores(cpu.p95),
        _cores(cpu.proposed),
        _bytes(memory.requested),
        "-" if memory.p95 is None else human_bytes(memory.p95),
        _bytes(memory.proposed),
        human_number(cpu.saved_hours),
        human_number(memory.saved_hours),
    )


def _name(step: Rightsized) -> str:
    return f"{step.flow}/{step.step}" if step.flow else step.step


def _cores(millis: int | None) -> str:
    return "-" if millis is None else format_cpu(millis)


def _bytes(size: int | None) -> str:
    return "-" if size is None else format_bytes(size)


def _gpu(step: Rightsized) -> str:
    memory, busy = step.gpu_memory_p95_bytes, step.gpu_p95_percent
    said = [f"GPU memory p95 {human_bytes(memory)}"] if memory is not None else []
    return ", ".join([*said, *([f"GPU busy p95 {busy} %"] if busy is not None else [])])


def _cost(found: RightsizeReport) -> str:
    if not found.currency:
        return ""
    said = f", {human_number(found.saved_cost)} {found.currency}"
    return f"{said} ({', '.join(found.lacking)})" if found.lacking else said
