"""What the LimitRanges of a namespace make of a pod, and forbid it.

Source: https://kubernetes.io/docs/concepts/policy/limit-range/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from fairlead.insight.findings import Layer
from fairlead.insight.nodes import amount, asked_by
from fairlead.insight.planning.amounts import named, written
from fairlead.insight.planning.asked import Asked, Pods
from fairlead.insight.planning.documents import Reason, reason
from fairlead.insight.planning.facts import Facts, unread
from fairlead.snapshots.parts import Part
from fairlead.snapshots.snapshot import Thing, Unread

_SOURCE = "https://kubernetes.io/docs/concepts/policy/limit-range/"
_CONTAINERS = ("spec.initContainers", "spec.containers")


def defaulted(asked: Asked, facts: Facts) -> Asked:
    """Return a step's pods as the namespace makes them: with requests and limits where they have none."""
    requests, limits = _defaults(facts)
    if not requests and not limits:
        return asked

    def filled(pods: Pods) -> Pods:
        spec = dict(pods.spec)
        for path in ("initContainers", "containers"):
            if path in spec:
                spec[path] = [_filled(each, requests, limits) for each in spec[path]]
        value = {**pods.pod.value, "spec": spec}
        return replace(pods, pod=Thing(pods.pod.ref, "", value))

    return replace(asked, own=tuple(map(filled, asked.own)), gang=tuple(map(filled, asked.gang)))


def _defaults(facts: Facts) -> tuple[dict[str, Any], dict[str, Any]]:
    requests: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    for limit in _limits(facts, "Container"):
        limits |= limit.mapping("default")
        requests |= limit.mapping("defaultRequest")
    return requests, limits


def _filled(container: Mapping[str, Any], requests: Mapping[str, Any], limits: Mapping[str, Any]) -> dict[str, Any]:
    """Return a container with defaults: what is limited, and not asked for, is asked for."""
    said = container.get("resources") or {}
    own = said.get("limits") or {}
    return {
        **container,
        "resources": {
            **said,
            "limits": {**limits, **own},
            "requests": {**requests, **own, **(said.get("requests") or {})},
        },
    }


def check(asked: Asked, facts: Facts) -> Iterator[Reason | Unread]:
    """Yield where a step's pods, or its claims of volumes, are not within what the namespace allows."""
    yield from unread(["LimitRange"], facts, "what a LimitRange forbids")
    for limit in _limits(facts, "Container"):
        for pods in asked.sets:
            for path in _CONTAINERS:
                for container in pods.pod.each(path):
                    yield from _outside(limit, asked_by(container), _limited(container), container, "a container")
    for limit in _limits(facts, "Pod"):
        for pods in asked.sets:
            limited: dict[str, Decimal] = {}
            for container in pods.pod.each("spec.containers"):
                for name, value in _limited(container).items():
                    limited[name] = limited.get(name, Decimal(0)) + value
            yield from _outside(limit, pods.requests, limited, pods.pod, "a pod")
    for limit in _limits(facts, "PersistentVolumeClaim"):
        for claim in _claims(asked):
            sizes = {name: amount(value) for name, value in claim.mapping("resources.requests").items()}
            yield from _outside(limit, sizes, sizes, claim, "a claim")


def _claims(asked: Asked) -> Iterator[Part]:
    """Yield the specs of the claims that are made for a step."""
    yield from (each.part("spec") for each in asked.claims)
    for pods in asked.sets:
        for volume in pods.pod.each("spec.volumes"):
            if volume.mapping("ephemeral.volumeClaimTemplate.spec"):
                yield volume.part("ephemeral.volumeClaimTemplate.spec")


def _limits(facts: Facts, kind: str) -> Iterator[Part]:
    for found in facts.own("LimitRange"):
        yield from (each for each in found.each("spec.limits") if each.text("type") == kind)


def _limited(container: Part) -> dict[str, Decimal]:
    return {name: amount(value) for name, value in container.mapping("resources.limits").items()}


def _outside(
    limit: Part, requests: Mapping[str, Decimal], limits: Mapping[str, Decimal], who: Part, what: str
) -> Iterator[Reason]:
    for name, text in limit.mapping("max").items():
        most, has = amount(text), max(limits.get(name, Decimal(0)), requests.get(name, Decimal(0)))
        if has > most:
            yield _reason(limit, "max", name, f"{what} has {named(name, has)}, and {written(name, most)} is the most",
                          who, named(name, most))  # fmt: skip
        elif name not in limits:
            yield _reason(limit, "max", name, f"{what} has no limit of {name}, which must be at most {text}",
                          who, f"a limit of {named(name, most)}")  # fmt: skip
    for name, text in limit.mapping("min").items():
        least, has = amount(text), requests.get(name, Decimal(0))
        if has < least:
            yield _reason(limit, "min", name, f"{what} asks for {named(name, has)}, and {written(name, least)} is the"
                          " least", who, named(name, least))  # fmt: skip
    for name, text in limit.mapping("maxLimitRequestRatio").items():
        has, base = limits.get(name, Decimal(0)), requests.get(name, Decimal(0))
        if base and has / base > amount(text):
            yield _reason(limit, "maxLimitRequestRatio", name,
                          f"the limit of {name} is {has / base:.1f} times its request, and {text} times is the most",
                          who, "")  # fmt: skip


def _reason(limit: Part, field: str, name: str, message: str, who: Part, fits: str) -> Reason:
    of = "" if name in message else f" ({name})"
    return reason(
        "limit-range", Layer.POLICY, "never", f"LimitRange {limit.ref.name}: {message}{of}",
        *limit.cite(field), *who.cite("resources"), fits=fits, source=_SOURCE,
        remedy=f"keep within it: kubectl describe limitrange {limit.ref.name} -n {limit.ref.namespace}",
    )  # fmt: skip
