"""What hardware a cluster has and how it advertises it: kept with a context, so that no step has to say it.

What is not said is as the vendors' device plugins have it. The names are those of Kubernetes and of the vendors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

import msgspec

from fairlead.errors import Fault
from fairlead.specs.accelerators import AcceleratorModel, AcceleratorRequest, MigProfile, accelerator_named
from fairlead.specs.labels import label_faults

_RESOURCE = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", re.ASCII)
_HUGE_PAGES = re.compile(r"hugepages-[1-9][0-9]*(Ki|Mi|Gi)", re.ASCII)
_AMOUNT = re.compile(r"[1-9][0-9]*(Ki|Mi|Gi|Ti|k|M|G|T)?", re.ASCII)
_CLASS = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", re.ASCII)
_OWN = "fairlead.dev/"
_CLASS_OF_CARDS, _CLASS_OF_SLICES = "gpu.nvidia.com", "mig.nvidia.com"
"""The classes that NVIDIA's DRA driver brings: one claims whole cards, the other slices."""


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    pass


class Toleration(_Strict, frozen=True):
    """A taint that pods tolerate.

    Attributes:
        key: The taint's key.
        value: Its value; any where it is empty.
        effect: Its effect; any where it is empty.
    """

    key: str
    value: str = ""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""


class Extra(_Strict, frozen=True):
    """What pods with accelerators are given besides.

    Attributes:
        per_device: Other resources for each device, as quantities: ``{"hugepages-2Mi": "21000Mi"}``.
        per_node: Other resources for each pod.
        annotations: Annotations of the pods: ``{"k8s.v1.cni.cncf.io/networks": "rdma-net"}``.
    """

    per_device: dict[str, str | int] = {}
    per_node: dict[str, str | int] = {}
    annotations: dict[str, str] = {}


class Advertised(Extra, frozen=True):
    """How a cluster advertises one model, or one MIG profile of a model.

    Attributes:
        resource: The extended resource; what the vendor's device plugin calls it where it is empty.
        units: How many of that resource one device is: 2 where a Trainium chip is counted in NeuronCores.
        mig: NVIDIA's strategy on these nodes: ``mixed``, each profile is a resource of its own; ``single``, which is
            said of one profile: its slices are counted as whole cards would be; ``none``: the cards are not cut.
        sharing: How pods share a card, where they do; each can have one share then.
        products: The cards' names as NVIDIA's driver has them: ``NVIDIA A100-SXM4-40GB``. Pods go to nodes that are
            labelled with one of them, or claim a device of that name.
        labels: Labels of the nodes that have it, each with the values that will do.
        tolerations: Taints of these nodes beside the one that is named as the vendor's resource.
        device_class: The DeviceClass that devices are claimed of, where they are allocated by claims.
        selectors: Expressions in CEL that a claimed device must satisfy.
        gangs: What else the pods of a step with more than one node are given: the network between them.
    """

    resource: str = ""
    units: int = 1
    mig: Literal["mixed", "single", "none"] = "mixed"
    sharing: Literal["", "time-slicing", "mps"] = ""
    products: tuple[str, ...] = ()
    labels: dict[str, tuple[str, ...]] = {}
    tolerations: tuple[Toleration, ...] = ()
    device_class: str = ""
    selectors: tuple[str, ...] = ()
    gangs: Extra = Extra()


class Spot(_Strict, frozen=True):
    """How a cluster marks nodes that may be reclaimed.

    Attributes:
        labels: Labels of theirs, any of which tells one; a step for which they will do prefers them.
        tolerations: Their taints.
    """

    labels: dict[str, str] = {}
    tolerations: tuple[Toleration, ...] = ()


class Topology(_Strict, frozen=True):
    """How near each other the nodes of a step must be.

    Attributes:
        level: The node label of a level of a Kueue Topology: ``cloud.provider.com/topology-rack``. All nodes of a step
            are where it has one value.
        required: Whether the step waits for that, or only prefers it.
    """

    level: str
    required: bool = False


class Hardware(_Strict, frozen=True):
    """The hardware of a cluster.

    Attributes:
        accelerators: What there is, by the name of a model, or of a model's MIG profile: ``A100-40GB-MIG-1g.5gb``.
            Where anything is listed, there is nothing else.
        spot: How nodes that may be reclaimed are marked; as GKE, AKS, EKS, Karpenter and OpenShift do it where it is
            not said.
        topology: How near each other the nodes of a step must be that Kueue admits.
    """

    accelerators: dict[str, Advertised] = {}
    spot: Spot | None = None
    topology: Topology | None = None


class Named(NamedTuple):
    """What an entry of a list of accelerators is of."""

    model: AcceleratorModel
    mig_profile: MigProfile | None


def named(text: str) -> str:
    """Return the one name of a model or of a MIG profile of one. Raises as `accelerator_named` does."""
    model, profile = accelerator_named(text)
    return f"{model.name}-MIG-{profile.name}" if profile else model.name


def advertised(hardware: Hardware | None, asked: AcceleratorRequest) -> Advertised:
    """Return how a cluster advertises what a step asks for.

    Raises:
        LookupError: It has none; says what it has.
    """
    if hardware is None or not hardware.accelerators:
        return Advertised()
    known = {named(name): each for name, each in hardware.accelerators.items()}
    profile = asked.mig_profile
    own = f"{asked.model.name}-MIG-{profile.name}" if profile else asked.model.name
    if own in known:
        return known[own]
    whole = known.get(asked.model.name)
    if profile and whole and whole.mig == "mixed":  # what is said of whole cards alone is not so of their slices
        device_class = _CLASS_OF_SLICES if whole.device_class == _CLASS_OF_CARDS else whole.device_class
        return msgspec.structs.replace(whole, resource="", units=1, sharing="", device_class=device_class)
    raise LookupError(f"the context's hardware has no {own}; it has {', '.join(known)}")


def claims_devices(hardware: Hardware | None) -> bool:
    """Say whether any devices of a cluster are allocated by claims."""
    return hardware is not None and any(each.device_class for each in hardware.accelerators.values())


# Faults ---------------------------------------------------------------------------------------


def hardware_faults(hardware: Hardware) -> Iterator[Fault]:
    """Yield what is wrong with a description of hardware, with paths."""
    seen: dict[str, str] = {}
    for name, each in hardware.accelerators.items():
        path = f"accelerators.{name}"
        try:
            found = Named(*accelerator_named(name))
        except ValueError as error:
            yield Fault(path, str(error))
            continue
        if named(name) in seen:
            yield Fault(path, f"is the same as {seen[named(name)]}")
        seen[named(name)] = name
        for fault in _advertised_faults(found, each):
            yield Fault(f"{path}.{fault.path}", fault.message)
    if hardware.spot is not None:
        yield from _label_faults(hardware.spot.labels, "spot.labels")
        yield from _toleration_faults(hardware.spot.tolerations, "spot.tolerations")
    if hardware.topology is not None and any(label_faults({hardware.topology.level: ""})):
        yield Fault("topology.level", f"{hardware.topology.level!r} is no Kubernetes label key")


def _advertised_faults(found: Named, each: Advertised) -> Iterator[Fault]:
    if each.resource and not _RESOURCE.fullmatch(each.resource):
        yield Fault("resource", f"{each.resource!r} is no extended resource: write DOMAIN/NAME")
    if each.units < 1:
        yield Fault("units", f"must be at least 1, got {each.units}")
    if found.model.vendor != "nvidia":
        for field in ("sharing", "products"):
            if getattr(each, field):
                yield Fault(field, f"is of NVIDIA's cards, and {found.model.name} is none")
    if each.mig == "single" and found.mig_profile is None:
        yield Fault("mig", f"'single' is said of one profile: {found.model.name}-MIG-PROFILE")
    if each.mig == "none" and found.mig_profile is not None:
        yield Fault("mig", "'none' can't be said of a profile")
    if each.mig == "single" and each.sharing:
        yield Fault("sharing", "can't be had of slices that are counted as cards")
    for position, product in enumerate(each.products):
        for fault in label_faults({"product": label_form(product)}):
            yield Fault(f"products[{position}]", fault.message)
    for key, values in each.labels.items():
        for value in values:
            yield from _label_faults({key: value}, "labels")
        if not values:
            yield Fault(f"labels.{key}", "has no value that will do")
    yield from _toleration_faults(each.tolerations, "tolerations")
    yield from _claim_faults(each)
    yield from _extra_faults(each, "")
    yield from _extra_faults(each.gangs, "gangs.")


def _claim_faults(each: Advertised) -> Iterator[Fault]:
    if not each.device_class:
        if each.selectors:
            yield Fault("selectors", "are of devices that are claimed: say their device_class")
        return
    if not _CLASS.fullmatch(each.device_class):
        yield Fault("device_class", f"{each.device_class!r} can't be the name of one")
    for field, is_said in (("resource", each.resource), ("units", each.units != 1), ("sharing", each.sharing)):
        if is_said:
            yield Fault(field, "can't be had of devices that are claimed")


def _extra_faults(extra: Extra, prefix: str) -> Iterator[Fault]:
    for field, amounts in (("per_device", extra.per_device), ("per_node", extra.per_node)):
        for name, amount in amounts.items():
            path = f"{prefix}{field}.{name}"
            if not _RESOURCE.fullmatch(name) and not _HUGE_PAGES.fullmatch(name):
                yield Fault(path, "is neither an extended resource, DOMAIN/NAME, nor hugepages-SIZE")
            if not _AMOUNT.fullmatch(str(amount)):
                yield Fault(path, f"{amount!r} is no whole amount: write 4 or 512Mi")
    for name, text in extra.annotations.items():
        yield from _label_faults({name: ""}, f"{prefix}annotations")
        if name.startswith(_OWN):
            yield Fault(f"{prefix}annotations.{name}", f"annotations that begin with {_OWN} are Fairlead's")
        if "{{" in text:
            yield Fault(f"{prefix}annotations.{name}", "holds '{{', which Argo would replace")


def _toleration_faults(tolerations: tuple[Toleration, ...], path: str) -> Iterator[Fault]:
    for position, each in enumerate(tolerations):
        yield from _label_faults({each.key: each.value}, f"{path}[{position}]")


def _label_faults(labels: dict[str, str], path: str) -> Iterator[Fault]:
    for fault in label_faults(labels):
        yield Fault(path + fault.path.removeprefix("labels"), fault.message)


def label_form(product: str) -> str:
    """Return the name of a card as GPU feature discovery writes it into a label.

    Source: https://github.com/NVIDIA/k8s-device-plugin/tree/main/docs/gpu-feature-discovery
    """
    return product.replace(" ", "-")
