"""Workloads as the planner knows them: pods, and what they ask for."""

from __future__ import annotations

import msgspec

from fairlead.planner.nodes import GPU_MILLIS


class Demand(msgspec.Struct, frozen=True, order=True):
    """What a pod asks for. Many pods ask for the same.

    Attributes:
        cpu_millis: CPU, in thousandths of a core.
        memory_mib: Memory, in MiB.
        gpus: How many GPUs it has a part of.
        gpu_millis: The part of each, in thousandths; 1000 is a whole one. Less than that only with one GPU.
        models: The models that will do, in order; none where any will.
        profile: The MIG profile that it asks for an instance of, by its whole name; of one GPU, whose part is what the
            instance has of it. Empty where it asks for GPUs that are not cut.
    """

    cpu_millis: int
    memory_mib: int
    gpus: int = 0
    gpu_millis: int = 0
    models: tuple[str, ...] = ()
    profile: str = ""

    @property
    def total_gpu_millis(self) -> int:
        """What it asks for on all its GPUs together, in thousandths of one."""
        return self.gpus * self.gpu_millis

    @property
    def shares(self) -> bool:
        """Whether it takes a part of one GPU, which is not cut."""
        return 0 < self.gpu_millis < GPU_MILLIS and not self.profile


class Pod(msgspec.Struct, frozen=True):
    """One pod of a workload."""

    name: str
    demand: Demand


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Pods that come together, begin together, run for as long as they need, and are gone together.

    Attributes:
        name: Its name, unique among the jobs.
        demand: What each of its pods asks for.
        pods: How many there are; all of them find a place at once, or none does.
        pods_min: With how many it begins where not all find one, and then takes longer as it has fewer; None where it
            needs all.
        arrival_s: When it comes, in seconds.
        duration_s: How long it runs, in seconds.
        priority: Who of those that wait goes first: the higher one.
        queue: The queue that it waits in; empty where there are none.
        checkpoint_s: How often it keeps what it has done, in seconds of running; 0 where it keeps nothing.
    """

    name: str
    demand: Demand
    pods: int = 1
    pods_min: int | None = None
    arrival_s: int
    duration_s: int
    priority: int = 0
    queue: str = ""
    checkpoint_s: int = 0

    @property
    def is_elastic(self) -> bool:
        """Whether it begins with fewer pods than it has."""
        return self.pods_min is not None and self.pods_min < self.pods
