"""Schedules: flows that a cluster runs by itself. What they are made of is printed, compared, applied and removed here.

A schedule is two objects of one name, the template that launches a published flow and the cron that starts it. They are
of those that are declared, not of those that runs create: they are applied server-side, and adding a schedule again
changes it in place.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fairlead.engines.kubernetes.inside.launching import launched_by
from fairlead.engines.kubernetes.submitting import create
from fairlead.errors import NotFoundError, SpecError, UsageError, nearest
from fairlead.kube.failures import NotFound
from fairlead.kube.resources import CRON_WORKFLOW, WORKFLOW_TEMPLATE, Kind
from fairlead.naming import RunId, new_run_id, utc_now
from fairlead.runs import contexts
from fairlead.runs.clusters import Place
from fairlead.runs.rendering import namespace_of, render
from fairlead.specs import documents
from fairlead.specs.contexts import Context, Launch, inside
from fairlead.specs.graphs import Graph
from fairlead.specs.reports import ScheduleReport
from fairlead.specs.schedules import NAME_LENGTH_MAX, Schedule, schedule_faults, schedule_name_fault
from fairlead.store.publishing import Publication
from fairlead.targets import cron_workflow, naming, workflow_template
from fairlead.targets.orders import Manifest

KINDS: dict[str, Kind] = {kind.kind: kind for kind in (WORKFLOW_TEMPLATE, CRON_WORKFLOW)}
"""The kinds that a schedule is made of, in the order of their creation."""

_MANAGER = "fairlead"
"""Who owns the fields of a schedule's objects."""
_SWITCH = "fairlead-switch"
"""Who owns whether a schedule is suspended, once somebody has said so: adding it again leaves that."""
_OWN = f"app.kubernetes.io/managed-by=fairlead,{naming.SCHEDULE}"
_SERVERS = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "uid")
"""What the server writes into the metadata of every object."""


def default_name(flow: str) -> str:
    """Return the name of a flow's schedule where nobody gives one."""
    return naming.dns_label(flow, NAME_LENGTH_MAX)


class Declared(NamedTuple):
    """What people say of how a published flow is launched.

    Attributes:
        name: The name of the objects.
        labels: Labels of the objects and the runs.
        use_cache: Whether runs use results of earlier ones.
        schedule: When, of the same name; None where only others start it.
    """

    name: str
    labels: dict[str, str]
    use_cache: bool = True
    schedule: Schedule | None = None


def check(graph: Graph, on: str, declared: Declared) -> None:
    """Refuse what can't be.

    Raises:
        UsageError: There is no such context, or nothing can have the name.
        SpecError: The flow can't run there, or the schedule can't be; every fault is named.
    """
    if declared.schedule is not None and (faults := list(schedule_faults(declared.schedule))):
        raise SpecError(f"schedule {declared.name!r}", faults, next="fairlead schedule --help")
    if fault := schedule_name_fault(declared.name):
        raise UsageError(f"the name of a template {fault}", next="give one: --name NAME")
    render(graph, on, declared.labels)


def declare(publication: Publication, graph: Graph, on: str, declared: Declared) -> list[Manifest]:
    """Compile what launches a published flow in a context, and what starts it; neither cluster nor store is asked.

    Args:
        publication: The flow, as it is or will be published.
        graph: Its graph.
        on: The name of the context.
        declared: How it is launched.

    Raises:
        UsageError, SpecError: As `check`.
    """
    check(graph, on, declared)
    context = contexts.find(on)
    launch = launch_of(publication, context, declared)
    namespace, schedule = namespace_of(context), declared.schedule
    found = [workflow_template.render(launch, namespace)]
    return found if schedule is None else [*found, cron_workflow.render(launch, schedule, namespace)]


def launch_of(publication: Publication, context: Context, declared: Declared) -> Launch:
    """Return what the pod that launches a published flow is told, wherever that pod comes from."""
    return Launch(
        name=declared.name,
        flow=publication.flow,
        digest=publication.digest,
        context=inside(context),
        labels=declared.labels,
        use_cache=declared.use_cache,
    )


def apply(place: Place, manifests: Iterable[Manifest]) -> None:
    """Make a cluster have what was declared, and nothing else under these names.

    Raises:
        UsageError: A name is taken by something that is none of Fairlead's.
        ClusterError: The cluster refuses or can't be reached.
    """
    for manifest in manifests:
        kind, name = KINDS[manifest["kind"]], manifest["metadata"]["name"]
        live = _find(place, kind, name)
        if live is not None and not _is_own(live):
            raise UsageError(
                f"{kind.kind} {name} is none of Fairlead's",
                where=f"namespace {place.namespace}",
                next="choose another name: --name NAME",
            )
        _applied(place, manifest, dry_run=False)


def differences(place: Place, manifests: Iterable[Manifest]) -> Iterator[str]:
    """Yield for each declared object that the cluster has otherwise, or not at all, a unified diff.

    The server says what would come of it, so that what it fills in is no difference.

    Raises:
        ClusterError: The cluster refuses or can't be reached.
    """
    for manifest in manifests:
        kind, name = KINDS[manifest["kind"]], manifest["metadata"]["name"]
        live = _find(place, kind, name)
        before = "" if live is None else documents.to_yaml(_own_part(live))
        after = documents.to_yaml(_own_part(_applied(place, manifest, dry_run=True)))
        title = f"{kind.kind}/{name}"
        lines = difflib.unified_diff(before.splitlines(True), after.splitlines(True), f"there/{title}", f"new/{title}")
        if text := "".join(lines):
            yield text


def listed(place: Place) -> list[ScheduleReport]:
    """Return the schedules of a context's namespace, by name."""
    found = place.client.list(CRON_WORKFLOW, namespace=place.namespace, labels=_OWN).items
    return sorted((_report(each) for each in found), key=lambda each: each.name)


def suspend(place: Place, name: str, *, suspended: bool) -> None:
    """Have a schedule start nothing, or begin again; what runs goes on.

    Raises:
        NotFoundError: There is no such schedule.
    """
    if _own(place, CRON_WORKFLOW, name) is None:
        raise _unknown(place, name)
    patch = {"spec": {"suspend": suspended}}
    place.client.patch(CRON_WORKFLOW, name, patch, namespace=place.namespace, manager=_SWITCH)


def start(place: Place, name: str) -> RunId:
    """Launch a run of a schedule's flow now, whether it is suspended or not; returns the id that the run will have.

    Raises:
        NotFoundError: There is no such schedule or template.
    """
    template = _own(place, WORKFLOW_TEMPLATE, name)
    if template is None:
        raise _unknown(place, name)
    suffix = f"-{new_run_id(utc_now())}"
    launching = workflow_template.launched(template, naming.dns_label(name, naming.NAME_MAX - len(suffix)) + suffix)
    return launched_by(create(place.client, launching))[0]


def remove(place: Place, name: str) -> None:
    """Remove a schedule and its template; its runs, also those under way, and what is published stay.

    Raises:
        NotFoundError: There is no such schedule.
    """
    found = [kind for kind in (CRON_WORKFLOW, WORKFLOW_TEMPLATE) if _own(place, kind, name) is not None]
    if not found:
        raise _unknown(place, name)
    for kind in found:
        # A launch belongs to its schedule, and a launch that is removed cancels its run: it is left without an owner.
        place.client.delete(kind, name, namespace=place.namespace, propagation="Orphan")


def _applied(place: Place, manifest: Manifest, *, dry_run: bool) -> Manifest:
    kind, name = KINDS[manifest["kind"]], manifest["metadata"]["name"]
    return place.client.patch(
        kind,
        name,
        manifest,
        namespace=place.namespace,
        how="apply",
        manager=_MANAGER,
        force=True,
        dry_run=dry_run,
    )


def _find(place: Place, kind: Kind, name: str) -> Manifest | None:
    try:
        return place.client.get(kind, name, namespace=place.namespace)
    except NotFound as error:
        if error.is_served:
            return None
        raise UsageError(
            f"the cluster has no {kind.kind}", next="install Argo Workflows there, or choose another context"
        ) from error


def _own(place: Place, kind: Kind, name: str) -> Manifest | None:
    """Return an object of a schedule; None where there is none, or it is of somebody else."""
    found = _find(place, kind, name)
    return found if found is not None and _is_own(found) else None


def _is_own(found: Manifest) -> bool:
    return naming.SCHEDULE in found["metadata"].get("labels", {})


def _unknown(place: Place, name: str) -> NotFoundError:
    known = [each.name for each in listed(place)]
    return NotFoundError(
        f"there is no schedule {name!r}",
        where=f"namespace {place.namespace}",
        why=nearest(name, known) if known else "none was added yet",
        next="fairlead schedule ls",
    )


def _own_part(found: Manifest) -> Manifest:
    """Return what of an object its makers have written."""
    metadata = {name: value for name, value in found["metadata"].items() if name not in _SERVERS}
    return {name: value for name, value in found.items() if name != "status"} | {"metadata": metadata}


def _report(found: Manifest) -> ScheduleReport:
    metadata, spec, status = found["metadata"], found["spec"], found.get("status") or {}
    flow, _, digest = metadata.get("annotations", {}).get(naming.PUBLISHED, "").partition("/")
    faults = (each for each in status.get("conditions") or () if each["type"] in ("SpecError", "SubmissionError"))
    return ScheduleReport(
        name=metadata["name"],
        flow=flow,
        published=digest,
        cron=", ".join(spec.get("schedules") or ()),
        timezone=spec.get("timezone", ""),
        concurrency=spec.get("concurrencyPolicy", "Allow").lower(),
        suspended=bool(spec.get("suspend")),
        active=len(status.get("active") or ()),
        last=status.get("lastScheduledTime"),
        fault=next((each.get("message", "") for each in faults if each.get("status") == "True"), ""),
    )
