"""What one node of a step needs: CPU, memory, accelerators, disk and shared memory."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fairlead.errors import Fault
from fairlead.quantities import parse_bytes, parse_cpu
from fairlead.specs.accelerators import AcceleratorRequest, parse_accelerator

DEFAULT_CPU_MILLIS = 1000
"""A step that declares nothing computes on one core: the common case, and safe to run side by side."""


class Resources(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What each node of a step gets. Quantities are written as in Kubernetes.

    Attributes:
        cpu: Cores, ``"2"`` or ``"500m"``. One core where it is not given.
        memory: Main memory, ``"4Gi"``. No limit where it is not given.
        gpus: Accelerators as ``MODEL:COUNT``, ``MODEL-MIG-PROFILE:COUNT`` or ``tpu-v4:TOPOLOGY``.
        disk: Scratch space on the node.
        shared_memory: Size of ``/dev/shm``, which data loaders and collectives use.
    """

    cpu: str | int | float | None = None
    memory: str | int | None = None
    gpus: str | None = None
    disk: str | int | None = None
    shared_memory: str | int | None = None

    @property
    def cpu_millis(self) -> int:
        """Thousandths of a core."""
        return parse_cpu(self.cpu) if self.cpu else DEFAULT_CPU_MILLIS

    @property
    def memory_bytes(self) -> int | None:
        """Main memory in bytes, or None where no limit is declared."""
        return parse_bytes(self.memory) if self.memory else None

    @property
    def accelerator(self) -> AcceleratorRequest | None:
        """The accelerators asked for, or None."""
        return parse_accelerator(self.gpus) if self.gpus else None


def resource_faults(resources: Resources) -> Iterator[Fault]:
    """Yield each field that does not parse, with its path below the resources."""
    parsers = (
        ("cpu", parse_cpu),
        ("memory", parse_bytes),
        ("gpus", parse_accelerator),
        ("disk", parse_bytes),
        ("shared_memory", parse_bytes),
    )
    for field, parse in parsers:
        value = getattr(resources, field)
        if value is None:
            continue
        try:
            parse(value)
        except ValueError as error:
            yield Fault(field, str(error))
