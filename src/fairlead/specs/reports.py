"""The documents that commands print: a run, its steps and their attempts."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

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
