"""Whether the ResourceQuotas of a namespace let a step's pods be made: ever, and by what is used of them now.

Source: https://kubernetes.io/docs/concepts/policy/resource-quotas/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Literal

from fairlead.insight.findings import Layer
from fairlead.insight.nodes import amount
from fairlead.insight.planning.amounts import is_device, named, written
from fairlead.insight.planning.asked import Asked, Pods
from fairlead.insight.planning.documents import Reason, reason
from fairlead.insight.planning.facts import Facts, unread
from fairlead.snapshots.parts import Evidence, Part
from fairlead.snapshots.snapshot import Thing, Unread

_SOURCE = "https://kubernetes.io/docs/concepts/policy/resource-quotas/"
_COMPUTE = ("cpu", "memory", "ephemeral-storage")


def check(asked: Asked, facts: Facts) -> Iterator[Reason | Unread]:
    """Yield where a step's pods are more than a quota of the namespace allows."""
    yield from unread(["ResourceQuota"], facts, "whether a ResourceQuota is used up")
    quotas = facts.own("ResourceQuota")
    for quota in quotas:
        for together in (*((each,) for each in asked.own), asked.gang):
            counted = [each for each in together if _counts(quota, each)]
            if counted:
                yield from _more_than(quota, counted)
    if quotas and asked.claims:
        yield from _claimed(asked, quotas)


def _more_than(quota: Thing, sets: list[Pods]) -> Iterator[Reason | Unread]:
    """Yield what of a quota is too little for pods that are there at once."""
    hard = quota.mapping("status.hard") or quota.mapping("spec.hard")
    used = quota.mapping("status.used")
    if not used:
        yield Unread(what=f"what is used of the ResourceQuota {quota.ref.name}", why="it does not say so yet")
    for name, text in sorted(hard.items()):
        needs = sum((_needs(name, each) * each.least for each in sets), Decimal(0))
        lacking = [each for each in sets if _is_silent(name, each)]
        if lacking:
            yield reason(
                "quota-needs-requests", Layer.POLICY, "never",
                f"the ResourceQuota {quota.ref.name} wants every container to say {name}",
                *_cite(quota, name), remedy="set it: @step(cpu=…, memory=…), or by an overlay of the kind Pod",
                source=_SOURCE,
            )  # fmt: skip
        has, most = amount(used.get(name, 0)), amount(text)
        if needs > 0 and needs > most:
            yield _reason(quota, name, needs, most, sets, "never", f"and {written(name, most)} is all that it has")
        elif needs > 0 and needs + has > most:
            left = f"of {written(name, most)} {written(name, has)} is used"
            yield _reason(quota, name, needs, max(Decimal(0), most - has), sets, "not-now", left)


def _reason(
    quota: Thing,
    name: str,
    needs: Decimal,
    most: Decimal,
    sets: list[Pods],
    verdict: Literal["never", "not-now"],
    why: str,
) -> Reason:
    count = sum(each.least for each in sets)
    who = f"{count} pods together ask" if count > 1 else "a pod asks"
    per = most / count if is_compute(name) else most
    wait = "wait until others have ended, ask for less" if verdict == "not-now" else "ask for less"
    return reason(
        "quota-of-namespace", Layer.QUOTA, verdict,
        f"{who} the ResourceQuota {quota.ref.name} for {written(name, needs)} of {name}, {why}",
        *_cite(quota, name), fits=_named(name, per) if per > 0 else "", source=_SOURCE,
        remedy=f"{wait}, or have it raised: kubectl describe resourcequota {quota.ref.name} -n {quota.ref.namespace}",
    )  # fmt: skip


def _named(name: str, most: Decimal) -> str:
    short = name.removeprefix("requests.").removeprefix("limits.")
    return named(short, most) if is_compute(name) else f"{written(name, most)} {name}"


def is_compute(name: str) -> bool:
    """Say whether a line of a quota counts what containers ask for, or are limited to."""
    short = name.removeprefix("requests.").removeprefix("limits.")
    return short in _COMPUTE or (name.startswith("requests.") and is_device(short) and "storageclass" not in short)


def _needs(name: str, pods: Pods) -> Decimal:
    """Return how much of a line of a quota a pod takes."""
    if name in ("pods", "count/pods"):
        return Decimal(1)
    if not is_compute(name):
        return Decimal(0)
    if name.startswith("limits."):
        return _limited(name.removeprefix("limits."), pods)
    found: Decimal = pods.requests.get(name.removeprefix("requests."), Decimal(0))
    return found


def _limited(resource: str, pods: Pods) -> Decimal:
    def most(path: str) -> list[Decimal]:
        return [amount(each.mapping("resources.limits").get(resource, 0)) for each in pods.pod.each(path)]

    return max([sum(most("spec.containers"), Decimal(0)), *most("spec.initContainers")])


def _is_silent(name: str, pods: Pods) -> bool:
    """Say whether a container says nothing of what a quota counts, and so is refused."""
    short = name.removeprefix("requests.").removeprefix("limits.")
    if short not in ("cpu", "memory"):
        return False
    fields = ("resources.limits",) if name.startswith("limits.") else ("resources.requests", "resources.limits")
    containers = (each for path in ("spec.initContainers", "spec.containers") for each in pods.pod.each(path))
    return any(all(short not in each.mapping(field) for field in fields) for each in containers)


def _counts(quota: Part, pods: Pods) -> bool:
    """Say whether a quota counts a pod; one whose scope is not known does not, as far as is known."""
    is_ending = pods.spec.get("activeDeadlineSeconds") is not None
    scopes = quota.part("spec.scopes").value
    listed: list[tuple[str, str, list[Any]]] = []
    if isinstance(scopes, list):
        listed += [(str(each), "Exists", []) for each in scopes]
    for each in quota.each("spec.scopeSelector.matchExpressions"):
        values = each.part("values").value
        listed.append((each.text("scopeName"), each.text("operator"), values if isinstance(values, list) else []))
    priority = pods.spec.get("priorityClassName") or ""
    for scope, operator, values in listed:
        holds = {
            "Terminating": is_ending,
            "NotTerminating": not is_ending,
            "BestEffort": not pods.requests,
            "NotBestEffort": bool(pods.requests),
            "PriorityClass": _has_priority(priority, operator, values),
        }.get(scope, False)
        if not holds:
            return False
    return True


def _has_priority(name: str, operator: str, values: list[Any]) -> bool:
    match operator:
        case "In":
            return name in values
        case "NotIn":
            return name not in values
        case "DoesNotExist":
            return not name
    return bool(name)


def _claimed(asked: Asked, quotas: tuple[Thing, ...]) -> Iterator[Reason]:
    """Yield that the claims which are made for a run are more than a quota has."""
    sizes = [
        (each.text("spec.storageClassName"), amount(each.mapping("spec.resources.requests").get("storage", 0)))
        for each in asked.claims
    ]
    for quota in quotas:
        hard, used = quota.mapping("status.hard") or quota.mapping("spec.hard"), quota.mapping("status.used")
        for name, needs in _storage(hard, sizes):
            most, has = amount(hard[name]), amount(used.get(name, 0))
            verdict: Literal["never", "not-now"] = "never" if needs > most else "not-now"
            if needs + has > most:
                left = f"{written('storage', most)}, of which {written('storage', has)} is used"
                yield reason(
                    "quota-of-namespace", Layer.QUOTA, verdict,
                    f"the volumes that are made for it take {written('storage', needs)} of {name}, and the "
                    f"ResourceQuota {quota.ref.name} has {left}",
                    *_cite(quota, name), source=_SOURCE,
                    remedy="ask for smaller volumes, remove claims that nobody needs, or have the quota raised",
                )  # fmt: skip


def _storage(hard: Mapping[str, Any], sizes: list[tuple[str, Decimal]]) -> Iterator[tuple[str, Decimal]]:
    for name in hard:
        of_class = name.partition(".storageclass.storage.k8s.io/")
        if name == "requests.storage":
            yield name, sum((size for _, size in sizes), Decimal(0))
        elif of_class[2] == "requests.storage":
            yield name, sum((size for kind, size in sizes if kind == of_class[0]), Decimal(0))


def _cite(quota: Thing, name: str) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(str(quota.ref), f'{field}["{name}"]', str(quota.mapping(field)[name]))
        for field in ("status.hard", "spec.hard", "status.used")
        if name in quota.mapping(field)
    )
