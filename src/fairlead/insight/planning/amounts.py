"""Amounts of resources as people write them into a step: ``58Gi``, ``3.5``, ``7 GPUs``, ``mig-3g.20gb``."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal

from fairlead.quantities import format_bytes, format_cpu

_MI = 1 << 20
_GI = 1 << 30
MIG = "nvidia.com/mig-"
DEVICES = "deviceclass.resource.kubernetes.io/"
"""Before the name of a DeviceClass: the extended resource that stands for its devices."""


def is_device(resource: str) -> bool:
    """Say whether a resource is counted in devices: an extended resource, which has a domain."""
    return "/" in resource


def written(resource: str, amount: Decimal) -> str:
    """Return an amount of a resource, rounded down: who asks for no more than that fits."""
    name = resource.removeprefix("requests.").removeprefix("limits.")
    if name == "cpu":
        return format_cpu(int((amount * 1000).to_integral_value(ROUND_FLOOR)))
    if name in ("memory", "ephemeral-storage", "storage") or name.startswith("hugepages-"):
        return _bytes(int(amount.to_integral_value(ROUND_FLOOR)))
    return f"{amount.normalize():f}"


def named(resource: str, amount: Decimal) -> str:
    """Return an amount with what it is of: ``memory 58Gi``, ``7 GPUs``, ``1 of mig-3g.20gb``."""
    text = written(resource, amount)
    if resource.startswith(MIG):
        return f"{text} of {resource.removeprefix('nvidia.com/')}"
    if resource.startswith(DEVICES):
        return f"{text} device{'s' if text != '1' else ''} of {resource.removeprefix(DEVICES)}"
    if resource.endswith("/gpu"):
        return f"{text} GPU{'s' if text != '1' else ''}"
    return f"{text} {resource}" if is_device(resource) else f"{resource} {text}"


def _bytes(size: int) -> str:
    """Return bytes in whole GiB, MiB or bytes, whichever loses least, rounded down."""
    exact = format_bytes(size)
    if not exact.isdigit() and len(exact) <= 6:
        return exact
    for unit, suffix in ((_GI, "Gi"), (_MI, "Mi")):
        if size >= 10 * unit:
            return f"{size // unit}{suffix}"
    return f"{size // _MI}Mi" if size >= _MI else exact
