"""Whether a flow would run in a context, when, and at what cost: asked before anything is created."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from fairlead.engines.kubernetes.engine import chosen_targets
from fairlead.engines.kubernetes.submitting import kind_of
from fairlead.errors import FairleadError
from fairlead.insight.findings import Layer
from fairlead.insight.planning import plans
from fairlead.insight.planning.asked import Asked, asked
from fairlead.insight.planning.documents import Plan, Reason, reason
from fairlead.insight.planning.history import Took
from fairlead.insight.planning.prices import PriceBook
from fairlead.insight.planning.refusing import image_volumes_dropped, refused
from fairlead.kube.client import Client
from fairlead.kube.connecting import connect
from fairlead.kube.discovery import Discovery
from fairlead.kube.failures import AlreadyExists, ApiError, Forbidden, NotFound
from fairlead.kube.resources import POD, Kind
from fairlead.runs.context_checking import check_cluster
from fairlead.runs.earlier import ended_runs
from fairlead.runs.pricing import read_book
from fairlead.runs.rendering import check, render, submission_of
from fairlead.runs.settings import open_store
from fairlead.runs.surveying import of_bundle, survey, wanted_by
from fairlead.snapshots import bundles
from fairlead.snapshots.snapshot import Unread
from fairlead.specs.contexts import Context
from fairlead.specs.graphs import Graph
from fairlead.store.backends import Backend, at_once
from fairlead.store.history import read_compacted
from fairlead.store.records import Ended
from fairlead.targets.flow_table import FLOW, flow_target
from fairlead.targets.naming import GANG
from fairlead.targets.orders import Manifest
from fairlead.targets.pods import is_driving
from fairlead.targets.sweeps.table import placed

_ATTEMPTS_ENOUGH = 30
"""Attempts of each step that say how long it takes."""
_DRY_RUNS = 60
"""Objects that the cluster is asked to check at most."""


def plan(
    graph: Graph,
    on: str,
    *,
    labels: dict[str, str] | None = None,
    targets: Mapping[str, str] | None = None,
    bundle: str = "",
    prices: Sequence[str] = (),
) -> Plan:
    """Say whether a graph would run in a context, and what it would take.

    Args:
        graph: The graph.
        on: The name of the context.
        labels: Labels of the run.
        targets: What runs steps with ranks, or the whole run, where not what the context says.
        bundle: A snapshot's file, by which it is said instead of by the cluster; empty for that.
        prices: Files of price books, the later before the earlier.

    Raises:
        UsageError: There is no such context, or a file can't be read.
        SpecError: The graph can't be on any such cluster, or a price book is none; every fault is named.
        ClusterError: The cluster can't be reached.
    """
    book = read_book(prices)
    context = check(graph, on, labels or {})
    context = msgspec.structs.replace(context, targets={**context.targets, **(targets or {})})
    graph = placed(graph, context.targets)
    planning = _Bundled(graph, context, bundle) if bundle else _Live(graph, context, labels or {})
    return planning.plan(labels or {}, book)


class _Bundled:
    """A plan by what somebody has kept of a cluster."""

    def __init__(self, graph: Graph, context: Context, bundle: str) -> None:
        self._graph, self._context = graph, context
        self._snapshot = bundles.read(Path(bundle))

    def plan(self, labels: dict[str, str], book: PriceBook | None) -> Plan:
        """Make the plan."""
        submission = submission_of(self._graph, self._context, labels, self._context.targets)
        facts = of_bundle(self._snapshot, submission.namespace)
        gap = Unread(what="rights, dry runs, the store and earlier runs", why="a bundle does not have them")
        return plans.plan(
            asked(self._graph, submission), facts, flow=self._graph.flow, context=self._context.name,
            unread=(*self._snapshot.meta.unread, gap), book=book,
        )  # fmt: skip


class _Live:
    """A plan by what a cluster is now."""

    def __init__(self, graph: Graph, context: Context, labels: dict[str, str]) -> None:
        connection = connect(context.kube_context, kubeconfig=context.kubeconfig)
        self._client = Client(connection)
        self._namespace = context.namespace or connection.namespace
        self._served = Discovery(self._client)
        chosen = chosen_targets(graph, context, self._served)
        self._graph, self._context = graph, msgspec.structs.replace(context, namespace=self._namespace)
        self._submission = submission_of(graph, self._context, labels, chosen)

    def plan(self, labels: dict[str, str], book: PriceBook | None) -> Plan:
        """Make the plan."""
        steps = asked(self._graph, self._submission)
        facts = survey(self._client, self._namespace, wanted_by(steps), served=self._served)
        reasons, unread = self._check()
        said, more = self._dry_run(steps, labels)
        return plans.plan(
            steps, facts, flow=self._graph.flow, context=self._context.name, reasons=(*reasons, *said.pop("", ())),
            refused=said, unread=(*facts.snapshot.meta.unread, *unread, *more), took=_took(self._graph), book=book,
        )  # fmt: skip

    def _check(self) -> tuple[list[Reason], list[Unread]]:
        """Look at what every run in the context needs: kinds, rights, the store."""
        report = check_cluster(self._context, self._client.hurried(), self._namespace)
        drives = any(map(is_driving, self._graph.steps.values()))
        reasons, unread = [], []
        for each in report.checks:
            sort = next((sort for sort in _CHECKED if each.name.startswith(sort)), "")
            if not sort or (each.name == "rights of drivers" and not drives):
                continue
            if each.state == "failed":
                id, layer = _CHECKED[sort]
                reasons.append(reason(id, layer, "never", f"{each.name}: {each.said}", remedy=each.next))
            elif each.state == "unknown":
                unread.append(Unread(what=each.name, why=each.said))
        return reasons, unread

    def _dry_run(self, steps: Iterable[Asked], labels: dict[str, str]) -> tuple[dict[str, list[Reason]], list[Unread]]:
        """Have the cluster check what would be created; returns what it said, by the step, or of the run as a whole."""
        targets = {**self._submission.targets, FLOW: flow_target(self._submission.targets).name}
        one_of_each = {node.step: number for number, node in enumerate(self._graph.nodes)}.values()
        made = render(self._graph, self._context.name, labels, targets, only=sorted(one_of_each)).manifests
        own, names = made[0]["kind"], {each["metadata"]["name"] for each in made[1:]}
        others = ((self._step_of(each), each) for each in made if each["kind"] != own)
        objects = [("", made[0]), *others, *_pods(steps)]
        answers = at_once(lambda each: self._tried(each[1], names), objects[:_DRY_RUNS])
        found: dict[str, list[Reason]] = {}
        unread: list[Unread] = []
        for (step, _), answer in zip(objects, answers, strict=False):
            if isinstance(answer, Reason) and answer not in found.get(step, ()):
                found.setdefault(step, []).append(answer)
            elif isinstance(answer, Unread):
                unread.append(answer)
        return found, unread

    def _step_of(self, manifest: Manifest) -> str:
        """Return the step whose gang an object is of; empty where it is of the run."""
        key = manifest["metadata"].get("annotations", {}).get(GANG, "").rsplit(".", 2)[0]
        return self._graph.steps[key].name if key in self._graph.steps else ""

    def _tried(self, manifest: Manifest, names: Collection[str]) -> Reason | Unread | None:
        """Return what the cluster has against an object; `names` are of those that would be there beside it."""
        manifest = {**manifest, "metadata": {**manifest["metadata"], "namespace": self._namespace}}
        kind = POD if manifest["kind"] == POD.kind else kind_of(manifest)
        try:
            made = self._client.create(kind, manifest, dry_run=True)
        except AlreadyExists:
            return None
        except Forbidden as error:
            if error.missing_rule is not None:
                return Unread(what=f"what the cluster says of a {kind.kind}", why="you may not create one")
            return self._refused(kind, error.message, names)
        except NotFound as error:
            served = f'no matches for kind "{kind.kind}" in version "{kind.api_version}"'
            return self._refused(kind, error.message if error.is_served else served, names)
        except ApiError as error:
            return self._refused(kind, error.message or error.why, names)
        if kind is POD and len(made["spec"].get("volumes", ())) < len(manifest["spec"].get("volumes", ())):
            return image_volumes_dropped(self._context.name)
        return None

    def _refused(self, kind: Kind, message: str, names: Collection[str]) -> Reason | Unread:
        if "not found" in message and any(name in message for name in names):
            return Unread(
                what=f"what the cluster says of a {kind.kind}", why="it asks for another that is made with it"
            )
        return refused(kind.kind, self._namespace, message)


_CHECKED = {
    "Namespace": ("namespace-missing", Layer.STRUCTURE),
    "kind ": ("kind-not-served", Layer.STRUCTURE),
    "targets": ("kind-not-served", Layer.STRUCTURE),
    "your rights": ("right-missing", Layer.POLICY),
    "rights of": ("right-missing", Layer.POLICY),
    "store": ("store-unreachable", Layer.STRUCTURE),
}
"""What a check of a context says of every run, by how its name begins; the rest is said of each step."""


def _pods(steps: Iterable[Asked]) -> Iterator[tuple[str, Manifest]]:
    """Yield a pod of each sort that steps have, under a name that is nobody's."""
    for number, step in enumerate(steps):
        for place, each in enumerate(step.sets):
            value = each.pod.value
            yield step.step, {**value, "metadata": {**value["metadata"], "name": f"fairlead-plan-{number}-{place}"}}


# Earlier runs ----------------------------------------------------------------------------------


def _took(graph: Graph) -> list[Took]:
    """Return what earlier runs of a flow took, as far as its store can be read."""
    with suppress(FairleadError):
        return list(earlier(open_store().backend, graph.flow))
    return []


def earlier(backend: Backend, flow: str) -> Iterator[Took]:
    """Yield the attempts that succeeded in the newest runs of a flow that have ended."""
    counts: dict[str, int] = {}
    for _, run in ended_runs(backend, flow):
        known = dict(counts)
        with suppress(FairleadError):  # removed, or damaged
            for each in read_compacted(backend, run):
                if not isinstance(each, Ended) or each.record.status != "succeeded" or each.record.rank is not None:
                    continue
                record = each.record
                if counts.get(record.step, 0) < _ATTEMPTS_ENOUGH:
                    counts[record.step] = counts.get(record.step, 0) + 1
                    yield Took(record.step, max(0.0, record.finished - record.started), record.peak_memory_bytes)
        if counts and counts == known:  # it told nothing new: enough is known
            return
