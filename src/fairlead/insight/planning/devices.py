"""Devices that pods claim: how many of a class each node has, and which of them no claim has.

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple

from fairlead.insight.findings import Layer
from fairlead.insight.planning.amounts import DEVICES
from fairlead.insight.planning.asked import Asked, Pods
from fairlead.insight.planning.documents import Reason, reason
from fairlead.insight.planning.facts import Facts, unread
from fairlead.insight.planning.nodes import Node
from fairlead.insight.planning.selectors import chosen
from fairlead.snapshots.parts import Part
from fairlead.snapshots.snapshot import Thing, Unread

_SOURCE = "https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/"
_KINDS = ("DeviceClass", "ResourceSlice", "ResourceClaim")
_WHAT = "devices that are claimed"
_PLAIN = frozenset({"name", "deviceClassName", "selectors", "allocationMode", "count"})
"""What is understood of a request; with anything else there may be other rules."""
_ODD = ("taints", "consumesCounters", "bindingConditions", "nodeName", "nodeSelector", "allNodes", "basic.taints",
        "basic.consumesCounters")  # fmt: skip
"""Fields of devices that have a say in whether a device can be had."""


class Request(NamedTuple):
    """Devices that a pod asks for.

    Attributes:
        name: The class.
        selectors: What else chooses them, in CEL.
        number: How many.
    """

    name: str
    selectors: tuple[str, ...]
    number: int

    @property
    def resource(self) -> str:
        """The name under which they are counted: that of the class's extended resource, and what else chooses them."""
        return f"{DEVICES}{self.name}" + (f" with {' && '.join(self.selectors)}" if self.selectors else "")


class _Device(NamedTuple):
    node: str
    id: tuple[str, str, str]
    part: Part
    is_plain: bool


class Devices:
    """The devices of a cluster.

    Args:
        facts: What is known of the cluster.
    """

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._known: dict[Request, list[tuple[_Device, bool]]] = {}
        self._of_nodes: dict[Request, bool] = {}

    def counted(self, asked: Asked) -> Asked:
        """Return a step whose pods ask for the devices that they claim, as they ask for other resources."""
        if not any(pods.spec.get("resourceClaims") for pods in asked.sets):
            return asked

        def claiming(pods: Pods) -> Pods:
            devices: dict[str, Decimal] = {}
            for each in self._countable(asked, pods):
                devices[each.resource] = devices.get(each.resource, Decimal(0)) + each.number
            return replace(pods, devices=devices) if devices else pods

        return replace(asked, own=tuple(map(claiming, asked.own)), gang=tuple(map(claiming, asked.gang)))

    def fill(self, nodes: Iterable[Node], steps: Iterable[Asked]) -> None:
        """Have nodes know how many devices they have for the pods of steps: of those of which it can't be told all."""
        wanted = {
            each.resource: each for step in steps for pods in step.sets for each in self._countable(step, pods)
        }  # fmt: skip
        by_name = {node.thing.ref.name: node for node in nodes}
        for resource, request in wanted.items():
            for device, _ in self._chosen(request):
                if (node := by_name.get(device.node)) is not None:
                    node.add(resource, is_taken=device.id in self._allocated)

    def check(self, asked: Asked) -> Iterator[Reason | Unread]:
        """Yield what is against the claims of a step's pods, and what of them can't be told."""
        requests = list(dict.fromkeys(each for pods in asked.sets for each in self._requests(asked, pods)))
        if not requests:
            return
        yield from unread(_KINDS, self._facts, _WHAT)
        for each in requests:
            if isinstance(each, Unread):
                yield each
            elif self._facts.knows("DeviceClass") and self._class(each) is None:
                yield self._absent(asked, each)
            elif any(not is_sure for _, is_sure in self._chosen(each)):
                yield Unread(
                    what=f"which devices of {each.name} it can have", why="not all rules of them are evaluated"
                )

    def _countable(self, asked: Asked, pods: Pods) -> Iterator[Request]:
        """Yield what pods ask for of classes that are there, all of whose devices are of one node."""
        found = self._requests(asked, pods) if all(map(self._facts.knows, _KINDS)) else ()
        there = (each for each in found if isinstance(each, Request) and self._class(each) is not None)
        yield from (each for each in there if self._is_of_nodes(each))

    def _is_of_nodes(self, request: Request) -> bool:
        if request not in self._of_nodes:
            self._of_nodes[request] = all(device.node for device, _ in self._chosen(request))
        return self._of_nodes[request]

    def _class(self, request: Request) -> Thing | None:
        return self._facts.snapshot.find("DeviceClass", request.name)

    def _absent(self, asked: Asked, request: Request) -> Reason:
        known = sorted(each.ref.name for each in self._facts.all("DeviceClass"))[:5]
        cited = (each for pods in asked.sets for each in pods.pod.cite("spec.resourceClaims"))
        return reason(
            "device-claim-missing", Layer.PLACEMENT, "never",
            f"it claims devices of the DeviceClass {request.name}, which is not there", *cited,
            fits=", ".join(known), remedy="name one of these: kubectl get deviceclasses", source=_SOURCE,
        )  # fmt: skip

    def _requests(self, asked: Asked, pods: Pods) -> Iterator[Request | Unread]:
        """Yield what pods ask for by claims that are made for them."""
        made = {each.ref.name: each for each in asked.templates}
        for each in pods.pod.each("spec.resourceClaims"):
            template, claim = each.text("resourceClaimTemplateName"), each.text("resourceClaimName")
            if claim:
                yield Unread(what=f"the devices of the ResourceClaim {claim}", why="others may share them")
                continue
            found = made.get(template) or self._facts.find("ResourceClaimTemplate", template)
            if found is None:
                continue  # that is a reason of its own
            claimed = found.part("spec.spec.devices")
            if claimed.part("constraints").value:
                yield Unread(what=_WHAT, why=f"constraints of {template} are not looked at")
            for one in claimed.each("requests"):
                plain = _plain(one)
                yield plain or Unread(what=_WHAT, why=f"the request {one.text('name')} of {template} has other rules")

    def _chosen(self, request: Request) -> list[tuple[_Device, bool]]:
        """Return the devices that a request may have, each with whether it is sure that it can."""
        if request not in self._known:
            of_class = self._class(request)
            general = _expressions(of_class, "spec.selectors") if of_class is not None else ()
            found = ((each, chosen((*general, *request.selectors), each.id[0], each.part)) for each in self._all)
            self._known[request] = [(each, is_ is True and each.is_plain) for each, is_ in found if is_ is not False]
        return self._known[request]

    @cached_property
    def _all(self) -> list[_Device]:
        """The devices of the newest generation of each pool."""
        slices = self._facts.all("ResourceSlice")
        newest: dict[tuple[str, str], int] = {}
        for each in slices:
            newest[_pool(each)] = max(newest.get(_pool(each), 0), each.number("spec.pool.generation") or 0)
        return [
            _Device(
                each.text("spec.nodeName"), (*_pool(each), device.text("name")), device,
                bool(each.text("spec.nodeName")) and not any(device.part(path).value for path in _ODD),
            )
            for each in slices if newest[_pool(each)] == (each.number("spec.pool.generation") or 0)
            for device in each.each("spec.devices")
        ]  # fmt: skip

    @cached_property
    def _allocated(self) -> set[tuple[str, str, str]]:
        return {
            (each.text("driver"), each.text("pool"), each.text("device"))
            for claim in self._facts.snapshot.of_kind("ResourceClaim")
            for each in claim.each("status.allocation.devices.results")
            if each.part("adminAccess").value is not True
        }


def _plain(request: Part) -> Request | None:
    """Return a request for a number of devices of a class; None for one of other rules."""
    inner = request.part("exactly") if request.mapping("exactly") else request  # that of v1beta1 stands outside
    name = inner.text("deviceClassName")
    if not name or not inner.value.keys() <= _PLAIN or inner.text("allocationMode") not in ("", "ExactCount"):
        return None
    return Request(name, _expressions(inner, "selectors"), inner.number("count") or 1)


def _expressions(part: Part, path: str) -> tuple[str, ...]:
    return tuple(each.text("cel.expression") for each in part.each(path))


def _pool(of: Thing) -> tuple[str, str]:
    return of.text("spec.driver"), of.text("spec.pool.name")
