"""What this machine has, and how much of it running steps have taken."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

from fairlead.errors import Fault
from fairlead.quantities import format_cpu, human_bytes
from fairlead.specs.graphs import Graph
from fairlead.specs.resources import DEFAULT_CPU_MILLIS, Resources
from fairlead.specs.runtimes import ClusterRuntime, RankRuntime
from fairlead.specs.steps import ContainerStep, DriverStep, Step, SweepStep


class Amount(NamedTuple):
    """Thousandths of a core, bytes of memory, whole GPUs."""

    cpu_millis: int
    memory_bytes: int
    gpus: int


class Machine(NamedTuple):
    """What there is to share: the totals, and the model of the GPUs as the driver names it."""

    total: Amount
    gpu_model: str = ""


def this_machine() -> Machine:
    """Look at this machine: the cores this process may use, the memory, the GPUs."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    count, model = _gpus()
    return Machine(Amount(cores * 1000, memory, count), model)


def _gpus() -> tuple[int, str]:
    if not shutil.which("nvidia-smi"):
        return 0, ""
    try:
        found = subprocess.run(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0, ""
    names = found.stdout.splitlines() if found.returncode == 0 else []
    return len(names), names[0] if names else ""


def demand(step: Step, machine: Machine) -> Amount:
    """Return what a step takes while it runs, all nodes of a gang or a cluster together.

    What is not declared is one core for each process, yet never more than the machine has: a flow written
    on a large machine still runs on a small one.
    """
    if isinstance(step, DriverStep | SweepStep) and not isinstance(step.runtime, ClusterRuntime):
        return Amount(0, 0, 0)  # it waits for its steps, and must not take their place
    nodes = _nodes(step)
    amounts = [_of_nodes(resources, count) for resources, count in nodes]
    cpu = sum(amount.cpu_millis for amount in amounts)
    if not any(resources.cpu for resources, _ in nodes):
        processes = (
            step.runtime.world_size if isinstance(step.runtime, RankRuntime) else sum(count for _, count in nodes)
        )
        cpu = min(DEFAULT_CPU_MILLIS * processes, machine.total.cpu_millis)
    return Amount(cpu, sum(amount.memory_bytes for amount in amounts), sum(amount.gpus for amount in amounts))


def _nodes(step: Step) -> list[tuple[Resources, int]]:
    """Return the resources of the nodes that a step runs on, and how many there are of such."""
    runtime, resources = step.runtime, step.resources
    if isinstance(runtime, ClusterRuntime):
        idle = "head" if isinstance(step, SweepStep) else ""  # no trial runs there
        roles = runtime.nodes_by_role.items()
        return [(runtime.resources_of(role, resources), nodes) for role, nodes in roles if role != idle]
    return [(resources, runtime.nodes if isinstance(runtime, RankRuntime) else 1)]


def _of_nodes(resources: Resources, nodes: int) -> Amount:
    request = resources.accelerator
    gpus = request.count * nodes if request else 0
    return Amount(resources.cpu_millis * nodes, (resources.memory_bytes or 0) * nodes, gpus)


def lacking(graph: Graph, machine: Machine) -> Iterator[Fault]:
    """Yield each step that this machine can never hold, with what it asks for and what there is."""
    for key, step in graph.steps.items():
        wanted, total = demand(step, machine), machine.total
        path = f"step {key}"
        if isinstance(step, ContainerStep) and not (shutil.which("podman") or shutil.which("docker")):
            yield Fault(path, "is a container; running it here needs podman or docker, and neither is installed")
        if wanted.cpu_millis > total.cpu_millis:
            yield Fault(
                path, f"asks for {format_cpu(wanted.cpu_millis)} CPU, this machine has {format_cpu(total.cpu_millis)}"
            )
        if wanted.memory_bytes > total.memory_bytes:
            yield Fault(
                path,
                f"asks for {human_bytes(wanted.memory_bytes)} memory, there are {human_bytes(total.memory_bytes)} here",
            )
        if wanted.gpus > total.gpus:
            yield Fault(path, f"asks for {step.resources.gpus}, this machine has {total.gpus or 'no'} GPUs")


class Capacity:
    """Keeps account of what running steps have taken."""

    def __init__(self, machine: Machine, slots: int | None = None) -> None:
        self.machine = machine
        self._free = machine.total
        self._slots = slots
        self._gpus = set(range(machine.total.gpus))

    def take(self, wanted: Amount) -> tuple[int, ...] | None:
        """Take an amount; returns the GPUs that are given, or None where it does not fit now."""
        clamped = Amount(*map(min, wanted, self.machine.total))
        needs_slot = wanted != Amount(0, 0, 0)
        if any(have < want for have, want in zip(self._free, clamped, strict=True)) or (
            needs_slot and self._slots == 0
        ):
            return None
        self._free = Amount(*(have - want for have, want in zip(self._free, clamped, strict=True)))
        if self._slots is not None and needs_slot:
            self._slots -= 1
        given = tuple(sorted(self._gpus)[: clamped.gpus])
        self._gpus -= set(given)
        return given

    def give_back(self, wanted: Amount, gpus: tuple[int, ...]) -> None:
        """Give back what was taken."""
        clamped = Amount(*map(min, wanted, self.machine.total))
        self._free = Amount(*(have + want for have, want in zip(self._free, clamped, strict=True)))
        if self._slots is not None and wanted != Amount(0, 0, 0):
            self._slots += 1
        self._gpus |= set(gpus)
