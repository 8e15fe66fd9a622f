"""Writing down how a run on a cluster ended: what every pod left, made one record, and the run given back.

Done by the last pod of a run, and by a client that finds that this pod could not. May be repeated.
"""

from __future__ import annotations

import time

import msgspec

from fairlead.naming import utc_now
from fairlead.specs.reports import ErrorReport
from fairlead.specs.status import RunStatus
from fairlead.specs.steps import ContainerStep
from fairlead.store import claims
from fairlead.store.backends import Backend
from fairlead.store.catalog import note_transition
from fairlead.store.evidence import error_of, telling
from fairlead.store.history import RESUMED, cancel_requests, compact, read_observations
from fairlead.store.history import read_progress as read
from fairlead.store.journal import Journal
from fairlead.store.layout import run_prefix
from fairlead.store.progress import Instance, Progress
from fairlead.store.records import AttemptRecord, Claim, Ended, Evidence, RunSpec, RunStatusChanged
from fairlead.store.segments import join_segments


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
    before = progress.run.status if progress.run else "running"
    if claims.has_ended(backend, spec.run, claim) or claims.is_fenced(backend, spec.run, claim):
        return before  # type: ignore[return-value]  # a run's status
    if _is_decided(backend, spec.run, claim):  # by somebody who was killed before it was done
        status: RunStatus = before  # type: ignore[assignment]  # a run's status
    else:
        status = _decide(backend, spec, progress, claim, cancels_before)
    join_segments(backend, f"{run_prefix(spec.run)}logs/")
    keep = () if status == "succeeded" else RESUMED
    compact(backend, spec.run, claim, read_observations(backend, spec.run), keep=keep)
    note_transition(backend, spec.run, spec.graph.flow, status, now=utc_now())
    claims.release(backend, spec.run, claim)
    return status


def _is_decided(backend: Backend, run: str, claim: Claim) -> bool:
    """Say whether it is written down already how a run ended under a claim."""
    prefix, number = run_prefix(run), f"{claim.number:06}"
    return any(
        entry.key.startswith(f"{prefix}{folder}{number}")
        for folder in ("observed/", "final/")
        for entry in backend.list_after(prefix + folder, f"{prefix}{folder}{claim.number - 1:06}~", 1)
    )


def _decide(backend: Backend, spec: RunSpec, progress: Progress, claim: Claim, cancels_before: int) -> RunStatus:
    """Say how a run ended, and write that down, with what was lost."""
    cancelled = cancel_requests(backend, spec.run) > cancels_before
    journal = Journal(backend, spec.run, claim)
    for lost in _lost(progress, claim, cancelled=cancelled):
        journal.add(lost)
        progress.apply(lost)
    status: RunStatus = "cancelled" if cancelled else "succeeded" if _is_good(progress) else "failed"
    earliest = progress.run.time if progress.run else 0.0  # clocks of machines differ
    journal.add(RunStatusChanged(status=status, time=max(time.time(), earliest)))
    journal.flush()
    return status


def _is_good(progress: Progress) -> bool:
    """Say whether all of the graph is; a step that a driver called may fail, and its flow go on without it."""
    graph = (each for each in progress.instances.values() if each.call is None)
    return all(each.status in ("succeeded", "skipped") for each in graph)


def _lost(progress: Progress, claim: Claim, *, cancelled: bool) -> list[Ended]:
    """Return records for those that were to run, and about whose end nobody has left any."""
    begun = [each for each in progress.instances.values() if each.running is not None]
    if cancelled:
        error = ErrorReport(type="Cancelled", message="the run was cancelled")
        return [_end(each, "cancelled", error) for each in begun]
    return [_fail(each, claim) for each in (*begun, *progress.take_ready())]


def _fail(instance: Instance, claim: Claim) -> Ended:
    """Return a record of an attempt that ended with its pod, or never began: with its cause, where somebody saw it."""
    seen = _seen(instance, claim)
    if seen is None:
        return _end(instance, "failed", ErrorReport(type="Lost", message=_why_lost(instance)))
    error = error_of(seen)
    if instance.running is None:
        error = msgspec.structs.replace(error, message=f"{_why_lost(instance)}: {seen.message}")
    return _end(instance, "failed", error, infrastructure=seen.infrastructure)


def _seen(instance: Instance, claim: Claim) -> Evidence | None:
    """Return what was seen of the pod that an instance was in, or of those that it could not begin in."""
    if instance.running is not None:
        own_pod = (each for each in instance.evidence.values() if each.uid == instance.pod_uid != "")
        return telling(each for each in own_pod if not each.waiting)
    known = {each.pod_uid for each in instance.attempts.values()}
    own = (each for each in instance.evidence.values() if each.generation == claim.number)
    return telling(each for each in own if each.uid not in known)


def _end(instance: Instance, status: str, error: ErrorReport, *, infrastructure: bool = True) -> Ended:
    number, started = instance.running or (max(instance.attempts, default=0) + 1, time.time())
    return Ended(
        record=AttemptRecord(
            step=instance.name,
            index=instance.index,
            number=number,
            status=status,
            error=error,
            infrastructure=infrastructure and status == "failed",
            started=started,
            finished=time.time(),
            pod_uid=instance.pod_uid if instance.running else "",
        )
    )


_NO_PYTHON = "; a container step's image needs Python 3.10 or newer there, which brings its inputs and its output"


def _why_lost(instance: Instance) -> str:
    if instance.running:
        return "its pod was gone before it left a record"
    if not instance.attempts:
        return "none of its pods could start" + (_NO_PYTHON if isinstance(instance.step, ContainerStep) else "")
    last = instance.attempts[max(instance.attempts)]
    return f"no attempt is left; the last one: {last.error.message if last.error else last.status}"
