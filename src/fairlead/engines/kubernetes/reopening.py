"""Getting a run that was driven before ready for a submission, wherever it was driven.

Pods read what was before them from one record, with what no longer counts named in it. What only a driver on a
machine knew by heart (what it found in the cache, how it counted equal executions) is written down here.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import msgspec

from fairlead.specs.reports import ErrorReport
from fairlead.store import claims
from fairlead.store.history import RESUMED, compact, progress_of, read_observations
from fairlead.store.known import is_success, key_of, time_of
from fairlead.store.layout import held_key
from fairlead.store.opened import Store
from fairlead.store.progress import Progress
from fairlead.store.records import (
    AttemptRecord,
    Cached,
    Claim,
    Ended,
    HeldResult,
    HeldResults,
    Observation,
    Outcome,
    RunSpec,
    RunStatusChanged,
    Started,
    Superseded,
    encode,
)
from fairlead.worker.keys import InstanceKeys
from fairlead.worker.occurrences import numbers_of, settle
from fairlead.worker.resolving import resolver_of
from fairlead.worker.settled import settled_keys

_Success = Cached | Ended


def reopen(store: Store, spec: RunSpec, claim: Claim, *, before: RunSpec | None = None) -> None:
    """Write down what counts of a run that goes on in pods.

    Args:
        store: The store.
        spec: What the run is from now on.
        claim: The claim under which it goes on.
        before: What it was before, where its code is another one: a result counts where its cache key is the same.
    """
    if claim.number == 1:
        return
    backend = store.backend
    observations = read_observations(backend, spec.run)
    settled = {} if before is None else settled_keys(backend, before)
    progress = progress_of(
        backend, spec, observations, resume=True, hold=before is not None, is_kept=store.values.exists
    )
    if before is not None:
        _accept(store, spec, progress, settled)
    former = _newest(observations)
    void = {key for key in former if _is_void(progress, key, revised=before is not None)}
    held = {key: settled[key] for key in void if key in settled and _may_count(progress, key)}
    if held:
        results = {_title(key): HeldResult(key=held[key], outcome=_outcome(former[key])) for key in held}
        backend.put(held_key(spec.run, claim.number), encode(HeldResults(results=results)))
    additions: list[Observation] = [*_lost(observations), *_superseding(former, void), *_running(progress)]
    compact(backend, spec.run, _earlier(claim), [*observations, *additions], keep=(*RESUMED, "held/"))
    if claims.handed_over(backend, spec.run, _earlier(claim)) is None:  # its driver counted in its memory
        settle(backend, spec, progress)


def _accept(store: Store, spec: RunSpec, progress: Progress, settled: dict[tuple[str, int], str]) -> None:
    """Let count what can be seen to be the same already: its inputs are known, and its key has not changed."""
    resolver = resolver_of(store.backend, spec, progress)
    keys = InstanceKeys(spec, progress, resolver, numbers_of(store.backend, spec.run))
    for instance in progress.take_ready():
        if instance.held is not None and settled.get(instance.key) == keys.of(instance):
            progress.accept(instance)
        else:
            instance.held = None  # it runs again, whatever comes


def _newest(observations: Iterable[Observation]) -> dict[tuple[str, int], _Success]:
    """Return the newest result of each instance."""
    found: dict[tuple[str, int], _Success] = {}
    for each in observations:
        if is_success(each) and (key_of(each) not in found or time_of(found[key_of(each)]) <= time_of(each)):
            found[key_of(each)] = each
    return found


def _is_void(progress: Progress, key: tuple[str, int], *, revised: bool) -> bool:
    """Say whether a result does not count: its values are gone, or it may be that of other code."""
    instance = progress.instances.get(key)
    return revised if instance is None else instance.outcome is None


def _may_count(progress: Progress, key: tuple[str, int]) -> bool:
    """Say whether a pod has to find out: what the instance takes is not there yet."""
    instance = progress.instances.get(key)
    return instance is None or instance.held is not None


def _superseding(former: dict[tuple[str, int], _Success], void: set[tuple[str, int]]) -> Iterator[Superseded]:
    for step, index in sorted(void):  # by its own time, not this machine's: clocks differ
        yield Superseded(step=step, index=index, time=time_of(former[step, index]))


def _lost(observations: Iterable[Observation]) -> Iterator[Ended]:
    """Yield the end of each attempt that left no record, as those of a killed driver: its number and log are taken."""
    ended, begun = set(), {}
    for each in observations:
        if isinstance(each, Ended):
            ended.add((each.record.step, each.record.index, each.record.number))
        elif isinstance(each, Started):
            begun[each.step, each.index, each.number] = each.time
    for (step, index, number), since in begun.items():
        if (step, index, number) not in ended:
            yield Ended(
                record=AttemptRecord(
                    step=step,
                    index=index,
                    number=number,
                    status="lost",
                    error=ErrorReport(type="Lost", message="its driver was gone before it left a record"),
                    infrastructure=True,
                    started=since,
                    finished=since,
                )
            )


def _running(progress: Progress) -> Iterator[RunStatusChanged]:
    """Yield that the run is under way, where it was written down that it had ended."""
    if progress.run is not None:
        yield RunStatusChanged(status="running", time=max(time.time(), progress.run.time))


def _earlier(claim: Claim) -> Claim:
    """Return a claim with the number before: what is written under a claim's own says how it ended."""
    return msgspec.structs.replace(claim, number=claim.number - 1)


def _outcome(success: _Success) -> Outcome:
    return success.entry.outcome if isinstance(success, Cached) else success.record.outcome


def _title(key: tuple[str, int]) -> str:
    return f"{key[0]}.{key[1]}"
