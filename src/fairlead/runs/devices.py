"""The accelerators of a node, as its plugin advertises them: extended resources, and labels that say what they are.

A MIG resource is a model of its own, whose slices are whole devices. Shares of cards (time slices, MPS) are parts of
them: a share goes to the card that has most of them left, as NVIDIA's plugin does it.

Sources: https://github.com/NVIDIA/k8s-device-plugin (sharing; internal/rm/allocate.go),
https://github.com/NVIDIA/k8s-device-plugin/tree/main/docs/gpu-feature-discovery (labels)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from fairlead.insight.planning.amounts import MIG
from fairlead.planner.nodes import GPU_MILLIS, GPUS_MOST
from fairlead.specs.accelerators import accelerator_models

_NVIDIA = "nvidia.com/"
_PRODUCT = "nvidia.com/gpu.product"
_RENAMED = ".shared"
"""How the resource of shared cards ends, where their plugin is told to tell it from that of whole ones."""


@dataclass(frozen=True)
class Devices:
    """The devices of one kind of a node.

    Args:
        resource: The extended resource.
        model: The devices' model.
        count: How many there are.
        replicas: How many pods share each; 1 where they are not shared.
        absent: How many of the shares are not offered.
    """

    resource: str
    model: str
    count: int
    replicas: int = 1
    absent: int = 0

    @property
    def slices(self) -> bool:
        """Whether they are MIG slices."""
        return self.resource.startswith(MIG) or "-MIG-" in self.model

    def left(self, taken: int) -> tuple[int, ...]:
        """Return what is left of each once so many are taken, in thousandths; nothing where more are than there are."""
        part = GPU_MILLIS // self.replicas
        each, more = divmod(min(taken + self.absent, self.count * self.replicas), self.count)
        shares = [each + 1] * more + [each] * (self.count - more)
        if self.replicas == 1:
            return tuple(GPU_MILLIS * (1 - share) for share in shares)
        return tuple(part * (self.replicas - share) if share else GPU_MILLIS for share in shares)


@cache
def is_device(resource: str) -> bool:
    """Say whether a resource is one of accelerators."""
    known = {each.resource for each in accelerator_models().values()}
    return resource.startswith(MIG) or resource.removesuffix(_RENAMED) in known or resource.endswith("/gpu")


def devices(amounts: Mapping[str, Decimal], labels: Mapping[str, Any]) -> Iterator[Devices | str]:
    """Yield the devices that a node has for pods, and in words what of them can't be.

    Args:
        amounts: What it has of every resource; whole numbers of devices.
        labels: Its labels.
    """
    for resource, amount in sorted(amounts.items()):
        if not amount or not is_device(resource):
            continue
        label = f"{resource.removesuffix(_RENAMED)}.replicas"
        replicas = _number(labels.get(label, "1"))
        if not replicas:
            yield f"its label {label}={str(labels[label])[:40]} is not heeded: it is no number from 1 to {GPU_MILLIS}"
            replicas = 1
        count = -(-int(amount) // replicas)
        if count > GPUS_MOST:
            yield f"its {resource} are left out: there can't be {amount:.9g}"
            continue
        absent = count * replicas - int(amount)
        if absent:
            yield f"has {amount:.9g} {resource}, of which {replicas} are a card: {absent} are counted as taken"
        yield Devices(resource, _model(resource, labels), count, replicas, absent)


def _number(said: object) -> int:
    text = str(said)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 5 and int(text) <= GPU_MILLIS else 0


def _model(resource: str, labels: Mapping[str, Any]) -> str:
    """Return the model: by a label where there is one, else the resource itself."""
    if resource.startswith(MIG):
        return resource.removeprefix(_NVIDIA)
    if resource.startswith(_NVIDIA):
        product = str(labels.get(_PRODUCT) or "")
        return f"{product}-SHARED" if product and resource.endswith(_RENAMED) else product or resource
    for model in accelerator_models().values():
        if model.resource == resource and model.node_labels.items() and model.node_labels.items() <= labels.items():
            return model.name
    return resource
