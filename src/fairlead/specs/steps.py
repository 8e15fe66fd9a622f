"""The spec of a step: a Python function or a container, and everything it needs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from fairlead.errors import Fault, nearest
from fairlead.naming import name_fault
from fairlead.quantities import parse_duration
from fairlead.specs.labels import label_faults
from fairlead.specs.requirements import read_requirements
from fairlead.specs.resources import Resources, resource_faults
from fairlead.specs.runtimes import Runtime, Single, runtime_faults
from fairlead.specs.values import Ref
from fairlead.specs.volumes import Volume as Volume
from fairlead.specs.volumes import volume_faults

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_FUNCTION = re.compile(r"[^\s:]+:[^\s:]+")


class _Spec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    pass


class Secret(_Spec, frozen=True, kw_only=True):
    """A secret by reference: key `key` of secret `name`, given to the process as `variable`."""

    name: str
    key: str
    variable: str


class Environment(_Spec, frozen=True, kw_only=True):
    """What a step's process finds around it.

    Attributes:
        image: Container image; the context's default where it is None. Ignored locally.
        packages: Python requirements as in a requirements file, part of the cache key; on a cluster they are pinned.
        lock: Instead of them: the stored text of a lock, see `fairlead.specs.requirements`; part of the cache key.
        variables: Environment variables, part of the cache key.
        secrets: Environment variables whose values never stand in a spec, a record or a log.
    """

    image: str | None = None
    packages: tuple[str, ...] = ()
    lock: Ref | None = None
    variables: dict[str, str] = {}
    secrets: tuple[Secret, ...] = ()

    @property
    def locked(self) -> str | None:
        """The digest of the lock that its packages are, or None where it declares none."""
        if self.lock is not None:
            return self.lock.digest
        return read_requirements(self.packages).digest if self.packages else None


class Retries(_Spec, frozen=True, kw_only=True):
    """How often a step is tried again, by two budgets.

    Attributes:
        user: Further tries after an error of the step itself. None unless asked for.
        infrastructure: Further tries after eviction, preemption or the loss of a node: not the user's fault.
        backoff: The pause before the first retry.
        factor: By how much each pause is longer than the one before.
        backoff_max: The longest pause.
    """

    user: int = 0
    infrastructure: int = 3
    backoff: str = "1s"
    factor: float = 2.0
    backoff_max: str = "5m"

    def pause_s(self, retry: int) -> float:
        """Return the pause before retry number `retry` (from 1), in seconds."""
        try:
            grown = parse_duration(self.backoff) * self.factor ** (retry - 1)
        except OverflowError:  # longer than a float can say, so longer than the longest
            grown = math.inf
        return float(min(grown, parse_duration(self.backoff_max)))


class Overlay(_Spec, frozen=True, kw_only=True):
    """Native fields merged last into the object of `kind` that the step compiles to."""

    kind: str
    patch: dict[str, Any]


class Parameter(_Spec, frozen=True, kw_only=True):
    """One parameter of a step: its name, its type as written, and whether it may be left out."""

    name: str
    type: str = "Any"
    required: bool = True


class _Step(_Spec, frozen=True, kw_only=True, tag_field="kind"):
    name: str
    parameters: tuple[Parameter, ...] = ()
    outputs: tuple[str, ...] = ("Any",)
    resources: Resources = Resources()
    runtime: Runtime = Single()
    environment: Environment = Environment()
    retries: Retries = Retries()
    timeout: str | int | float | None = None
    cache: Literal["on", "off", "exact"] = "on"
    spot: bool = False
    queue: str | None = None
    priority: str | None = None
    labels: dict[str, str] = {}
    volumes: tuple[Volume, ...] = ()
    checkpoint: str | None = None
    overlays: tuple[Overlay, ...] = ()

    @property
    def timeout_s(self) -> float | None:
        """How long one attempt may take, in seconds, or None."""
        return parse_duration(self.timeout) if self.timeout else None


class FunctionStep(_Step, frozen=True, kw_only=True, tag="function"):
    """A step that is a Python function, named as ``module:qualified.name``."""

    function: str


class ContainerStep(_Step, frozen=True, kw_only=True, tag="container"):
    """A step that is an image and a command.

    The words of `command` may hold ``{parameter}``, replaced by the path of a file with the input's
    value, and ``{output}``, the path where the command leaves its result.
    """

    image: str
    command: tuple[str, ...]


class DriverStep(_Step, frozen=True, kw_only=True, tag="driver"):
    """A step whose body submits further steps: a dynamic flow."""

    function: str


class Dimension(_Spec, frozen=True, kw_only=True):
    """One dimension of a search space: a range of numbers, or choices."""

    type: Literal["float", "int", "categorical"]
    low: float | int | None = None
    high: float | int | None = None
    log: bool = False
    step: float | int | None = None
    choices: tuple[str | int | float | bool | None, ...] = ()


class SweepStep(_Step, frozen=True, kw_only=True, tag="sweep"):
    """Many trials of one step over a search space. Its outputs are the best value, its parameters and score.

    Attributes:
        trial: The key of the definition that each trial runs.
        space: The dimensions, by parameter of the trial.
        trials: How many trials there are in all.
        parallel: How many run at once.
        metric: The name under which a trial logs its objective.
        direction: Whether more or less of it is better.
        best_of: Which of a trial's logged values counts.
        sampler: Optuna's sampler, by its word: ``tpe``, ``random``, ``grid``, …
        pruner: Optuna's pruner, or None where trials always end by themselves.
        seed: Of the sampler; derived from the sweep and its inputs where it is None.
    """

    trial: str
    space: dict[str, Dimension]
    trials: int = 10
    parallel: int = 1
    metric: str
    direction: Literal["maximize", "minimize"]
    best_of: Literal["last", "max", "min"] = "last"
    sampler: str = "tpe"
    pruner: str | None = None
    seed: int | None = None


Step = FunctionStep | ContainerStep | DriverStep | SweepStep

SAMPLERS = ("tpe", "random", "grid", "cmaes", "qmc", "gp")
PRUNERS = ("median", "halving", "hyperband", "percentile")


def sweep_faults(sweep: SweepStep) -> Iterator[Fault]:
    """Yield what is wrong with a sweep, with paths below it."""
    if not sweep.space:
        yield Fault("space", "must have at least one dimension")
    for name, dimension in sweep.space.items():
        yield from (Fault(f"space.{name}", message) for message in _dimension_faults(dimension))
        if sweep.sampler == "grid" and dimension.type == "float" and dimension.step is None:
            yield Fault(f"space.{name}", "has no grid: give choices, or uniform(low, high, step=…)")
    if not sweep.metric:
        yield Fault("metric", "must be the name under which a trial logs its objective")
    for field in ("trials", "parallel"):
        if getattr(sweep, field) < 1:
            yield Fault(field, f"must be at least 1, got {getattr(sweep, field)}")
    for field, known in (("sampler", SAMPLERS), ("pruner", PRUNERS)):
        value = getattr(sweep, field)
        if value is not None and value not in known:
            yield Fault(field, f"unknown {field} {value!r}; {nearest(value, known)}")


def _dimension_faults(dimension: Dimension) -> Iterator[str]:
    if dimension.type == "categorical":
        if not dimension.choices:
            yield "must have at least one choice"
        return
    low, high = dimension.low, dimension.high
    if low is None or high is None:
        yield "needs low and high"
        return
    if not (math.isfinite(low) and math.isfinite(high)):
        yield f"low and high must be finite, got low={low}, high={high}"
        return
    if low > high:
        yield f"low must not be above high, got low={low}, high={high}"
    bounds = (low, high, dimension.step)
    if dimension.type == "int" and any(each is not None and each != int(each) for each in bounds):
        yield f"a range of whole numbers has whole bounds and steps, got low={low}, high={high}, step={dimension.step}"
    if dimension.log and low <= 0:
        yield f"a logarithmic range must be above zero, got low={low}"
    if dimension.log and dimension.step is not None:
        yield "a logarithmic range has no steps"
    if dimension.step is not None and not 0 < dimension.step < math.inf:
        yield f"step must be above zero, got {dimension.step}"


def step_faults(step: Step) -> Iterator[Fault]:
    """Yield everything wrong with a step, with paths below it."""
    if unfit := name_fault(step.name):
        yield Fault("name", unfit)
    if isinstance(step, FunctionStep | DriverStep) and not _FUNCTION.fullmatch(step.function):
        yield Fault("function", f"must be module:qualified.name, got {step.function!r}")
    elif isinstance(step, FunctionStep | DriverStep) and "<locals>" in step.function:
        outer = step.function.partition(":")[2].partition(".<locals>")[0]
        yield Fault(
            "function", f"is defined inside {outer}(), where another process can't find it; move it to the top level"
        )
    if isinstance(step, ContainerStep):
        yield from _container_faults(step)
    names = [parameter.name for parameter in step.parameters]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Fault(f"parameters.{name}", "is there twice")
    for prefix, faults in (
        ("resources", resource_faults(step.resources)),
        ("runtime", runtime_faults(step.runtime)),
        ("retries", _retry_faults(step.retries)),
        ("environment", _environment_faults(step.environment)),
    ):
        for fault in faults:
            yield Fault(f"{prefix}.{fault.path}", fault.message)
    if isinstance(step, SweepStep):
        yield from sweep_faults(step)
    if step.timeout is not None:
        yield from _parse_fault("timeout", parse_duration, step.timeout)
    yield from label_faults(step.labels)
    yield from volume_faults(step.volumes)


def _container_faults(step: ContainerStep) -> Iterator[Fault]:
    if not step.command:
        yield Fault("command", "must have at least one word")
    if not step.image:
        yield Fault("image", "must be given")
    for parameter in step.parameters:
        if not parameter.name.isidentifier() or parameter.name == "output":
            yield Fault(f"parameters.{parameter.name}", "can't name an input: write a Python name other than 'output'")


def _parse_fault(path: str, parse: Any, value: Any) -> Iterator[Fault]:
    try:
        parse(value)
    except ValueError as error:
        yield Fault(path, str(error))


def _retry_faults(retries: Retries) -> Iterator[Fault]:
    for field in ("user", "infrastructure"):
        if getattr(retries, field) < 0:
            yield Fault(field, f"must be 0 or more, got {getattr(retries, field)}")
    if not 1 <= retries.factor < math.inf:
        yield Fault("factor", f"must be at least 1, got {retries.factor}")
    yield from _parse_fault("backoff", parse_duration, retries.backoff)
    yield from _parse_fault("backoff_max", parse_duration, retries.backoff_max)


def _environment_faults(environment: Environment) -> Iterator[Fault]:
    if environment.packages and environment.lock is not None:
        yield Fault("lock", "can't be had beside packages: give one of them")
    names = [*environment.variables, *(secret.variable for secret in environment.secrets)]
    for name in names:
        if not _VARIABLE.fullmatch(name):
            yield Fault(f"variables.{name}", "is no name for an environment variable")
        if name.startswith("FAIRLEAD_"):
            yield Fault(f"variables.{name}", "names that begin with FAIRLEAD_ are set by Fairlead")
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Fault(f"variables.{name}", "is set twice, as a variable and as a secret")
