"""Writing down how a run on a cluster ended: what every pod left, made one record, and the run given back.

Done by the last pod of a run, and by a client that finds that this pod could not. May be repeated.
"""

from __future__ import annotations

import time

from fairlead.naming import utc_now
from fairlead.specs.reports import ErrorReport
from fairlead.specs.status import RunStatus
from fairlead.store import claims
from fairlead.store.backends import Backend
from fairlead.store.catalog import note_transition
from fairlead.store.history import cancel_requests, compact, read_observations
from fairlead.store.history import read_progress as read
from fairlead.store.journal import Journal
from fairlead.store.progress import Instance, Progress
from fairlead.store.records import AttemptRecord, Claim, Ended, RunSpec, RunStatusChanged


def conclude(backend: Backend, spec: RunSpec, claim: Claim, *, cancels_before: int) -> RunStatus:
    """Write down how a run ended whose pods have all ended.

    Args:
        backend: The store.
        spec: What the run is.
        claim: The claim that it was submitted under.
        cancels_before: How often somebody had asked to cancel it before that.

    Returns:
        Its status.
    """
    progress = read(backend, spec)
    if progress.run is not None and progress.run.status not in ("running", "pending"):
        return progress.run.status  # type: ignore[return-value]  # a run's status
    cancelled = cancel_requests(backend, spec.run) > cancels_before
    journal = Journal(backend, spec.run, claim)
    if not cancelled:
        for lost in _lost(progress):
            journal.add(lost)
            progress.apply(lost)
    status: RunStatus = "cancelled" if cancelled else "succeeded" if _is_good(progress) else "failed"
    journal.add(RunStatusChanged(status=status, time=time.time()))
    journal.flush()
    compact(backend, spec.run, claim, read_observations(backend, spec.run))
    note_transition(backend, spec.run, spec.graph.flow, status, now=utc_now())
    claims.release(backend, spec.run, claim)
    return status


def _is_good(progress: Progress) -> bool:
    return all(each.status in ("succeeded", "skipped") for each in progress.instances.values())


def _lost(progress: Progress) -> list[Ended]:
    """Return records for those that were to run, and about whose end nobody has left any."""
    found = [_loss(each) for each in progress.instances.values() if each.running is not None]
    found += [_loss(each) for each in progress.take_ready()]
    return found


def _loss(instance: Instance) -> Ended:
    number, started = instance.running or (max(instance.attempts, default=0) + 1, time.time())
    message = _why_lost(instance)
    return Ended(
        record=AttemptRecord(
            step=instance.name,
            index=instance.index,
            number=number,
            status="failed",
            error=ErrorReport(type="Lost", message=message),
            infrastructure=True,
            started=started,
            finished=time.time(),
        )
    )


def _why_lost(instance: Instance) -> str:
    if instance.running:
        return "its pod was gone before it left a record"
    if not instance.attempts:
        return "none of its pods could start"
    last = instance.attempts[max(instance.attempts)]
    return f"no attempt is left; the last one: {last.error.message if last.error else last.status}"
