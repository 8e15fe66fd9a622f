"""The documents that ``fairlead capacity`` prints: replays, simulations, fragmentation, sizes, partitions."""

from __future__ import annotations

import msgspec

from fairlead.specs.simulated import (
    ElasticGangs,
    GangsTogether,
    NodesCost,
    QueueOutcome,
    Reclaimed,
    Seconds,
    UsagePoint,
    WaitShare,
)


class CurvePoint(msgspec.Struct, frozen=True, kw_only=True):
    """One point of a curve over arrivals, in per cent of all GPUs.

    Attributes:
        arrivals_percent: What the pods so far have asked for, those that found no place included.
        mean: The mean over the seeds, each of which is the mean over the pods that fall on this per cent.
        sd: The standard deviation between the seeds; 0 where there is one.
    """

    arrivals_percent: int
    mean: float
    sd: float


class ReplayReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one policy made of a workload, as ``fairlead capacity replay -o json`` prints it for each.

    Attributes:
        seeds: So many replays it is the mean of: fewer than were asked for where the user has interrupted them.
        gpu_allocation: What pods have of all GPUs.
        fragmentation: What is free, but of no use to the typical workload.
    """

    seeds: int
    gpu_allocation: tuple[CurvePoint, ...]
    fragmentation: tuple[CurvePoint, ...]


class SimulationReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of jobs with one policy, as ``fairlead capacity simulate -o json`` prints it for each.

    Attributes:
        jobs: How many came.
        given_up: The names of those that can never begin, or that nodes were taken from so often that they never end.
        makespan_s: Seconds from the first arrival to the last end.
        scheduling_occupancy: The GPU time that jobs had, in per cent of that of all GPUs in this time.
        gpu_allocation_most: The most that they had at once, in per cent of all GPUs.
        fragmentation: What was free, but of no use to the typical workload: the mean over the time, in per cent of all
            GPUs.
        wait: From arrival to beginning; null where none began.
        completion: From arrival to end: the job completion time; null where none began.
        over_time: The same over time, as means of at most 100 parts of equal length.
        wait_distribution: How waits are distributed: every one that there is, or the percentiles where more than 100
            jobs began.
        queues: What became of the jobs of each queue; empty where there are none.
        is_restless: Whether the queues' rules took work back and admitted it again without end: what is said of these
            queues is then only one of what can happen.
        cost: What the nodes cost; null without a price book.
        reclaims: What was lost with nodes that were taken away; null where none could be.
        gangs: How many gangs were near each other, by each label of the topology; empty without one.
        elastic: How many gangs that may do with fewer pods had fewer; null where there are none of these.
    """

    jobs: int
    given_up: tuple[str, ...]
    makespan_s: int
    scheduling_occupancy: float
    gpu_allocation_most: float
    fragmentation: float
    wait: Seconds | None
    completion: Seconds | None
    over_time: tuple[UsagePoint, ...]
    wait_distribution: tuple[WaitShare, ...]
    queues: tuple[QueueOutcome, ...] = ()
    is_restless: bool = False
    cost: NodesCost | None = None
    reclaims: Reclaimed | None = None
    gangs: tuple[GangsTogether, ...] = ()
    elastic: ElasticGangs | None = None


class Stranded(msgspec.Struct, frozen=True, kw_only=True):
    """Free GPUs that the typical workload can't use for one cause.

    Attributes:
        cause: The cause's name, which stays: `docs/capacity.md` has what each means.
        gpu_millis: How much, in thousandths of a GPU.
    """

    cause: str
    gpu_millis: int


class TypicalDemand(msgspec.Struct, frozen=True, kw_only=True):
    """What many pods with GPUs ask for.

    Attributes:
        share: The share of the typical pods that ask for it; all shares add up to 1.
        cpu_millis: CPU, in thousandths of a core.
        gpus: How many GPUs it has a part of.
        gpu_millis: The part of each, in thousandths.
        models: The models that will do; none where any will.
    """

    share: float
    cpu_millis: int
    gpus: int
    gpu_millis: int
    models: tuple[str, ...]


class NodeFragmentation(msgspec.Struct, frozen=True, kw_only=True):
    """The GPUs of one kind of a node, in thousandths of a GPU.

    Attributes:
        node: The node.
        model: The GPUs' model, or the MIG profile.
        gpu_millis: All of them.
        free_gpu_millis: Those that no pod has.
        stranded_gpu_millis: What of these the typical workload can't use.
        causes: Why, each cause that there is.
    """

    node: str
    model: str
    gpu_millis: int
    free_gpu_millis: int
    stranded_gpu_millis: int
    causes: tuple[Stranded, ...]


class PendingPods(msgspec.Struct, frozen=True, kw_only=True):
    """Pods with GPUs that have no node yet.

    Attributes:
        pods: How many there are.
        fit_now: How many of them nodes have room for, the smallest first.
        fit_if_usable: How many there were room for if all free GPUs of a model that they accept were usable.
    """

    pods: int
    fit_now: int
    fit_if_usable: int


class NotRead(msgspec.Struct, frozen=True, kw_only=True):
    """What could not be read, or is counted otherwise than it is, and why."""

    what: str
    why: str


class FragmentationReport(msgspec.Struct, frozen=True, kw_only=True):
    """Which GPUs of a cluster are free, and why the typical workload can't use them.

    Attributes:
        subject: The context, or the bundle.
        gpu_millis: All GPUs, in thousandths of one.
        free_gpu_millis: Those that no pod has.
        stranded_gpu_millis: What of these the typical workload can't use.
        gpu_allocation_percent: What pods have of all GPUs; null where there are none.
        fragmentation_percent: What is stranded of the free GPUs; null where none is free.
        causes: Why, every cause in the order in which they are asked for; they add up to what is stranded.
        typical: The typical workload, what is asked for most first.
        nodes: The nodes with GPUs, the most stranded first.
        pending: Pods with GPUs that have no node yet; null where there are none.
        not_read: What could not be read, or is counted otherwise than it is.
    """

    subject: str
    gpu_millis: int
    free_gpu_millis: int
    stranded_gpu_millis: int
    gpu_allocation_percent: float | None
    fragmentation_percent: float | None
    causes: tuple[Stranded, ...]
    typical: tuple[TypicalDemand, ...]
    nodes: tuple[NodeFragmentation, ...]
    pending: PendingPods | None
    not_read: tuple[NotRead, ...]


class Sized(msgspec.Struct, frozen=True, kw_only=True):
    """A resource of a step or workload: what is asked for, what attempts used, and what to ask for.

    Attributes:
        requested: What the newest attempt asked for; null where it asked for none.
        samples: How many attempts that succeeded say what they used.
        p95: What 95 of 100 of these did not exceed, by nearest rank; null where there are none.
        largest: The largest of them.
        above: What was not enough: the most that an attempt had that was killed for want of it; null where none was.
        proposed: What to ask for; null where nothing is proposed.
        saved_hours: What that would have saved of what was asked for, in cores or GiB times hours; less than nothing
            where it is more; null where nothing is proposed, or nothing was asked for.
    """

    requested: int | None
    samples: int
    p95: int | None = None
    largest: int | None = None
    above: int | None = None
    proposed: int | None = None
    saved_hours: float | None = None


class Rightsized(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a flow, or a workload that Fairlead did not run.

    Attributes:
        flow: The flow; empty for a workload.
        step: The step, or the workload.
        attempts: How many attempts were read, however they ended.
        oom_kills: How many of them were killed for want of memory.
        cpu_millis: CPU, in thousandths of a core, as a mean over the time of an attempt.
        memory_bytes: The most memory of an attempt.
        gpu_memory_p95_bytes: The 95th percentile of the memory that was used of a GPU; null where that is not known.
        gpu_p95_percent: That of how busy GPUs were.
        saved_cost: What would have been saved, by the price book; null without one, or where a price is missing.
        why: Of what nothing is proposed, and why; empty where something is of both.
    """

    flow: str
    step: str
    attempts: int
    oom_kills: int
    cpu_millis: Sized
    memory_bytes: Sized
    gpu_memory_p95_bytes: int | None = None
    gpu_p95_percent: int | None = None
    saved_cost: float | None = None
    why: str = ""


class RightsizeReport(msgspec.Struct, frozen=True, kw_only=True):
    """What steps asked for, used, and should ask for.

    Attributes:
        subject: The store, or the file of usage.
        margin: How much more than the 95th percentile is proposed, as a share of it.
        steps: The steps, those that would save most memory first.
        saved_core_hours: What all proposals together would have saved of the CPU that was asked for.
        saved_gib_hours: The same for memory.
        currency: The price book's; empty without one.
        saved_cost: What that would have saved, as far as it is known.
        lacking: Prices that the book does not have.
        not_read: What could not be read.
    """

    subject: str
    margin: float
    steps: tuple[Rightsized, ...]
    saved_core_hours: float
    saved_gib_hours: float
    currency: str = ""
    saved_cost: float | None = None
    lacking: tuple[str, ...] = ()
    not_read: tuple[NotRead, ...] = ()


class MigInstanceReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An instance of a MIG profile on a GPU.

    Attributes:
        start: The memory slice that it begins at.
        pod: The pod that has it; empty where it is free.
    """

    profile: str
    start: int
    pod: str = ""


class MigGpuReport(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU, now and then.

    Attributes:
        gpu: Its number, from 0.
        cut: Whether instances are made on it.
        now: Its instances as they are.
        then: Its instances when all is done.
        compute_slices_wasted: Compute slices that no further instance could have then, however the rest is cut.
        memory_slices_wasted: The same of its memory slices.
    """

    gpu: int
    cut: bool
    now: tuple[MigInstanceReport, ...]
    then: tuple[MigInstanceReport, ...]
    compute_slices_wasted: int
    memory_slices_wasted: int


class PodMoveReport(msgspec.Struct, frozen=True, kw_only=True):
    """A pod that is to stop, and to begin again on another instance of its profile."""

    pod: str
    profile: str
    from_gpu: int
    from_start: int
    to_gpu: int
    to_start: int


class PartitionReport(msgspec.Struct, frozen=True, kw_only=True):
    """How GPUs are cut so that instances become free, as ``fairlead capacity partition -o json`` prints it.

    Attributes:
        card: The model of all GPUs.
        possible: Whether all that is wanted can become free; where it can't, nothing is done.
        exact: Whether it is certain that no plan moves fewer pods or, with as many, cuts fewer GPUs; where it is not
            possible, that no less is missing.
        moves: The pods that move.
        gpus: Every GPU.
        missing: How many instances of which profile can't become free.
    """

    card: str
    possible: bool
    exact: bool
    moves: tuple[PodMoveReport, ...]
    gpus: tuple[MigGpuReport, ...]
    missing: dict[str, int]
