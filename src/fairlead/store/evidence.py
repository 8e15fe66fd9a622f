"""Why attempts were lost, by what watchers saw of their pods: read, and merged with the records. Merging is pure.

A worker that dies with its pod can't say why, and one that is asked to end does not know. Whoever watched has seen it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

import msgspec

from fairlead.errors import NotFoundError
from fairlead.specs.causes import CAUSES, UNKNOWN
from fairlead.specs.reports import ErrorReport
from fairlead.store.backends import Backend, list_all
from fairlead.store.layout import evidence_prefix
from fairlead.store.records import AttemptRecord, Ended, Evidence, Observation, decode, encode

_ORDER = {cause: place for place, cause in enumerate(CAUSES)}


def read_evidence(backend: Backend, run: str, uid: str = "") -> Iterator[Evidence]:
    """Yield what was seen of a run's pods, or of the one that has this uid."""
    prefix = evidence_prefix(run)
    own = f"{prefix}{uid}." if uid else prefix
    for entry in list_all(backend, prefix, own):
        if not entry.key.startswith(own):
            return
        with suppress(NotFoundError):  # compacted since it was listed
            yield decode(backend.get(entry.key), Evidence, key=entry.key)


def telling(seen: Iterable[Evidence]) -> Evidence | None:
    """Return the sighting that tells most; the same in whatever order they come."""
    return min(seen, key=_weight, default=None)


def explained(record: AttemptRecord, seen: Iterable[Evidence]) -> AttemptRecord:
    """Return an attempt with its real cause, where it was ended from outside and somebody saw by what.

    Whether another attempt followed stays as it was recorded: that was decided with what was known then.
    """
    found = telling(each for each in seen if not each.waiting) if is_unexplained(record) else None
    if found is None:
        return record
    error = error_of(found)
    if record.error is not None and record.error.traceback:  # the last words that the worker kept
        error = msgspec.structs.replace(error, line=record.error.line, traceback=record.error.traceback)
    return msgspec.structs.replace(record, status="failed", error=error, infrastructure=found.infrastructure)


def error_of(seen: Evidence) -> ErrorReport:
    """Return what a sighting says as the error of an attempt."""
    said = [line for line in seen.log.splitlines() if line.strip()]
    return ErrorReport(type=seen.cause, message=seen.message, line=said[-1] if said else "", traceback=seen.log)


def is_unexplained(record: AttemptRecord) -> bool:
    """Say whether a record tells of an end from outside, and not by what."""
    return record.status in ("failed", "lost") and record.error is not None and record.error.type in UNKNOWN


def all_explained(observations: Iterable[Observation]) -> list[Observation]:
    """Return what is known of a run, with the causes of lost attempts where there is evidence of them."""
    listed = list(observations)
    by_pod: dict[str, list[Evidence]] = {}
    by_attempt: dict[tuple[str, int, int], list[Evidence]] = {}
    for each in listed:
        if isinstance(each, Evidence):
            by_pod.setdefault(each.uid, []).append(each)
            if each.number:
                by_attempt.setdefault((each.step, each.index, each.number), []).append(each)
    if not by_pod:
        return listed

    def seen_of(record: AttemptRecord) -> list[Evidence]:
        ranks = by_attempt.get((record.step, record.index, record.number), [])
        return [*ranks, *(by_pod.get(record.pod_uid, ()) if record.pod_uid else ())]

    return [
        Ended(record=explained(each.record, seen_of(each.record))) if isinstance(each, Ended) else each
        for each in listed
    ]


def kept(observations: Iterable[Observation]) -> Iterator[Observation]:
    """Yield what is kept of a run that has ended: of each pod that fared badly the sighting that tells most.

    What was seen of an instance that has succeeded at its first attempt is of no use to anybody.
    """
    listed = list(observations)
    troubled = {
        (each.record.step, each.record.index)
        for each in listed
        if isinstance(each, Ended) and each.record.status not in ("succeeded", "cancelled")
    }
    best: dict[str, Evidence] = {}
    for each in listed:
        if isinstance(each, Evidence) and (each.step, each.index) in troubled:
            best[each.uid] = min(best.get(each.uid, each), each, key=_weight)
    yield from (each for each in listed if not isinstance(each, Evidence))
    yield from best.values()


def _weight(seen: Evidence) -> tuple[bool, int, float, bytes]:
    """Put ends before what a pod waited for until then, and the most telling cause first; no two are alike."""
    return bool(seen.waiting), _ORDER.get(seen.cause, len(_ORDER)), -seen.time, encode(seen)
