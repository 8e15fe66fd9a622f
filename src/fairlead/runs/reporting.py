"""From a run's state to the documents that commands print."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite

from fairlead.naming import iso_time
from fairlead.specs.reports import AttemptReport, RunReport, RunSummary, StepReport
from fairlead.specs.status import RunStatus, StepStatus
from fairlead.store.backends import Backend
from fairlead.store.claims import holder_lives, newest_claim
from fairlead.store.history import read_events, read_progress, read_spec
from fairlead.store.progress import Instance, Progress
from fairlead.store.records import AttemptRecord, Evidence, RunSpec


def read_report(backend: Backend, run: str) -> RunReport:
    """Return how a run is doing, from the store alone.

    Raises:
        NotFoundError: There is no such run.
    """
    spec = read_spec(backend, run)
    return report_of(backend, spec, read_progress(backend, spec))


def report_of(backend: Backend, spec: RunSpec, progress: Progress) -> RunReport:
    """Return how a run is doing, by how far it is."""
    run = spec.run
    status = progress.run.status if progress.run else _status_by_steps(progress)
    generation = 0
    if status in ("running", "pending"):
        claim = newest_claim(backend, run)
        generation = claim.number if claim is not None and holder_lives(backend, run, claim) else 0
        status = status if generation else "lost"
    labels = _labels(backend, spec)
    return report(spec, progress, status=status, labels=labels, generation=generation)  # type: ignore[arg-type]  # a status


def _status_by_steps(progress: Progress) -> RunStatus:
    """Return the status of a run that nobody has written down: on a cluster, nobody drives it."""
    begun = any(each.running or each.ended or each.attempts for each in progress.instances.values())
    return "running" if begun else "pending"


def report(
    spec: RunSpec,
    progress: Progress,
    *,
    status: RunStatus,
    labels: dict[str, str] | None = None,
    generation: int = 0,
) -> RunReport:
    """Return the document of a run.

    Args:
        spec: What the run is.
        progress: How far it is.
        status: Its status, which depends on whether somebody drives it.
        labels: Its labels, where they have changed since it was launched.
        generation: The number of the claim under which it is under way; 0 where it is not.
    """
    steps = tuple(_step_report(each, status, generation) for each in _in_order(progress))
    finished = progress.run.time if progress.run and status not in ("running", "pending", "lost") else None
    metrics = {name: value for step in steps for name, value in step.metrics.items()}
    return RunReport(
        run=spec.run,
        flow=spec.graph.flow,
        status=status,
        started=_time(spec.created),
        finished=_time(finished),
        params=spec.graph.parameters,
        labels=labels if labels is not None else spec.labels,
        metrics=metrics,
        reason=_reason(spec, steps, status),
        steps=(*steps, *_not_yet(progress, status)),
    )


def summary(document: RunReport) -> RunSummary:
    """Return a run's document without its steps."""
    fields = (name for name in RunSummary.__struct_fields__)
    return RunSummary(**{name: getattr(document, name) for name in fields})


def is_driven(backend: Backend, run: str) -> bool:
    """Say whether a living process drives a run."""
    claim = newest_claim(backend, run)
    return claim is not None and holder_lives(backend, run, claim)


def _labels(backend: Backend, spec: RunSpec) -> dict[str, str]:
    labels = dict(spec.labels)
    for event in read_events(backend, spec.run):
        if event.kind == "label":
            labels.update(event.labels)
    return labels


def _in_order(progress: Progress) -> Iterable[Instance]:
    """Yield instances in the order of the graph, each driver followed by what it called."""
    called: dict[str, list[Instance]] = {}
    for instance in progress.calls.values():
        assert instance.call is not None
        called.setdefault(instance.call.parent, []).append(instance)

    def with_calls(instance: Instance) -> Iterable[Instance]:
        yield instance
        for each in sorted(called.get(f"{instance.name}.{instance.index}", ()), key=lambda each: each.index):
            yield from with_calls(each)

    for number in range(len(progress.graph.nodes)):
        for instance in progress.instances_of(number):
            yield from with_calls(instance) if called else (instance,)


def _not_yet(progress: Progress, status: RunStatus) -> Iterable[StepReport]:
    """Yield a line for each node whose instances are not known yet."""
    word: StepStatus = "cancelled" if status == "cancelled" else "pending"
    for number, node in enumerate(progress.graph.nodes):
        if not progress.is_expanded(number):
            yield StepReport(name=node.title, index=node.index, status=word)


def _step_report(instance: Instance, run_status: RunStatus, generation: int) -> StepReport:
    outcome = instance.outcome
    newest = outcome or (instance.attempts[max(instance.attempts)].outcome if instance.attempts else None)
    status = instance.status
    if not instance.ended and run_status in ("lost", "cancelled"):
        status = {"lost": "lost" if instance.running else "pending", "cancelled": "cancelled"}[run_status]
    reason = instance.reason
    waits = _waits(instance, generation) if status == "pending" else None
    if waits is not None:
        status, reason = waits.waiting, waits.message  # type: ignore[assignment]  # a status
    attempts = [_attempt_report(each) for _, each in sorted(instance.attempts.items())]
    if instance.running is not None:
        number, started = instance.running
        attempts.append(
            AttemptReport(number=number, status="lost" if run_status == "lost" else "running", started=_time(started))
        )
    return StepReport(
        name=instance.name,
        index=instance.index,
        status=status,
        cached=instance.cached is not None,
        artifact=outcome.outputs[0].digest if outcome and outcome.outputs else None,
        artifacts=outcome.outputs if outcome else (),
        metrics={name: _finite(each.last) for name, each in newest.metrics.items()} if newest else {},
        attempts=() if instance.cached else tuple(attempts),
        started=attempts[0].started if attempts else None,
        finished=_time(instance.finished) if instance.ended else None,
        reason=reason if status not in ("succeeded",) else None,
    )


def _waits(instance: Instance, generation: int) -> Evidence | None:
    """Return what was last seen of the pod of an instance that has not begun, where it is that it waits."""
    known = {each.pod_uid for each in instance.attempts.values()}
    seen = [each for each in instance.evidence.values() if each.generation == generation and each.uid not in known]
    last = max(seen, key=lambda each: (each.time, each.transition), default=None)
    return last if last is not None and last.waiting else None


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None  # JSON has no word for it


def _attempt_report(record: AttemptRecord) -> AttemptReport:
    return AttemptReport(
        number=record.number,
        status=record.status,  # type: ignore[arg-type]  # a status
        exit_code=record.exit_code,
        signal=record.signal,
        started=_time(record.started),
        finished=_time(record.finished),
        error=record.error,
        rank=record.rank,
        peak_memory_bytes=record.peak_memory_bytes,
        cpu_s=record.cpu_s,
    )


def _reason(spec: RunSpec, steps: tuple[StepReport, ...], status: RunStatus) -> str | None:
    if status == "lost":
        return f"its driver is gone; go on with: fairlead resume {spec.run}"
    failed = [each for each in steps if each.status == "failed"]
    if status != "failed" or not failed:
        return None
    others = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
    return f"step {failed[0].name}/{failed[0].index} failed{others}"


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else iso_time(seconds)
