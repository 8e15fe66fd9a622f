"""Why a run, a step or a workload is as it is: by the store's records, the cluster that is chosen, or a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec

from fairlead.errors import FairleadError, NotFoundError, UsageError
from fairlead.insight.rules.steps import GONE
from fairlead.insight.why import Answer, Changed, explain
from fairlead.naming import is_run_id, utc_now
from fairlead.runs import picturing
from fairlead.runs.clusters import Place, open_place
from fairlead.runs.comparing import causes_between
from fairlead.runs.explaining import earlier_runs
from fairlead.runs.finding import Target, find_target
from fairlead.runs.keyparts import RunKeys
from fairlead.runs.ranks import logged
from fairlead.runs.reporting import report_of
from fairlead.runs.settings import chosen_context, open_store
from fairlead.runs.snapshotting import KINDS, names_of, subject_of, take
from fairlead.runs.waits import run_of, with_waits
from fairlead.snapshots import bundles
from fairlead.snapshots.snapshot import Meta, Snapshot, Thing, Unread
from fairlead.specs.contexts import LOCAL
from fairlead.specs.reports import RunReport
from fairlead.store.backends import Backend
from fairlead.store.catalog import latest_by_run
from fairlead.store.history import read_events, read_progress, read_spec
from fairlead.store.opened import Store
from fairlead.targets import naming

_BUNDLES = (".tgz", ".tar", ".tar.gz", "/")
_CHANGES_MAX = 8
_EACH_MAX = 5
"""Failed instances of a step that are compared with a run that succeeded."""


class _Recorded(NamedTuple):
    """A run by its records: as a snapshot, and what of it is asked about."""

    snapshot: Snapshot
    subject: Thing
    keys: RunKeys


def answer(text: str, namespace: str) -> Answer:
    """Say why a run, a step or a workload is pending or has failed.

    Args:
        text: ``RUN``, ``RUN/STEP``, ``RUN/STEP/INDEX``, ``KIND/NAME``, the name of a pod, or a bundle's file or folder,
            with any of these after a colon where it was taken of a whole namespace.
        namespace: Another namespace than the context's; empty for that.

    Raises:
        NotFoundError: There is no such thing.
        UsageError: The bundle can't be read, or no cluster is chosen.
        ClusterError, StoreError: The cluster or the store can't be reached.
    """
    file, _, within = text.partition(":")
    if file.endswith(_BUNDLES):
        snapshot = bundles.read(Path(file))
        if not within and not snapshot.meta.subject:
            raise NotFoundError(
                f"the bundle {file} does not say what it is of", next=f"write {file}:KIND/NAME, such as {file}:job/fit"
            )
        return explain(snapshot, subject_of(snapshot, within or snapshot.meta.subject, namespace))
    store, target = _target(text)
    if target is None:
        place = _chosen_place()
        where = namespace or place.namespace
        snapshot = take(place.client, where, subject=text)
        thing = subject_of(snapshot, text, where)
        found = explain(snapshot, thing)
        owner = run_of(thing, store.backend) if found.unread else None
        return with_waits(found, store.backend, *owner) if owner else found
    run = _of_run(store, target, namespace)
    found = with_waits(explain(run.snapshot, run.subject), store.backend, target.run, target.step)
    return msgspec.structs.replace(found, changed=_changed(store, run.keys)) if found.state == "failed" else found


def taken(text: str, namespace: str) -> Snapshot:
    """Take a snapshot: of a run, or of a namespace of the chosen context's cluster.

    Args:
        text: What it is to answer for, as `answer` has it; empty for the whole namespace.
        namespace: Another namespace than the context's; empty for that.
    """
    store, target = _target(text) if text else (None, None)
    if store is not None and target is not None:
        return _of_run(store, target, namespace).snapshot
    place = _chosen_place()
    return take(place.client, namespace or place.namespace, subject=text)


def _target(text: str) -> tuple[Store, Target | None]:
    """Return what of a run a text names; None where it names an object of a cluster."""
    head, _, rest = text.partition("/")
    store = open_store()
    is_object = bool(rest) and any(head.lower().partition(".")[0] in names_of(each.kind) for each in KINDS)
    if is_object or (":" in head and not is_run_id(head)):
        return store, None
    try:
        return store, find_target(store.backend, text)
    except NotFoundError:
        if chosen_context() == LOCAL or is_run_id(head) or head == "latest":
            raise
        return store, None


def _of_run(store: Store, target: Target, namespace: str) -> _Recorded:
    """Picture a run by its records, and by what its cluster has of it, where that is chosen."""
    backend, taken = store.backend, utc_now().isoformat(timespec="seconds")
    spec = read_spec(backend, target.run)
    progress = read_progress(backend, spec)
    ranks = logged(store, target.run, progress)
    document = report_of(backend, spec, progress)
    live = _live(target.run, spec.context, namespace)
    if _is_gone(live, document):
        document = msgspec.structs.replace(document, reason=GONE)
    picture = picturing.pictured(spec, document, progress, list(read_events(backend, target.run)), target, ranks)
    about = picturing.subject(spec, target)
    text = "/".join(str(each) for each in target if each is not None)
    there = {thing.uid for thing in live.things.values()}
    objects = [
        *picturing.owned((each.value for each in live.things.values()), target.run, spec.graph),
        *(each for each in picture.objects if each["metadata"]["uid"] not in there),
    ]
    meta = Meta(subject=text, taken=taken, unread=live.meta.unread)
    events = [*live.events, *picturing.told(picture.events, live)]
    snapshot = Snapshot(meta, objects, events, {**picture.logs, **live.logs})
    found = snapshot.things.get(about)
    if found is None:
        raise NotFoundError(f"run {target.run} has no step {text.partition('/')[2]}", next=f"fairlead get {target.run}")
    return _Recorded(snapshot, found, RunKeys(store, target.run, (spec, progress)))


def _live(run: str, context: str, namespace: str) -> Snapshot:
    """Return what the chosen cluster has of a run; why it has nothing, where it should."""
    chosen = chosen_context()
    if context == LOCAL:
        return Snapshot(Meta(), [])
    if chosen == LOCAL:
        return Snapshot(Meta(unread=(Unread(what="the cluster", why=f"it is not chosen: --on {context}"),)), [])
    try:
        place = open_place(chosen)
        return take(place.client, namespace or place.namespace, labels={naming.RUN: run})
    except FairleadError as failure:  # its records say much without it
        return Snapshot(Meta(unread=(Unread(what="the cluster", why=failure.what),)), [])


def _is_gone(live: Snapshot, document: RunReport) -> bool:
    """Say whether a run goes on by its records, and its cluster, which was asked, has nothing of it."""
    if document.status not in ("running", "pending") or not live.things or live.meta.unread:
        return False
    labels = (thing.mapping("metadata.labels") for thing in live.things.values())
    return all(each.get(naming.RUN) != document.run for each in labels)


def _changed(store: Store, keys: RunKeys) -> Changed | None:
    """Say what is not as it was when the flow of a run last succeeded; None where it never did."""
    green = _last_green(store.backend, keys.spec.graph.flow, keys.run)
    if green is None:
        return None
    failed: dict[str, list[tuple[str, int]]] = {}
    for key, each in keys.progress.instances.items():
        if each.status == "failed":
            failed.setdefault(each.name, []).append(key)
    places = [key for listed in failed.values() for key in listed[:_EACH_MAX]]
    causes = causes_between(RunKeys(store, green), keys, places)
    return Changed(run=green, what=tuple(each.text for each in causes[:_CHANGES_MAX]))


def _last_green(backend: Backend, flow: str, run: str) -> str | None:
    latest = latest_by_run(backend)
    return next((each for each in earlier_runs(backend, flow, run) if latest[each].status == "succeeded"), None)


def _chosen_place() -> Place:
    name = chosen_context()
    if name == LOCAL:
        raise UsageError(
            "no cluster is chosen",
            why="on this machine there are no pods and no jobs",
            next="fairlead why KIND/NAME --on CONTEXT   or, of a bundle, fairlead why bundle.tgz:KIND/NAME",
        )
    return open_place(name)
