"""Rebuild the index, check the store, or collect its garbage.

    fairlead store rebuild
    fairlead store check [--repair]
    fairlead store gc [--grace 24h] [--yes]

rebuild fills the SQL index anew from the store's records. check reads every record and hashes every object,
and exits with 1 where something is damaged. gc says what it would remove, and removes it after it has asked.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from fairlead.cli.output import add_output_option, print_document, print_table
from fairlead.errors import UsageError
from fairlead.quantities import human_bytes, parse_duration

if TYPE_CHECKING:
    from fairlead.store.checking import CheckReport, Fault
    from fairlead.store.collecting import Plan
    from fairlead.store.opened import Store

_USERS_MAX = 3
_KINDS = ("object", "cache entry", "layer", "temporary file", "checkpoint", "launch")


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("action", choices=("rebuild", "check", "gc"), help="what to do")
    parser.add_argument(
        "--repair", action="store_true", help="check: set damaged objects aside, so that their steps run again"
    )
    parser.add_argument(
        "--grace", default="24h", metavar="DURATION", help="gc: how old garbage must be; 24h where it is not given"
    )
    parser.add_argument("--yes", action="store_true", help="gc: remove without asking")
    add_output_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    from fairlead.runs.settings import open_store

    store = open_store()
    if arguments.action == "rebuild":
        return _rebuild(store, arguments.output)
    if arguments.action == "check":
        return _check(store, arguments.output, repair=arguments.repair)
    return _collect(store, arguments.output, arguments.grace, yes=arguments.yes)


# Rebuild ---------------------------------------------------------------------------------------


def _rebuild(store: Store, form: str) -> int:
    from fairlead.runs.home import home
    from fairlead.runs.reporting import read_report
    from fairlead.runs.settings import settings
    from fairlead.store.catalog import runs_by_start
    from fairlead.store.index.opening import open_index  # lazy: sqlalchemy, 150 ms

    with open_index(settings()["index"].value, home(), discard_damaged=True) as index:
        index.rebuild(store, lambda run_id: read_report(store.backend, run_id))
        shown = index.address.shown
    document = {"index": shown, "runs": len(runs_by_start(store.backend))}
    if form != "table":
        print_document(document, form)
    else:
        print(f"rebuilt {shown}: {document['runs']} runs")
    return 0


# Check -----------------------------------------------------------------------------------------


def _check(store: Store, form: str, *, repair: bool) -> int:
    from fairlead.store.checking import check

    found = check(store, repair=repair)
    if form != "table":
        print_document(_check_document(found), form)
    else:
        print(f"checked {found.records} records and {found.objects} objects, {human_bytes(found.size_bytes)}")
        for fault in found.faults:
            _print_fault(fault)
        _print_verdict(found, repair=repair)
    return 1 if found.faults else 0


def _check_document(found: CheckReport) -> dict[str, object]:
    return {
        "records": found.records,
        "objects": found.objects,
        "size_bytes": found.size_bytes,
        "faults": [fault._asdict() for fault in found.faults],
    }


def _print_fault(fault: Fault) -> None:
    print(f"\n{fault.kind} {fault.key}" + ("   set aside" if fault.is_set_aside else ""))
    print(f"  why    {fault.why}")
    if fault.used_by:
        more = len(fault.used_by) - _USERS_MAX
        print(f"  used   {', '.join(fault.used_by[:_USERS_MAX])}" + (f" and {more} more" if more > 0 else ""))


def _print_verdict(found: CheckReport, *, repair: bool) -> None:
    if not found.faults:
        print("nothing is damaged")
        return
    runs = sorted({user.partition("/")[0] for fault in found.faults for user in fault.used_by})
    print(f"\n{len(found.faults)} faults" + (f", in runs {', '.join(runs[:10])}" if runs else ""))
    if not repair and any(fault.kind == "damaged object" for fault in found.faults):
        print("  next   set damaged objects aside, so that their steps run again: fairlead store check --repair")


# Collect ---------------------------------------------------------------------------------------


def _collect(store: Store, form: str, grace: str, *, yes: bool) -> int:
    from fairlead.store.collecting import collect, plan_collection

    plan = plan_collection(store, _grace_s(grace))
    if form == "table":
        _print_plan(plan, "would remove")
    remove = bool(plan.garbage) and (yes or (form == "table" and _confirmed()))
    done = collect(store, plan) if remove else None
    if form != "table":
        print_document(_plan_document(done or plan, removed=done is not None), form)
    elif done is not None:
        _print_plan(done, "removed")
    elif plan.garbage:
        print("nothing was removed" + ("" if sys.stdin.isatty() else "; remove it: fairlead store gc --yes"))
    return 0


def _grace_s(text: str) -> float:
    if text in ("0", "0s"):  # no duration elsewhere
        return 0.0
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--grace {text} is no duration", why=str(error), next="--grace 24h") from None


def _confirmed() -> bool:
    return sys.stdin.isatty() and input("remove it? [y/N] ").strip().lower() in ("y", "yes")


def _print_plan(plan: Plan, word: str) -> None:
    if not plan.garbage:
        print(f"{word} nothing; {plan.kept} objects are in use")
        return
    counts = {kind: plan.of_kind(kind) for kind in _KINDS}  # type: ignore[arg-type]  # the kinds
    rows = [
        (kind, str(len(found)), human_bytes(sum(each.size_bytes for each in found)))
        for kind, found in counts.items()
        if found
    ]
    print(f"{word} {human_bytes(plan.size_bytes)}; {plan.kept} objects are in use")
    print_table(("KIND", "COUNT", "SIZE"), rows)


def _plan_document(plan: Plan, *, removed: bool) -> dict[str, object]:
    return {
        "removed": removed,
        "cutoff": plan.cutoff,
        "kept": plan.kept,
        "size_bytes": plan.size_bytes,
        "garbage": [each._asdict() for each in plan.garbage],
    }
