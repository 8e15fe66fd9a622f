"""Runs on a cluster: submit, follow, resume and cancel them."""

from __future__ import annotations

import time
from collections.abc import Callable

from fairlead.authoring.tracing import Traced
from fairlead.engines.contract import Observer
from fairlead.engines.kubernetes.engine import KubernetesEngine
from fairlead.errors import SpecError
from fairlead.naming import utc_now
from fairlead.packaging.project import Project
from fairlead.runs import contexts
from fairlead.runs.handles import Run
from fairlead.runs.options import Options
from fairlead.runs.reporting import read_report
from fairlead.runs.specifying import new_run, specify
from fairlead.store import claims
from fairlead.store.catalog import note_transition
from fairlead.store.history import read_progress
from fairlead.store.layout import spec_key
from fairlead.store.records import Claim, RunSpec, encode


def launch(project: Project, traced: Traced, options: Options, observer: Observer) -> Run:
    """Check that a traced flow can run in a context, submit it, and follow it to its end.

    Raises:
        UsageError, SpecError: It can't run there; nothing was recorded.
        StoreError, ClusterError: The store or the cluster can't be reached, or refuses.
    """
    place = contexts.open_place(options.on)
    engine = engine_in(place)
    faults = list(engine.faults(traced.graph))
    if faults:
        raise SpecError(
            f"flow {traced.graph.flow!r}",
            faults,
            verdict=f"can't run in the context {options.on!r}",
            next="leave --on away",
        )
    run, created = new_run()
    backend = place.store.backend
    claim = claims.take_claim(backend, run, now=time.time())
    spec = specify(place.store, project, traced, options, run=run, created=created)
    backend.create(spec_key(run), encode(spec))
    return _submit(place, engine, spec, claim, observer, detach=options.detach)


def engine_in(place: contexts.Place) -> KubernetesEngine:
    """Return the engine of a context."""
    return KubernetesEngine(place.context, place.client, place.namespace, place.store.backend)


def _submit(
    place: contexts.Place,
    engine: KubernetesEngine,
    spec: RunSpec,
    claim: Claim,
    observer: Observer,
    *,
    detach: bool,
) -> Run:
    backend = place.store.backend
    note_transition(backend, spec.run, spec.graph.flow, "running", now=utc_now())
    progress = read_progress(backend, spec, resume=True, is_kept=place.store.values.exists)
    handover = engine.submit(spec, progress, claim)
    if detach:
        return Run(place.store, spec.run, read_report(backend, spec.run))
    return _follow(place, lambda: engine.follow(spec, progress, claim, handover, observer), spec, observer)


def _follow(place: contexts.Place, follow: Callable[[], object], spec: RunSpec, observer: Observer) -> Run:
    try:
        follow()
    except KeyboardInterrupt:
        observer.noted(
            f"left; the run goes on. Come back: fairlead logs {spec.run} -f   or stop it: fairlead cancel {spec.run}"
        )
    return Run(place.store, spec.run, read_report(place.store.backend, spec.run))
