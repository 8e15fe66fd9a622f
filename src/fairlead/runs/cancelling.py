"""Cancelling a run: asking its driver to, or doing it in its place where there is none any more."""

from __future__ import annotations

import time
from collections.abc import Callable

from fairlead.errors import ClaimedError, GaveUp, UsageError
from fairlead.naming import utc_now
from fairlead.runs.reporting import is_driven, read_report
from fairlead.specs.reports import RunReport
from fairlead.specs.status import ENDED
from fairlead.store import claims
from fairlead.store.backends import Backend
from fairlead.store.catalog import note_transition
from fairlead.store.history import compact, read_observations, read_spec, write_event
from fairlead.store.journal import Journal
from fairlead.store.records import Event, RunStatusChanged
from fairlead.worker.concluding import conclude

PATIENCE_S = 30.0
"""How long a driver may take to end: steps have 5 seconds before they are killed, and a cluster some more."""
_PAUSE_S = 0.1


def cancel(
    backend: Backend,
    run: str,
    *,
    stop: Callable[[], None] | None = None,
    patience_s: float = PATIENCE_S,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> RunReport:
    """Cancel a run, and wait until it has ended. One that has ended already is left as it is.

    Args:
        backend: The store.
        run: The run's id.
        stop: Stops what does not look for requests itself: a run on a cluster.
        patience_s: How long to wait for its driver, in seconds.
        clock: Returns seconds; for tests.
        sleep: Waits; for tests.

    Returns:
        How the run ended, which may be otherwise: it was quicker.

    Raises:
        NotFoundError: There is no such run.
        GaveUp: Its driver has not ended in time.
    """
    until = clock() + patience_s
    report = read_report(backend, run)
    asked = False
    while report.status not in ENDED:
        if not asked:
            write_event(backend, run, Event(kind="cancel", time=time.time(), user=claims.user_name()))
            if stop is not None:
                stop()
        asked = True
        if report.status == "lost":
            asked = _cancel_lost(backend, report)  # else somebody resumes it, who would not heed what was asked before
        while is_driven(backend, run):
            if clock() >= until:
                raise _gave_up(backend, run, patience_s)
            sleep(_PAUSE_S)
        report = read_report(backend, run)
    return report


def abandon(backend: Backend, run: str) -> str:
    """Write down how far a run came whose cluster can't be asked any more, and give it back; returns its status.

    Raises:
        NotFoundError: There is no such run.
        UsageError: It is not under way on a cluster.
    """
    spec, claim = read_spec(backend, run), claims.newest_claim(backend, run)
    handover = claims.handed_over(backend, run, claim) if claim else None
    if claim is None or handover is None or not claims.holder_lives(backend, run, claim):
        raise UsageError(f"run {run} is not under way on a cluster", next=f"fairlead cancel {run}")
    write_event(backend, run, Event(kind="cancel", time=time.time(), user=claims.user_name()))
    return conclude(backend, spec, claim, cancels_before=handover.cancels_before)


def _cancel_lost(backend: Backend, report: RunReport) -> bool:
    """Mark a run cancelled whose driver is dead; False where another driver was quicker."""
    try:
        claim = claims.take_claim(backend, report.run, now=time.time())
    except ClaimedError:
        return False
    known = [each.time for each in read_observations(backend, report.run) if isinstance(each, RunStatusChanged)]
    journal = Journal(backend, report.run, claim)
    moment = max((time.time(), *known))  # clocks of machines differ
    journal.add(RunStatusChanged(status="cancelled", time=moment, reason="its driver was gone"))
    journal.flush()
    compact(backend, report.run, claim, read_observations(backend, report.run))
    note_transition(backend, report.run, report.flow, "cancelled", now=utc_now())
    claims.release(backend, report.run, claim)
    return True


def _gave_up(backend: Backend, run: str, patience_s: float) -> GaveUp:
    claim = claims.newest_claim(backend, run)
    handover = claims.handed_over(backend, run, claim) if claim else None
    if handover is not None:
        return GaveUp(
            f"run {run} has not ended within {patience_s:.0f} s; it stays asked to",
            where=f"context {handover.context}, namespace {handover.namespace}, {handover.name}",
            why="its cluster has to be told, and has then to write down the end",
            next=f"fairlead cancel {run} --on {handover.context}",
        )
    here = claim is not None and claim.host == claims.host_name()
    return GaveUp(
        f"run {run} has not ended within {patience_s:.0f} s; it stays asked to",
        where=f"process {claim.pid} on {claim.host}" if claim else "",
        why="its driver has not answered",
        next=f"look again: fairlead get {run}" + (f"   or kill it: kill -9 {claim.pid}" if claim and here else ""),
    )
