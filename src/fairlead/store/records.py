"""The records a run leaves in the store. They are JSON, so that anybody can read them."""

from __future__ import annotations

from math import isfinite
from typing import Any, TypeVar

import msgspec

from fairlead.decoding import decoder
from fairlead.errors import DamagedError
from fairlead.specs.graphs import Graph
from fairlead.specs.reports import ErrorReport
from fairlead.specs.steps import Step
from fairlead.specs.values import Ref

FORMAT = 1
"""The version of the records. A reader refuses newer ones and upgrades older ones."""

T = TypeVar("T")


class _Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    pass


class Code(_Record, frozen=True, kw_only=True):
    """The code a run uses: the flow's file, its module, and the package of the project's sources."""

    file: str
    module: str
    package: Ref | None = None


class RunSpec(_Record, frozen=True, kw_only=True):
    """What a run is: written once, before anything starts.

    Attributes:
        constants: The values the graph refers to by name.
        items: For constants that are mapped over: the value that lists their items.
        sources: For each definition, the source parts of its cache key.
        python: The minor version of Python, part of every cache key.
        origin: The run that this one repeats.
        revision: How often the run was resumed with other code.
        context: Where it was launched to run.
    """

    format: int = FORMAT
    run: str
    created: float
    graph: Graph
    code: Code | None = None
    constants: dict[str, Ref] = {}
    items: dict[str, Ref] = {}
    sources: dict[str, dict[str, str]] = {}
    python: str = ""
    labels: dict[str, str] = {}
    use_cache: bool = True
    user: str = ""
    host: str = ""
    origin: str | None = None
    revision: int = 0
    context: str = "local"


class Published(_Record, frozen=True, kw_only=True):
    """What a flow is before it runs: what runs are made of that nobody launches, a schedule's for instance.

    Equal code, parameters and Python give equal bytes, on every machine. The fields are those of a `RunSpec`, but that
    the flow's file is named below its project's root.
    """

    format: int = FORMAT
    graph: Graph
    code: Code
    constants: dict[str, Ref] = {}
    items: dict[str, Ref] = {}
    sources: dict[str, dict[str, str]] = {}
    python: str = ""


Number = float | str
"""A number as a record holds it: JSON has no word for what is not finite, so that is a text, ``"nan"``."""


def as_number(value: float) -> Number:
    """Return a number as a record holds it."""
    return value if isfinite(value) else str(value)


class Summary(msgspec.Struct, frozen=True, array_like=True):
    """The values an attempt logged under one name, as a record holds numbers."""

    newest: Number
    least: Number
    most: Number
    count: int

    @property
    def last(self) -> float:
        """The value that was logged last."""
        return float(self.newest)

    @property
    def min(self) -> float:
        """The least value."""
        return float(self.least)

    @property
    def max(self) -> float:
        """The largest value."""
        return float(self.most)


class Outcome(_Record, frozen=True, kw_only=True):
    """What a successful attempt produced.

    Attributes:
        outputs: The values it returned.
        items: For each list that others map over, the value that lists its items, in the order the node names them.
        exports: The scalars that conditions read, in the order the node names them.
        metrics: What it logged, by name.
    """

    outputs: tuple[Ref, ...] = ()
    items: tuple[Ref, ...] = ()
    exports: tuple[str | int | float | bool | None, ...] = ()
    metrics: dict[str, Summary] = {}


class AttemptRecord(_Record, frozen=True, kw_only=True):
    """How one attempt ended. Times are seconds since 1970.

    Attributes:
        retry: Whether the engine tries again; known to the engine only.
        infrastructure: Whether the failure was not the step's own.
        unstable: The digest that an earlier execution with the same cache key gave, where this one's differs.
        damaged: The input that could not be loaded, because its value is damaged or missing.
        pod_uid: The uid of the pod that it ran in, on a cluster.
    """

    step: str
    index: int
    number: int
    status: str
    started: float
    finished: float
    outcome: Outcome = Outcome()
    exit_code: int | None = None
    signal: int | None = None
    error: ErrorReport | None = None
    retry: bool = False
    infrastructure: bool = False
    unstable: str | None = None
    damaged: str | None = None
    peak_memory_bytes: int | None = None
    cpu_s: float | None = None
    host: str = ""
    rank: int | None = None
    pod_uid: str = ""


class CacheEntry(_Record, frozen=True, kw_only=True):
    """What a step with some cache key returned, and where that was computed."""

    outcome: Outcome
    run: str
    step: str
    index: int


class _Observation(_Record, frozen=True, kw_only=True, tag_field="kind"):
    pass


class Started(_Observation, frozen=True, kw_only=True, tag="started"):
    """An attempt was started.

    Attributes:
        waiting: What it waits for before its processes start, in the cluster's words: quota. Empty once they do.
        pod: The name of the pod that it runs in, on a cluster.
        pod_uid: Its uid.
    """

    step: str
    index: int
    number: int
    time: float
    waiting: str = ""
    pod: str = ""
    pod_uid: str = ""


class Ended(_Observation, frozen=True, kw_only=True, tag="ended"):
    """An attempt ended: a copy of its record."""

    record: AttemptRecord


class Cached(_Observation, frozen=True, kw_only=True, tag="cached"):
    """A step was found in the cache."""

    step: str
    index: int
    entry: CacheEntry
    time: float


class Called(_Observation, frozen=True, kw_only=True, tag="called"):
    """A driver called a step: the call's identity, and the instance it became.

    Attributes:
        parent: The driver's step and index, ``step.index``.
        identity: Digest of the parent, the step, its arguments and the occurrence of this call.
        position: The number of the call among its parent's calls.
        line: Where in the driver's body it stands.
    """

    parent: str
    identity: str
    position: int
    step: str
    index: int
    definition: Step
    inputs: Any
    source: dict[str, str] = {}
    line: str = ""
    definitions: Any = None


class Superseded(_Observation, frozen=True, kw_only=True, tag="superseded"):
    """What a step produced up to some time does not count any more: its code has changed, or a value was damaged.

    Attributes:
        damaged: The damaged value, where that is why.
    """

    step: str
    index: int
    time: float
    damaged: str | None = None


class PodCondition(_Record, frozen=True, kw_only=True):
    """A condition of a pod that is not as it is in a pod that runs."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    since: str = ""


class ContainerState(_Record, frozen=True, kw_only=True):
    """How a container of a pod was doing: ``waiting``, ``running`` or ``terminated``."""

    name: str
    state: str
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    signal: int | None = None
    restarts: int = 0


class PodEvent(_Record, frozen=True, kw_only=True):
    """What the cluster told of a pod."""

    type: str
    reason: str
    message: str
    time: str = ""
    count: int = 1


class Evidence(_Observation, frozen=True, kw_only=True, tag="evidence"):
    """What a watcher saw of a pod that could not begin, or was ended by something that is not its step.

    Attributes:
        number: The attempt, where the pod names it itself, as a gang's ranks do; else 0.
        generation: The number of the claim that the pod's run was submitted under.
        pod: The pod's name.
        uid: The pod's uid, which `Started` of its attempt has too.
        transition: What had become of the pod, as one word; once for each pod.
        waiting: The status of the step meanwhile, where the pod has not begun.
        cause: Why, as one word of `fairlead.specs.causes`.
        message: Why, in the cluster's words.
        infrastructure: Whether the step is not to blame.
        log: The last lines that its container wrote, where they were to be had.
    """

    step: str
    index: int
    number: int = 0
    generation: int = 0
    pod: str
    uid: str
    transition: str
    time: float
    waiting: str = ""
    cause: str
    message: str
    infrastructure: bool = True
    phase: str = ""
    node: str = ""
    conditions: tuple[PodCondition, ...] = ()
    containers: tuple[ContainerState, ...] = ()
    events: tuple[PodEvent, ...] = ()
    log: str = ""


class Cited(_Record, frozen=True, kw_only=True):
    """A field of an object of a cluster."""

    subject: str
    path: str
    value: str


class WaitCause(_Record, frozen=True, kw_only=True):
    """Why steps wait, as `fairlead why` says it.

    Attributes:
        steps: These steps.
        id, layer, confidence, subject, part, message, remedy, source, since, count: As in its answer.
        evidence: The fields that it rests on, as far as they are of the run's namespace.
    """

    steps: tuple[str, ...]
    id: str
    layer: str
    confidence: float
    subject: str
    part: str = ""
    message: str
    evidence: tuple[Cited, ...] = ()
    remedy: str
    source: str = ""
    since: str = ""
    count: int = 1


class Waits(_Record, frozen=True, kw_only=True):
    """Why steps of a run wait for a place or a quota, by a recorder that may read nodes and queues.

    Attributes:
        time: When it looked, in seconds since 1970.
        causes: Why, the first causes first, for each step.
    """

    format: int = FORMAT
    time: float
    causes: tuple[WaitCause, ...]


class RunStatusChanged(_Observation, frozen=True, kw_only=True, tag="run"):
    """The run as a whole changed."""

    status: str
    time: float
    reason: str | None = None


Observation = Started | Ended | Cached | Called | Superseded | Evidence | RunStatusChanged


class Segment(_Record, frozen=True, kw_only=True):
    """A group of observations."""

    format: int = FORMAT
    observations: tuple[Observation, ...]


class Items(msgspec.Struct, frozen=True, array_like=True):
    """The items of a list, each a stored value: what a mapped step's instances receive."""

    refs: tuple[Ref, ...]


class HeldResult(_Record, frozen=True, kw_only=True):
    """What a step produced with other code, and its cache key then."""

    key: str
    outcome: Outcome


class HeldResults(_Record, frozen=True, kw_only=True):
    """What counts of a run that goes on with other code where its key is the same, by ``step.index``."""

    format: int = FORMAT
    results: dict[str, HeldResult]


class Claim(_Record, frozen=True, kw_only=True):
    """Who drives a run. The claim's number is the fencing token.

    Attributes:
        boot: The machine's boot id, so that a process id is not mistaken after a restart.
        process_started: When the process began, in the kernel's own units, for the same reason.
    """

    number: int
    host: str
    boot: str
    pid: int
    process_started: str
    time: float


class Handover(_Record, frozen=True, kw_only=True):
    """Where a run was left to: the object that goes through it in a cluster.

    Attributes:
        context: The name of the context it was submitted with, on the machine that submitted it.
        cancels_before: How often somebody had asked to cancel the run before.
    """

    context: str
    namespace: str
    name: str
    cancels_before: int = 0


class JobRun(_Record, frozen=True, kw_only=True):
    """Which run a job of another system's pipelines is.

    Attributes:
        created: When the run was made, in seconds since 1970.
    """

    run: str
    created: float


class Event(_Record, frozen=True, kw_only=True):
    """Something that people asked of a run: ``cancel``, ``label`` or ``pin``."""

    kind: str
    time: float
    user: str = ""
    labels: dict[str, str] = {}


def encode(record: Any) -> bytes:
    """Write a record."""
    return msgspec.json.encode(record)


def decode(data: bytes, form: type[T], *, key: str) -> T:
    """Read a record.

    Raises:
        DamagedError: The bytes are no such record, or one of a newer version.
    """
    try:
        return decoder(form).decode(data)
    except msgspec.DecodeError as error:
        version = _format_of(data)
        if version > FORMAT:
            raise DamagedError(
                f"cannot read {key}",
                why=f"it was written by a newer Fairlead (record format {version}, this one reads up to {FORMAT})",
                next="pip install --upgrade fairlead",
            ) from error
        raise DamagedError(f"the record {key} is damaged", why=str(error), next="fairlead store check") from error


def _format_of(data: bytes) -> int:
    try:
        return int(decoder(dict).decode(data).get("format", 0))
    except (msgspec.DecodeError, TypeError, ValueError):
        return 0
