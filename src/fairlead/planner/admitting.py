"""Who of the jobs that have come may look for nodes: all of them, or those that queues admit by quota."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from fairlead.planner.nodes import Node
from fairlead.planner.workloads import Job
from fairlead.queues.admission import Queues
from fairlead.queues.manifests import UNIT, Labels, Setup
from fairlead.queues.specs import ClusterQueue, Workload

PRODUCT = "nvidia.com/gpu.product"
"""The label by which nodes say what GPUs they have: every node counts as having it, with its model.

Source: https://github.com/NVIDIA/k8s-device-plugin/blob/main/docs/gpu-feature-discovery/README.md
"""
_GPU = "nvidia.com/gpu"
_MIG = "nvidia.com/mig-"
_MIB = 1 << 20

Flavors = frozenset[str]
"""The flavors that a job was given: it may only be on nodes of all of them."""
NONE: Flavors = frozenset()


class Change(NamedTuple):
    """What became of a job: it may look for nodes, or has to end or to stop looking so that others begin."""

    what: Literal["admitted", "evicted"]
    number: int
    flavors: Flavors = NONE


class Admission(Protocol):
    """Decides who may look for nodes; jobs are known by their numbers."""

    @property
    def is_restless(self) -> bool:
        """Whether work was taken back and admitted again without end."""

    def come(self, number: int) -> None:
        """Have a job come."""

    def end(self, number: int) -> None:
        """Have an admitted job end, or be given up."""

    def settle(self, now_s: int) -> Iterable[Change]:
        """Decide; what became of jobs, in order."""

    def __len__(self) -> int:
        """Return how many wait to be admitted."""


class Everyone:
    """All that come may look for nodes at once."""

    is_restless = False

    def __init__(self) -> None:
        self._come: list[int] = []

    def come(self, number: int) -> None:
        """Have a job come."""
        self._come.append(number)

    def end(self, number: int) -> None:
        """Have a job end, which is nothing to the others."""

    def settle(self, now_s: int) -> Iterable[Change]:  # as the protocol has it
        """Let in who has come."""
        come, self._come = self._come, []
        return (Change("admitted", number) for number in come)

    def __len__(self) -> int:
        return 0


class ByQuota:
    """Those may that Kueue would admit.

    Args:
        setup: The queues.
        nodes: The nodes.
        of_flavor: Which of them are of each flavor that is known.
        jobs: All jobs; each has one of the queues.
    """

    def __init__(
        self, setup: Setup, nodes: Sequence[Node], of_flavor: Mapping[str, NDArray[np.bool_]], jobs: Sequence[Job]
    ) -> None:
        self._queues = Queues(setup.queues, setup.cohorts, setup.fair)
        self._jobs = jobs
        self._known = {each.name: each for each in setup.queues}
        self._models = {
            name: {node.model for node, is_of in zip(nodes, among, strict=True) if is_of}
            for name, among in of_flavor.items()
        }
        self._waiting: set[int] = set()

    @property
    def is_restless(self) -> bool:
        """Whether work was taken back and admitted again without end."""
        return self._queues.is_restless

    def come(self, number: int) -> None:
        """Have a job wait in its queue."""
        self._waiting.add(number)
        job = self._jobs[number]
        self._queues.submit(
            Workload(
                name=str(number), queue=job.queue, pod_sets=(asked_of(job, self._known[job.queue]),),
                priority=job.priority, created=job.arrival_s, uid=f"{number:012}", flavors=self._flavors(job),
            )
        )  # fmt: skip

    def end(self, number: int) -> None:
        """Have a job give its quota back."""
        self._queues.finish(str(number))

    def settle(self, now_s: int) -> Iterable[Change]:
        """Admit and take back."""
        for change in self._queues.settle(now_s):
            number = int(change.workload)
            if change.what == "evicted":
                self._waiting.add(number)
                yield Change("evicted", number)
            else:
                self._waiting.discard(number)
                yield Change("admitted", number, change.flavors)

    def __len__(self) -> int:
        return len(self._waiting)

    def _flavors(self, job: Job) -> Flavors | None:
        """Return the only flavors that have a model that a job can be on; None where any model will do."""
        if not job.demand.models:
            return None
        models = {*job.demand.models}
        return frozenset(
            flavor.name
            for group in self._known[job.queue].groups
            for flavor in group.flavors
            if not models.isdisjoint(self._models.get(flavor.name, models))
        )


def asked_of(job: Job, queue: ClusterQueue) -> dict[str, int]:
    """Return what all pods of a job ask for together, by the resources' names in its queue, in thousandths.

    A part of a GPU counts as that part. The resource of GPUs is the queue's own that ends in ``/gpu``; that of a MIG
    instance has its profile's name.
    """
    covered = (name for group in queue.groups for name in group.resources if name.endswith("/gpu"))
    each = {
        "cpu": job.demand.cpu_millis,
        "memory": job.demand.memory_mib * _MIB * UNIT,
        next(covered, _GPU): 0 if job.demand.profile else job.demand.total_gpu_millis,
        f"{_MIG}{job.demand.profile.replace('+me', '.me')}": UNIT if job.demand.profile else 0,
    }
    return {name: amount * job.pods for name, amount in each.items() if amount}


def nodes_of(labels: Labels, nodes: Sequence[Node]) -> NDArray[np.bool_]:
    """Say of each node whether it has some labels."""
    wanted = set(labels.items())
    return np.array([wanted <= {*node.labels, (PRODUCT, node.model)} for node in nodes], dtype=bool)


def with_strategy(setup: Setup, strategy: Literal["StrictFIFO", "BestEffortFIFO"] | None) -> Setup:
    """Return queues with another strategy of queueing, or the same where none is said."""
    if strategy is None:
        return setup
    return setup._replace(queues=tuple(msgspec.structs.replace(each, strategy=strategy) for each in setup.queues))
