"""Queues as Kueue's own objects say them: ClusterQueues, Cohorts, ResourceFlavors, and its Configuration.

Source: https://kueue.sigs.k8s.io/docs/reference/kueue.v1beta2/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec

from fairlead.errors import Fault, SpecError
from fairlead.quantities import parse_quantity
from fairlead.queues.specs import (
    BorrowWithin,
    ClusterQueue,
    Cohort,
    FairSharing,
    FlavorQuotas,
    Fungibility,
    Preemption,
    Quota,
    ResourceGroup,
    Strategy,
)
from fairlead.specs import documents

UNIT = 1000
"""Amounts are thousandths: of a core, of a byte, of a card."""
_GROUP = "kueue.x-k8s.io/"
_OLD = {"Borrow": "MayStopSearch", "Preempt": "MayStopSearch"}
"""Words of v1beta1, and those that v1beta2 has for them."""

Labels = Mapping[str, str]


class Setup(NamedTuple):
    """The queues of a cluster.

    Attributes:
        queues: The ClusterQueues.
        cohorts: The cohorts that have more than a name.
        flavors: The labels of the nodes of each flavor, as far as it is known.
        notes: What is left out, or is not known.
        fair: How what is lent is shared, where that is done fairly.
    """

    queues: tuple[ClusterQueue, ...]
    cohorts: tuple[Cohort, ...] = ()
    flavors: Mapping[str, Labels] = {}
    notes: tuple[str, ...] = ()
    fair: FairSharing | None = None


class _Form(msgspec.Struct, frozen=True, rename="camel"):
    pass


_T = TypeVar("_T", bound=_Form)


class _Resource(_Form, frozen=True):
    name: str
    nominal_quota: str | int | float
    borrowing_limit: str | int | float | None = None
    lending_limit: str | int | float | None = None


class _Flavor(_Form, frozen=True):
    name: str
    resources: tuple[_Resource, ...] = ()


class _Group(_Form, frozen=True):
    covered_resources: tuple[str, ...]
    flavors: tuple[_Flavor, ...] = ()


class _BorrowWithin(_Form, frozen=True):
    policy: Literal["Never", "LowerPriority"] = "Never"
    max_priority_threshold: int | None = None


class _Preemption(_Form, frozen=True):
    within_cluster_queue: Literal["Never", "LowerPriority", "LowerOrNewerEqualPriority"] = "Never"
    reclaim_within_cohort: Literal["Never", "LowerPriority", "Any"] = "Never"
    borrow_within_cohort: _BorrowWithin | None = None


class _Fungibility(_Form, frozen=True):
    when_can_borrow: Literal["MayStopSearch", "TryNextFlavor", "Borrow"] = "MayStopSearch"
    when_can_preempt: Literal["MayStopSearch", "TryNextFlavor", "Preempt"] = "TryNextFlavor"
    preference: Literal["BorrowingOverPreemption", "PreemptionOverBorrowing"] | None = None


class _Weight(_Form, frozen=True):
    weight: str | int | float = 1


class _QueueSpec(_Form, frozen=True):
    resource_groups: tuple[_Group, ...] = ()
    cohort_name: str = ""
    cohort: str = ""
    queueing_strategy: Literal["BestEffortFIFO", "StrictFIFO"] = "BestEffortFIFO"
    preemption: _Preemption = _Preemption()
    flavor_fungibility: _Fungibility = _Fungibility()
    stop_policy: str | None = None
    fair_sharing: _Weight | None = None
    admission_checks_strategy: dict[str, Any] | None = None


class _CohortSpec(_Form, frozen=True):
    parent_name: str = ""
    parent: str = ""
    resource_groups: tuple[_Group, ...] = ()
    fair_sharing: _Weight | None = None


class _Sharing(_Form, frozen=True):
    """How Kueue itself is set; older versions have it switched on by `enable`."""

    enable: bool = True
    preemption_strategies: tuple[Strategy, ...] = ()


class _Configuration(_Form, frozen=True):
    fair_sharing: _Sharing | None = None


class _FlavorSpec(_Form, frozen=True):
    node_labels: dict[str, str] = {}


def read_setup(manifests: Iterable[Mapping[str, Any]], source: str) -> Setup:
    """Return the queues that objects describe; those of other kinds are left alone.

    Args:
        manifests: The objects; a List counts as what is in it.
        source: Where they come from, for messages.

    Raises:
        SpecError: One can't be; every fault of it is named.
    """
    queues: list[ClusterQueue] = []
    cohorts: list[Cohort] = []
    flavors: dict[str, Labels] = {}
    notes: list[str] = []
    fair: FairSharing | None = None
    for manifest in _each(manifests):
        if _is_configuration(manifest):
            fair = _fair(_convert(manifest, _Configuration, f"{source}: Configuration"))
        if not str(manifest.get("apiVersion", "")).startswith(_GROUP):
            continue
        kind, name = manifest.get("kind"), str((manifest.get("metadata") or {}).get("name", ""))
        spec, where = manifest.get("spec") or {}, f"{source}: {kind} {name}"
        if kind == "ClusterQueue":
            form = _convert(spec, _QueueSpec, where)
            queues.append(_queue(name, form, where))
            notes += (f"{where}: {what}" for what in _left_out(form))
        elif kind == "Cohort":
            cohorts.append(read_cohort(name, spec, where))
        elif kind == "ResourceFlavor":
            flavors[name] = _convert(spec, _FlavorSpec, where).node_labels
    _check(queues, cohorts, source)
    groups = [group for each in queues for group in each.groups] + [group for each in cohorts for group in each.groups]
    unknown = sorted({flavor.name for group in groups for flavor in group.flavors} - flavors.keys())
    if fair is None:
        weighted = [each.name for each in queues if each.weight != 1]
        notes += (
            f"{source}: ClusterQueue {name}: its weight is left out: there is no Configuration with fairSharing"
            for name in weighted
        )
    notes += (f"{source}: there is no ResourceFlavor {name}: every node counts as one of it" for name in unknown)
    return Setup(tuple(queues), tuple(cohorts), flavors, tuple(notes), fair)


def read_queue(name: str, spec: Mapping[str, Any], where: str) -> ClusterQueue:
    """Return the queue that the spec of a ClusterQueue describes.

    Raises:
        SpecError: It can't be; every fault is named.
    """
    return _queue(name, _convert(spec, _QueueSpec, where), where)


def read_cohort(name: str, spec: Mapping[str, Any], where: str) -> Cohort:
    """Return the cohort that the spec of one describes.

    Raises:
        SpecError: It can't be; every fault is named.
    """
    form = _convert(spec, _CohortSpec, where)
    return Cohort(
        name=name,
        parent=form.parent_name or form.parent,
        groups=_groups(form.resource_groups, where),
        weight=_weight(form.fair_sharing, where),
    )


def _convert(spec: Mapping[str, Any], form: type[_T], where: str) -> _T:
    """Return a spec in the form of what counts here: its other fields are let be."""
    known = {field.encode_name for field in msgspec.structs.fields(form)}
    return documents.convert({name: value for name, value in spec.items() if name in known}, form, source=where)


def _each(manifests: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for manifest in manifests:
        if isinstance(items := manifest.get("items"), list):
            yield from _each(items)
        else:
            yield manifest


def _left_out(form: _QueueSpec) -> Iterator[str]:
    if form.stop_policy not in (None, "None"):
        yield f"stopPolicy {form.stop_policy} is left out: it admits as if it were not stopped"
    if form.admission_checks_strategy:
        yield "admissionChecksStrategy is left out: nothing is waited for but quota"


def _queue(name: str, form: _QueueSpec, where: str) -> ClusterQueue:
    within, fungible = form.preemption, form.flavor_fungibility
    borrow = within.borrow_within_cohort
    return ClusterQueue(
        name=name,
        groups=_groups(form.resource_groups, where),
        cohort=form.cohort_name or form.cohort,
        strategy=form.queueing_strategy,
        preemption=Preemption(
            within=within.within_cluster_queue,
            reclaim=within.reclaim_within_cohort,
            borrow_within=None
            if borrow is None or borrow.policy == "Never"
            else BorrowWithin(threshold=borrow.max_priority_threshold),
        ),
        fungibility=msgspec.convert(
            {
                "when_can_borrow": _OLD.get(fungible.when_can_borrow, fungible.when_can_borrow),
                "when_can_preempt": _OLD.get(fungible.when_can_preempt, fungible.when_can_preempt),
                **({} if fungible.preference is None else {"preference": fungible.preference}),
            },
            Fungibility,
        ),
        weight=_weight(form.fair_sharing, where),
    )


def _weight(form: _Weight | None, where: str) -> float:
    if form is None:
        return 1.0
    try:
        found = float(parse_quantity(form.weight))
    except ValueError as error:
        raise SpecError(where, [Fault("fairSharing.weight", str(error))]) from error
    if found < 0:
        raise SpecError(where, [Fault("fairSharing.weight", f"must be at least 0, got {form.weight}")])
    return found


def _is_configuration(manifest: Mapping[str, Any]) -> bool:
    return manifest.get("kind") == "Configuration" and str(manifest.get("apiVersion", "")).startswith(
        f"config.{_GROUP}"
    )


def _fair(form: _Configuration) -> FairSharing | None:
    sharing = form.fair_sharing
    if sharing is None or not sharing.enable:
        return None
    return FairSharing(strategies=sharing.preemption_strategies) if sharing.preemption_strategies else FairSharing()


def _groups(groups: Iterable[_Group], where: str) -> tuple[ResourceGroup, ...]:
    faults: list[Fault] = []
    found = tuple(
        ResourceGroup(
            resources=group.covered_resources,
            flavors=tuple(
                _flavor(flavor, f"resourceGroups[{number}].flavors[{place}].resources", faults)
                for place, flavor in enumerate(group.flavors)
            ),
        )
        for number, group in enumerate(groups)
    )
    if faults:
        raise SpecError(where, faults)
    return found


def _flavor(form: _Flavor, path: str, faults: list[Fault]) -> FlavorQuotas:
    """Return the quotas of a flavor; what can't be is added to the faults."""

    def amount(quantity: str | int | float | None, at: str) -> int | None:
        try:
            return amount_of(quantity)
        except ValueError as error:
            faults.append(Fault(at, str(error)))
            return None

    quotas = {
        each.name: Quota(
            nominal=amount(each.nominal_quota, f"{path}[{number}].nominalQuota") or 0,
            borrowing_limit=amount(each.borrowing_limit, f"{path}[{number}].borrowingLimit"),
            lending_limit=amount(each.lending_limit, f"{path}[{number}].lendingLimit"),
        )
        for number, each in enumerate(form.resources)
    }
    return FlavorQuotas(name=form.name, quotas=quotas)


def amount_of(quantity: str | int | float | None) -> int | None:
    """Return a quantity in thousandths, or None where there is none.

    Raises:
        ValueError: It is none, or below 0.
    """
    if quantity is None:
        return None
    found = int(parse_quantity(quantity) * UNIT)
    if found < 0:
        raise ValueError(f"must be at least 0, got {quantity}")
    return found


def _check(queues: Iterable[ClusterQueue], cohorts: Iterable[Cohort], source: str) -> None:
    faults: list[Fault] = []
    for kind, names in (("ClusterQueue", [each.name for each in queues]), ("Cohort", [each.name for each in cohorts])):
        twice = sorted({name for name in names if names.count(name) > 1})
        faults += (Fault(f"{kind} {name}", "stands there twice") for name in twice)
        faults += (Fault(kind, "has no name") for name in names if not name)
    parents = {each.name: each.parent for each in cohorts}
    for name in parents:
        seen, above = {name}, parents[name]
        while above and above not in seen:
            seen.add(above)
            above = parents.get(above, "")
        if above:
            faults.append(Fault(f"Cohort {name}", "is above itself"))
    if faults:
        raise SpecError(source, faults)
