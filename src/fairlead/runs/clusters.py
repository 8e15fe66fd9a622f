"""Runs on a cluster: submit, follow, resume and cancel them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from fairlead.authoring.tracing import Traced
from fairlead.engines.contract import Observer
from fairlead.engines.kubernetes import stopping
from fairlead.engines.kubernetes.engine import KubernetesEngine
from fairlead.engines.kubernetes.removing import remove_objects as delete_objects
from fairlead.engines.kubernetes.reopening import reopen
from fairlead.kube.client import Client
from fairlead.kube.connecting import connect
from fairlead.naming import utc_now
from fairlead.packaging.project import Project
from fairlead.runs import contexts
from fairlead.runs.foreseeing import foresee
from fairlead.runs.handles import Run
from fairlead.runs.options import Options
from fairlead.runs.remaining import remaining
from fairlead.runs.rendering import check, render
from fairlead.runs.reporting import read_report
from fairlead.runs.settings import chosen_context, open_store
from fairlead.runs.specifying import moved, new_run, repeated, revised, specify, travelling
from fairlead.runs.travelling import packed_project
from fairlead.specs.contexts import LOCAL, Context, Submission
from fairlead.specs.graphs import Graph
from fairlead.store import claims
from fairlead.store.catalog import note_transition
from fairlead.store.history import read_progress, read_spec
from fairlead.store.layout import spec_key
from fairlead.store.opened import Store
from fairlead.store.records import Claim, RunSpec, encode
from fairlead.targets.flow_table import FLOW, flow_target
from fairlead.targets.sweeps.table import placed


class Place(NamedTuple):
    """A context, connected: its cluster and its store."""

    context: Context
    client: Client
    namespace: str
    store: Store


def open_place(name: str) -> Place:
    """Connect to a context's cluster and open its store.

    Raises:
        UsageError: There is no such context, or its kubeconfig can't be used.
        StoreError: The store can't be used.
    """
    context = contexts.find(name)
    connection = connect(context.kube_context, kubeconfig=context.kubeconfig)
    namespace = context.namespace or connection.namespace
    return Place(context, Client(connection), namespace, open_store())


def launch(project: Project, traced: Traced, options: Options, observer: Observer) -> Run:
    """Check that a traced flow can run in a context, submit it, and follow it to its end.

    Raises:
        UsageError, SpecError: It can't run there; nothing was recorded.
        StoreError, ClusterError: The store or the cluster can't be reached, or refuses.
    """
    place = _chosen_place(options)
    engine = engine_in(place)
    traced = traced._replace(graph=placed(traced.graph, place.context.targets))
    targets = engine.targets(traced.graph)
    render(traced.graph, options.on, options.labels, {FLOW: flow_target(targets).name})  # refuses what can't run there
    _foresee(place, traced.graph, targets, observer)
    packed = packed_project(project, place.store.url)
    for note in packed.notes:
        observer.noted(note)
    run, created = new_run()
    backend = place.store.backend
    claim = claims.take_claim(backend, run, now=time.time())
    spec = specify(place.store, project, traced, options, run=run, created=created, package=packed.data)
    backend.create(spec_key(run), encode(spec))
    return _submit(place, engine, spec, claim, observer, detach=options.detach)


def resume(
    run: str,
    options: Options,
    observer: Observer,
    *,
    current: Callable[[RunSpec], tuple[Project, Traced]] | None = None,
) -> Run:
    """Go on with a run in a context; one that is still under way there is followed.

    Args:
        run: The run's id.
        options: How it is to be driven.
        observer: Is told what happens.
        current: Traces the run's flow with other code than was recorded; only what has ended goes on with it.

    Raises:
        NotFoundError: There is no such run.
        ClaimedError: Somebody else drives it.
        UsageError, SpecError: It can't run there.
    """
    place = _chosen_place(options)
    engine, backend = engine_in(place), place.store.backend
    spec = read_spec(backend, run)
    held = claims.newest_claim(backend, run)
    handover = engine.adopt(spec, held) if held else None
    if held is not None and handover is not None and current is None and claims.holder_lives(backend, run, held):
        if options.detach:
            return Run(place.store, run, read_report(backend, run))
        progress, claim = read_progress(backend, spec), held
        done = _follow(place, lambda: engine.follow(spec, progress, claim, handover, observer), spec, observer)
        if done.status in ("succeeded", "running"):
            return done
    elif current is None and read_report(backend, run).status == "succeeded":
        return Run(place.store, run, read_report(backend, run))
    claim = claims.take_claim(backend, run, now=time.time())
    try:
        if current is None:
            left = remaining(backend, spec)
            check(left, options.on, spec.labels)
            _foresee(place, left, engine.targets(left), observer)
            fresh = moved(place.store, spec, options.on)
            if fresh is not spec:
                observer.noted(_CODE_ALONE)
        else:
            project, traced = current(spec)
            _foresee(place, traced.graph, engine.targets(traced.graph), observer)
            fresh = _revised(place, spec, options, observer, project, traced)
        reopen(place.store, fresh, claim, before=None if current is None else spec)
        if fresh is not spec:  # after it is known what counts with other code
            backend.create(spec_key(run, fresh.revision), encode(fresh))
    except BaseException:  # this process may live on, and must not hold the run
        claims.release(backend, run, claim)
        raise
    return _submit(place, engine, fresh, claim, observer, detach=options.detach)


_CODE_ALONE = (
    "the run was begun here: what its flow's file imports goes with it, and no other file of the project; "
    "with them: --with-current-code"
)


def _revised(
    place: Place, spec: RunSpec, options: Options, observer: Observer, project: Project, traced: Traced
) -> RunSpec:
    """Return what a run is from now on, with other code."""
    check(traced.graph, options.on, spec.labels)
    packed = packed_project(project, place.store.url)
    for note in packed.notes:
        observer.noted(note)
    return revised(place.store, spec, options, project, traced, packed.data)


def rerun(run: str, options: Options, observer: Observer) -> Run:
    """Run again in a context what a run did, with its recorded code, as a new run."""
    place = _chosen_place(options)
    old = read_spec(place.store.backend, run)
    engine = engine_in(place)
    check(old.graph, options.on, old.labels)
    _foresee(place, old.graph, engine.targets(old.graph), observer)
    new, created = new_run()
    claim = claims.take_claim(place.store.backend, new, now=time.time())
    spec = repeated(travelling(place.store, old), new, created, options)
    place.store.backend.create(spec_key(new), encode(spec))
    return _submit(place, engine, spec, claim, observer, detach=options.detach)


def _chosen_place(options: Options) -> Place:
    """Open the place that a run is to go to, with what its options say in the place of the context."""
    place = open_place(options.on)
    context = place.context
    if options.unschedulable is not None:
        context = msgspec.structs.replace(context, unschedulable=options.unschedulable)
    return place._replace(context=msgspec.structs.replace(context, targets={**context.targets, **options.targets}))


def stop(name: str, run: str) -> None:
    """Have a context's cluster stop a run that somebody has asked to cancel."""
    place = open_place(name)
    stopping.stop(engine_in(place), place.store.backend, run)


def remove_objects(run: str, submissions: Iterable[Submission]) -> int:
    """Remove what a run has left in the clusters that it was submitted to; returns how many objects there were.

    Raises:
        UsageError: A context is not known on this machine.
        ClusterError: A cluster can't be reached, or refuses.
    """
    chosen = chosen_context()
    places = {
        (each.context.name if chosen == LOCAL else chosen, each.namespace, flow_target(each.targets).name)
        for each in submissions
    }
    removed = 0
    for name, namespace, flow in sorted(places):
        context = contexts.find(name)
        client = Client(connect(context.kube_context, kubeconfig=context.kubeconfig))
        removed += delete_objects(client, run, namespace, flow_target({FLOW: flow}))
    return removed


def engine_in(place: Place) -> KubernetesEngine:
    """Return the engine of a context."""
    return KubernetesEngine(place.context, place.client, place.namespace, place.store.backend)


def _foresee(place: Place, graph: Graph, targets: dict[str, str], observer: Observer) -> None:
    """Refuse what can never run there, as the cluster is now."""
    foresee(graph, place.client, place.namespace, place.context, targets=targets, noted=observer.noted)


def _submit(
    place: Place,
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


def _follow(place: Place, follow: Callable[[], object], spec: RunSpec, observer: Observer) -> Run:
    try:
        follow()
    except KeyboardInterrupt:
        observer.noted(
            f"left; the run goes on. Come back: fairlead logs {spec.run} -f   or stop it: fairlead cancel {spec.run}"
        )
    return Run(place.store, spec.run, read_report(place.store.backend, spec.run))
