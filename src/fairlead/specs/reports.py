"""The documents that commands print: a run, its steps and their attempts."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from fairlead.specs.simulated import (
    GangsTogether,
    NodesCost,
    QueueOutcome,
    Reclaimed,
    Seconds,
    UsagePoint,
    WaitShare,
)
from fairlead.specs.status import AttemptStatus, RunStatus, StepStatus
from fairlead.specs.values import Ref


class ErrorReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why an attempt failed.

    Attributes:
        type: The exception's class, or ``Signal``, ``Exit``, ``Timeout``, ``Memory``, ``Lost``; on a cluster also
            what ended its pod, or kept it from beginning: ``Evicted``, ``Preempted``, ``NodeLost``, ``Image``, …
        message: One sentence.
        frames: The user's frames, outermost first, as ``file:line in function``.
        line: The source line that raised.
        traceback: The whole traceback, as Python prints it.
    """

    type: str
    message: str
    frames: tuple[str, ...] = ()
    line: str = ""
    traceback: str = ""


class AttemptReport(msgspec.Struct, frozen=True, kw_only=True):
    """One try of one step. Times are ISO 8601 in UTC."""

    number: int
    status: AttemptStatus
    exit_code: int | None = None
    signal: int | None = None
    started: str | None = None
    finished: str | None = None
    error: ErrorReport | None = None
    rank: int | None = None
    peak_memory_bytes: int | None = None
    cpu_s: float | None = None


class StepReport(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a run; `artifact` is the digest of its first output, `artifacts` are all of them."""

    name: str
    index: int
    status: StepStatus
    cached: bool = False
    artifact: str | None = None
    artifacts: tuple[Ref, ...] = ()
    metrics: dict[str, float | None] = {}
    attempts: tuple[AttemptReport, ...] = ()
    started: str | None = None
    finished: str | None = None
    reason: str | None = None


class RunReport(msgspec.Struct, frozen=True, kw_only=True):
    """One run, as ``fairlead get RUN -o json`` prints it."""

    run: str
    flow: str
    status: RunStatus
    started: str | None
    finished: str | None
    params: dict[str, Any]
    labels: dict[str, str] = {}
    metrics: dict[str, float | None] = {}
    reason: str | None = None
    steps: tuple[StepReport, ...] = ()


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One run without its steps, as ``fairlead ps -o json`` lists it."""

    run: str
    flow: str
    status: RunStatus
    started: str | None
    finished: str | None
    params: dict[str, Any]
    labels: dict[str, str] = {}
    metrics: dict[str, float | None] = {}
    reason: str | None = None


class EventReport(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened in a run, as ``fairlead events RUN -o json`` lists it.

    Attributes:
        time: When, ISO 8601 in UTC; for a call, which carries no time, when its step came up.
        kind: ``run``, ``started``, ``ended``, ``cached``, ``called``, ``superseded``, ``seen`` of a pod, or what was
            asked for: ``cancel``, ``label``, ``pin``.
        status: What the run or the attempt became.
        message: The same in words.
    """

    time: str
    kind: str
    step: str | None = None
    index: int | None = None
    attempt: int | None = None
    status: str | None = None
    message: str = ""


class ArtifactReport(msgspec.Struct, frozen=True, kw_only=True):
    """A value that a step returned, as ``fairlead artifacts ls RUN -o json`` lists it."""

    step: str
    index: int
    output: int
    type: str
    format: str
    size_bytes: int
    digest: str
    name: str | None = None


class MetricReport(msgspec.Struct, frozen=True, kw_only=True):
    """A run beside others, as ``fairlead ps --metric NAME -o json`` lists it.

    Attributes:
        step: The last step of the run that logged the metric, with its index and the values it logged.
    """

    run: str
    flow: str
    status: RunStatus
    started: str | None
    finished: str | None
    params: dict[str, Any]
    labels: dict[str, str]
    metric: str
    step: str
    index: int
    last: float
    min: float
    max: float


class SettingReport(msgspec.Struct, frozen=True, kw_only=True):
    """A setting, as ``fairlead config show -o json`` lists it; without passwords."""

    name: str
    value: str | None
    origin: str
    meaning: str


class PackagedFile(msgspec.Struct, frozen=True):
    """A file or link of a code package."""

    path: str
    kind: Literal["file", "executable", "link"]
    size_bytes: int


class PackageReport(msgspec.Struct, frozen=True, kw_only=True):
    """What travels with a flow's file, as ``fairlead package -o json`` lists it.

    Attributes:
        file: The flow's file, below the root.
        module: The name that it is imported under.
        root: The project's root on this machine.
        digest: The SHA-256 of the package; equal files give the same one everywhere.
        size_bytes: Of all files.
        size_bytes_max: The most that may travel.
        notes: What was left out, and why.
    """

    file: str
    module: str
    root: str
    digest: str
    size_bytes: int
    size_bytes_max: int
    files: tuple[PackagedFile, ...]
    notes: tuple[str, ...]


class ContextCheck(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that runs in a context need.

    Attributes:
        name: What was looked at.
        state: Whether it is as it must be; ``unknown`` where whoever asked may not see it, ``optional`` where it is
            not as it must be for some commands, and runs do without it.
        said: What was found.
        next: What to do about it.
    """

    name: str
    state: Literal["ok", "failed", "unknown", "optional"]
    said: str
    next: str = ""


class ContextReport(msgspec.Struct, frozen=True, kw_only=True):
    """Whether runs can go to a context, as ``fairlead context check -o json`` tells it.

    Attributes:
        ready: Whether nothing was found that is not as it must be.
        roles: The smallest Roles that give what is missing, as manifests.
    """

    context: str
    namespace: str
    ready: bool
    checks: tuple[ContextCheck, ...]
    roles: tuple[dict[str, Any], ...] = ()


class ParityLine(msgspec.Struct, frozen=True, kw_only=True):
    """Something of a flow that an engine does not honour.

    Attributes:
        step: The step's definition in the graph; empty where it is the flow as a whole.
        engine: Which engine: this machine's processes, or a cluster.
        asks: The field and what it asks for, or why it can't be.
        instead: What happens there instead.
        refused: Whether the flow can't run there at all.
    """

    step: str
    engine: Literal["local", "kubernetes"]
    asks: str
    instead: str
    refused: bool = False


class ParityReport(msgspec.Struct, frozen=True, kw_only=True):
    """What of a flow engines do not honour, as ``fairlead parity -o json`` tells it.

    Attributes:
        context: The context that stands for clusters; null for what all of them have in common.
        honoured: Whether everything is, everywhere.
    """

    flow: str
    context: str | None
    honoured: bool
    lines: tuple[ParityLine, ...]


class ScheduleReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A schedule, as ``fairlead schedule ls -o json`` lists it.

    Attributes:
        flow: The flow that it runs.
        published: The digest of the publication, which is code and parameters.
        cron: When; of several expressions all, with commas.
        concurrency: What becomes of a start while the run of an earlier one goes on.
        suspended: Whether it starts nothing for now.
        active: How many of its launches have not ended.
        last: When it started a run last; null where it has not yet.
        fault: Why the cluster can't follow it; empty where it can.
    """

    name: str
    flow: str
    published: str
    cron: str
    timezone: str
    concurrency: str
    suspended: bool
    active: int
    last: str | None
    fault: str = ""


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
