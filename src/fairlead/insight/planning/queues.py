"""Whether Kueue would admit a step's pods: its queue, the flavors that go with them, and the quota with the cohort's.

Source: https://kueue.sigs.k8s.io/docs/concepts/cluster_queue/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

from fairlead.insight.findings import Layer
from fairlead.insight.planning.amounts import named, written
from fairlead.insight.planning.asked import Asked, Pods
from fairlead.insight.planning.cohorts import Cohorts, Queue, amounts, usage_of
from fairlead.insight.planning.documents import Reason, reason
from fairlead.insight.planning.facts import Facts, unread
from fairlead.insight.planning.priorities import class_in_queue, preempts, priority_in_queue
from fairlead.queues.specs import FlavorResource as Line
from fairlead.queues.specs import Workload
from fairlead.snapshots.parts import Evidence, Part
from fairlead.snapshots.snapshot import Thing, Unread
from fairlead.targets.fitting import REQUIRED_OF_NODES, holds, selects, tolerates
from fairlead.targets.fitting import written as written_taint

_DOCS = "https://kueue.sigs.k8s.io/docs/concepts"
_QUEUES = f"{_DOCS}/cluster_queue/"
_FLAVORS = f"{_DOCS}/resource_flavor/"


class Share(NamedTuple):
    """What pods would take of a flavor, beside what they can have of it.

    Attributes:
        flavor: The flavor's name.
        resource: The resource of which there is least.
        needs: How much they take.
        most: How much they could have, were nothing used.
        left: How much they can have now.
    """

    flavor: str
    resource: str
    needs: Decimal
    most: Decimal
    left: Decimal

    @property
    def state(self) -> int:
        """0 where there is enough, 1 where there would be, 2 where there never is."""
        return 0 if self.needs <= self.left else 1 if self.needs <= self.most else 2


class Queues:
    """The queues of a namespace.

    Args:
        facts: What is known of the cluster.
    """

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._flavors = {each.ref.name: each for each in facts.all("ResourceFlavor")}

    @cached_property
    def _cohorts(self) -> Cohorts:
        return Cohorts(self._facts)

    def check(self, asked: Asked) -> Iterator[Reason | Unread]:
        """Yield why a step's queue does not admit its pods; where another one would, it is named."""
        if not asked.queued:
            return
        found = list(self._check(asked))
        against = [each for each in found if isinstance(each, Reason) and each.verdict != "warning"]
        other = self._other(asked, against)
        for each in found:
            if other and isinstance(each, Reason) and each in against:
                each = _with(each, f"queue {other}")
            yield each

    def labels(self, asked: Asked) -> Mapping[str, str]:
        """Return the labels that the nodes of a step's pods will have by its queue: of its one flavor, if it is one."""
        queue = self._queue(asked.queue)
        if not asked.queued or queue is None:
            return {}
        found: dict[str, str] = {}
        for group in queue.thing.each("spec.resourceGroups"):
            flavors = [each.text("name") for each in group.each("flavors")]
            able = [name for name in flavors if all(not self._unfit(each, name) for each in asked.queued)]
            if len(able) == 1 and able[0] in self._flavors:
                labels = self._flavors[able[0]].mapping("spec.nodeLabels")
                found |= {key: str(value) for key, value in labels.items()}
        return found

    def ahead(self, asked: Asked) -> int:
        """Return how many workloads wait in a step's queue, as far as it says."""
        queue = self._queue(asked.queue)
        return (queue.thing.number("status.pendingWorkloads") or 0) if queue is not None else 0

    def preempted(self, asked: Asked) -> list[Thing]:
        """Return the Workloads that a step's queue takes back where it has no quota left for the step."""
        queue = self._queue(asked.queue)
        priority = priority_in_queue(asked.queued[0], self._facts) if asked.queued else None
        if queue is None or priority is None or not queue.may_preempt or not any(self._shortages(asked, queue)):
            return []
        names = {each.name for group in queue.spec.groups for each in group.flavors}
        return self._cohorts.preempted(Workload(
            name=asked.step, queue=queue.spec.name, priority=priority.value,
            pod_sets=tuple(amounts(_counted(each, queue)) for each in asked.queued),
            flavors=frozenset(name for name in names if not any(self._unfit(each, name) for each in asked.queued)),
        ))  # fmt: skip

    def _queue(self, name: str) -> Queue | None:
        found = self._facts.find("LocalQueue", name)
        return self._cohorts.queues.get(found.text("spec.clusterQueue")) if found is not None else None

    def _other(self, asked: Asked, against: list[Reason]) -> str:
        """Return another queue of the namespace that would admit the pods, or would sooner than never."""
        worst = "never" if any(each.verdict == "never" for each in against) else "not-now"
        if not against:
            return ""
        for each in self._facts.own("LocalQueue"):
            if each.ref.name == asked.queue:
                continue
            found = [one for one in self._check(replace(asked, queue=each.ref.name))]
            verdicts = {one.verdict for one in found if isinstance(one, Reason)}
            if len(found) == sum(isinstance(one, Reason) for one in found) and not verdicts & {worst, "never"}:
                return each.ref.name
        return ""

    def _check(self, asked: Asked) -> Iterator[Reason | Unread]:
        facts, name = self._facts, asked.queue
        queue = facts.find("LocalQueue", name)
        if queue is None:
            if not facts.knows("LocalQueue"):
                yield Unread(what=f"the queue {name}", why="no LocalQueue could be read")
                return
            known = ", ".join(sorted(each.ref.name for each in facts.own("LocalQueue")))
            yield reason(
                "queue-missing", Layer.STRUCTURE, "never", f"there is no queue {name} in the namespace",
                *_label(asked), source=f"{_DOCS}/local_queue/", remedy=f"name one of these: {known}" if known else
                f"have one made: a LocalQueue {name} in the namespace {facts.namespace}",
            )  # fmt: skip
            return
        yield from _held(queue, "LocalQueue")
        of = queue.text("spec.clusterQueue")
        leads = self._cohorts.queues.get(of)
        if leads is None:
            if not facts.knows("ClusterQueue") or facts.snapshot.find("ClusterQueue", of) is not None:
                yield from _inactive(queue)
                yield Unread(what=f"the quota of the queue {name}", why=f"its ClusterQueue {of} could not be read")
                return
            yield reason(
                "cluster-queue-missing", Layer.STRUCTURE, "never",
                f"the queue {name} leads to the ClusterQueue {of}, which is not there",
                *queue.cite("spec.clusterQueue"),
                remedy=f"have the ClusterQueue {of} made, or the LocalQueue name another one", source=_QUEUES,
            )  # fmt: skip
            return
        yield from _held(leads.thing, "ClusterQueue")
        yield from _inactive(leads.thing)
        yield from self._unselected(leads.thing)
        yield from self._quota(asked, leads)
        checks = [each.text("name") for each in leads.thing.each("spec.admissionChecksStrategy.admissionChecks")]
        listed = leads.thing.part("spec.admissionChecks").value
        checks += [str(each) for each in listed] if isinstance(listed, list) else []
        if checks:
            yield Unread(what=f"admission checks of the queue {name}", why=f"{', '.join(checks)} decide when it asks")

    def _unselected(self, queue: Thing) -> Iterator[Reason | Unread]:
        """Yield that a queue takes nothing from the namespace."""
        selector = queue.part("spec.namespaceSelector")
        namespace = self._facts.snapshot.find("Namespace", self._facts.namespace)
        if namespace is None:
            if selector.mapping("matchLabels") or list(selector.each("matchExpressions")):
                yield Unread(what="the labels of the namespace", why="a ClusterQueue chooses by them")
            return
        if selector.value is None:
            why = "has no namespaceSelector, and so takes nothing"
        elif selects(selector, namespace.mapping("metadata.labels")):
            return
        else:
            why = "takes nothing from a namespace with such labels"
        yield reason(
            "queue-refuses-namespace", Layer.POLICY, "never", f"the ClusterQueue {queue.ref.name} {why}",
            *(queue.cite("spec.namespaceSelector") or queue.cite("metadata.name")),
            *namespace.cite("metadata.labels"), source=_QUEUES,
            remedy=f"ask whoever runs it: kubectl label namespace {self._facts.namespace} KEY=VALUE",
        )  # fmt: skip

    def _quota(self, asked: Asked, queue: Queue) -> Iterator[Reason | Unread]:
        """Yield what of a queue's quota is too little for pods that it admits together, or whose place they take."""
        short = list(self._shortages(asked, queue))
        if not short or any(each.verdict == "never" for each in short) or not queue.may_preempt:
            yield from short
            return
        classes = "WorkloadPriorityClass" if class_in_queue(asked.queued[0]) else "PriorityClass"
        yield from unread([classes, "Workload"], self._facts, f"whether the queue {asked.queue} preempts others")
        gone = [(each, each.number("spec.priority") or 0) for each in self.preempted(asked)]
        if gone:
            yield preempts("workload", gone, Layer.QUOTA, source=f"{_DOCS}/preemption/")
        else:
            yield from short

    def _shortages(self, asked: Asked, queue: Queue) -> Iterator[Reason]:
        """Yield what of a queue's quota is too little."""
        groups = list(queue.thing.each("spec.resourceGroups"))
        taken: dict[Line, Decimal] = {}
        for pods in asked.queued:
            uncovered = {name: value for name, value in pods.requests.items() if value > 0}
            for group in groups:
                covered = [str(each) for each in group.part("coveredResources").value or ()]
                wanted = {name: value for name, value in _together(pods).items() if name in covered and value > 0}
                uncovered = {name: value for name, value in uncovered.items() if name not in covered}
                if wanted:
                    yield from self._flavor(pods, queue, group, wanted, taken)
            for name, value in sorted(uncovered.items()):
                yield reason(
                    "queue-lacks-resource", Layer.QUOTA, "never",
                    f"it asks for {named(name, value)}, of which the ClusterQueue {queue.thing.ref.name} has no quota",
                    *queue.thing.cite("spec.resourceGroups"), source=_QUEUES,
                    remedy=f"name another queue, or have {name} added to its resourceGroups",
                )  # fmt: skip

    def _flavor(
        self, pods: Pods, queue: Queue, group: Part, wanted: dict[str, Decimal], taken: dict[Line, Decimal]
    ) -> Iterator[Reason]:
        """Yield why no flavor of a group of resources will do; what one gives is taken of it."""
        names = [each.text("name") for each in group.each("flavors")]
        unfit = {name: self._unfit(pods, name) for name in names}
        able = [name for name in names if not unfit[name]]
        if not able:
            why = "; ".join(f"{name}: {why}" for name, why in unfit.items()) or "it has none"
            yield reason(
                "no-flavor", Layer.PLACEMENT, "never", f"no flavor of its queue goes with it: {why}",
                *group.cite("flavors"), source=_FLAVORS,
                remedy="change tolerations or node selectors to those of a flavor: kubectl get resourceflavors -o yaml",
            )  # fmt: skip
            return
        if len(able) > 1:
            known: Mapping[Line, Decimal] = {}  # which of them the pods before got is not known
        else:
            known = taken
        shares = [self._least(name, queue, wanted, known) for name in able]
        best = min(shares, key=lambda each: (each.state, each.needs - each.left))
        for name, value in wanted.items():
            line = Line(best.flavor, name)
            taken[line] = taken.get(line, Decimal(0)) + value
        if best.state:
            yield _short(pods, queue, best)

    def _least(self, flavor: str, queue: Queue, wanted: Mapping[str, Decimal], taken: Mapping[Line, Decimal]) -> Share:
        """Return the share of the resource of which a flavor has too little, or least."""
        shares = []
        for name, value in wanted.items():
            line = Line(flavor, name)
            shares.append(Share(flavor, name, value + taken.get(line, Decimal(0)), queue.most(line), queue.left(line)))
        return max(shares, key=lambda each: (each.state, each.needs - each.left))

    def _unfit(self, pods: Pods, name: str) -> str:
        """Return why a flavor does not go with pods; empty where it does, or is not known."""
        flavor = self._flavors.get(name)
        if flavor is None:
            return f"there is no ResourceFlavor {name}" if self._facts.knows("ResourceFlavor") else ""
        tolerations = [*pods.tolerations, *flavor.each("spec.tolerations")]
        for taint in flavor.each("spec.nodeTaints"):
            if not tolerates(tolerations, taint):
                return f"it does not tolerate {written_taint(taint)}"
        labels = flavor.mapping("spec.nodeLabels")
        for key, value in pods.pod.mapping("spec.nodeSelector").items():
            if labels.get(key, value) != value:
                return f"it wants {key}={value}, and the flavor has {labels[key]}"
        return "its node affinity excludes it" if _is_excluded(pods.pod.part("spec"), labels) else ""


def _together(pods: Pods) -> dict[str, Decimal]:
    """Return what pods that are admitted together ask for, the places of pods too."""
    return {**{name: value * pods.least for name, value in pods.requests.items()}, "pods": Decimal(pods.least)}


def _counted(pods: Pods, queue: Queue) -> dict[str, Decimal]:
    """Return what they ask for as their queue counts it: the places of pods where it has a quota of them."""
    found = _together(pods)
    return found if any("pods" in each.resources for each in queue.spec.groups) else found | {"pods": Decimal(0)}


def _is_excluded(spec: Part, labels: Mapping[str, Any]) -> bool:
    """Say whether a pod's node affinity excludes a flavor, which is judged by its own labels and no others."""
    terms = [
        [each for each in term.each("matchExpressions") if each.text("key") in labels]
        for term in spec.each(f"{REQUIRED_OF_NODES}.nodeSelectorTerms")
    ]  # a term that says nothing of them lets any flavor be
    return bool(terms) and not any(all(holds(each, labels) for each in term) for term in terms)


def _short(pods: Pods, queue: Queue, share: Share) -> Reason:
    """Return that a queue has too little of a resource, ever or for now."""
    name, line = share.resource, Line(share.flavor, share.resource)
    count = pods.least
    who = f"its {count} pods ask together" if count > 1 else "it asks"
    needs = f"{who} for {named(name, share.needs)} of flavor {share.flavor}"
    evidence = _cite(queue, line)
    if share.state == 2:
        limit = queue.limit(line, share.needs)
        within = f", with the {written(name, limit)} that it may borrow" if limit is not None else ""
        field = "nominalQuota" if limit is None else "borrowingLimit"
        return reason(
            "quota-never-enough", Layer.QUOTA, "never",
            f"{needs}, and the ClusterQueue {queue.spec.name} can have {written(name, share.most)} at most{within}",
            *evidence, fits=named(name, share.most / count) if share.most > 0 else "", source=_QUEUES,
            remedy=f"ask for less, or have {field} of flavor {share.flavor} raised",
        )  # fmt: skip
    left = max(Decimal(0), share.left)
    return reason(
        "quota-used-up", Layer.QUOTA, "not-now",
        f"{needs}, and {written(name, left)} is left of the {written(name, share.most)} that the ClusterQueue "
        f"{queue.thing.ref.name} can have", *evidence, fits=named(name, left / count) if left > 0 else "",
        remedy="wait until others end: kubectl get workloads -A shows who has it; or ask for less", source=_QUEUES,
    )  # fmt: skip


def _cite(queue: Queue, line: Line) -> tuple[Evidence, ...]:
    """Return the fields of a queue that say what it has of a flavor's resource, and what is used."""
    found: list[Evidence] = []
    for group in queue.thing.each("spec.resourceGroups"):
        for flavor in group.each("flavors"):
            for each in flavor.each("resources"):
                if (flavor.text("name"), each.text("name")) == line:
                    found += each.cite("nominalQuota", "borrowingLimit")
    for flavor in queue.thing.each(usage_of(queue.thing)):
        for each in flavor.each("resources"):
            if (flavor.text("name"), each.text("name")) == line:
                found += each.cite("total")
    found += queue.thing.cite("spec.cohortName", "spec.cohort")
    return tuple(found)


def _held(queue: Thing, kind: str) -> Iterator[Reason]:
    if queue.text("spec.stopPolicy") not in ("", "None"):
        yield reason(
            "queue-held", Layer.QUOTA, "not-now", f"the {kind} {queue.ref.name} is held: it admits nothing for now",
            *queue.cite("spec.stopPolicy"), source=_QUEUES,
            remedy=f"ask whoever runs it: spec.stopPolicy of the {kind}",
        )  # fmt: skip


def _inactive(queue: Thing) -> Iterator[Reason]:
    active = queue.condition("Active")
    if active is None or active.text("status") != "False" or active.text("reason") in ("Stopped", "LocalQueueStopped"):
        return
    yield reason(
        "queue-inactive", Layer.STRUCTURE, "never", f"the {queue.ref.kind} {queue.ref.name} is not active: "
        f"{active.text('message')}", *active.cite("reason", "message"), source=_QUEUES,
        remedy=f"kubectl describe {queue.ref.kind.lower()} {queue.ref.name}: it says what it lacks",
    )  # fmt: skip


def _label(asked: Asked) -> tuple[Evidence, ...]:
    pod = asked.queued[0].pod
    return (Evidence(str(pod.ref), 'metadata.labels["kueue.x-k8s.io/queue-name"]', asked.queue),)


def _with(found: Reason, other: str) -> Reason:
    fits = f"{found.fits}, or {other}" if found.fits else other
    return Reason(
        id=found.id, layer=found.layer, verdict=found.verdict, message=found.message, evidence=found.evidence,
        fits=fits, remedy=found.remedy, source=found.source,
    )  # fmt: skip
