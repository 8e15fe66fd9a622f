"""``@step``: a typed Python function together with what it needs."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, TypedDict, TypeVar, cast, overload

import msgspec

from fairlead.authoring.annotations import hints, output_annotations, show
from fairlead.authoring.futures import Future, When
from fairlead.authoring.locks import Lock, read_lock
from fairlead.authoring.places import user_line
from fairlead.authoring.scopes import current_scope
from fairlead.errors import Fault, SpecError, UsageError, nearest
from fairlead.specs import steps as specs
from fairlead.specs.resources import Resources
from fairlead.specs.runtimes import Runtime, Single
from fairlead.specs.steps import Environment, Overlay, Retries, Secret, Volume

if TYPE_CHECKING:
    from typing_extensions import Unpack  # of Python 3.11; only annotations name it

P = ParamSpec("P")
R = TypeVar("R")

_RESOURCES = ("cpu", "memory", "gpus", "disk", "shared_memory")
_ENVIRONMENT = ("image", "packages", "variables", "secrets")
_PLAIN = ("timeout", "spot", "queue", "priority", "labels", "checkpoint", "runtime")
_LISTS = ("volumes", "overlays")
_CACHE: dict[bool, Literal["on", "off"]] = {True: "on", False: "off"}
RESERVED_PARAMETERS = frozenset({"when"})
"""Names that a step's parameters can't have, because a call inside a flow uses them."""


class Options(TypedDict, total=False):
    """What ``@step(…)`` and ``.options(…)`` take.

    Attributes:
        name: The step's name; the function's where it is not given.
        cpu: Cores per node: ``2``, ``"500m"``.
        memory: Main memory per node: ``"4Gi"``.
        gpus: Accelerators per node: ``"A100:1"``, ``"A100-MIG-3g.20gb:1"``, ``"tpu-v4:2x2x1"``.
        disk: Scratch disk per node.
        shared_memory: Size of ``/dev/shm``.
        runtime: How processes are arranged: ``runtimes.torch(nodes=2)``.
        image: Container image, on a cluster.
        packages: Python requirements, pinned (``name==version``) where they are to be had on a cluster.
        lock: Instead of them a file of pinned requirements, as `uv pip compile` writes it; a relative path begins at
            the folder of the step's file.
        variables: Environment variables.
        secrets: Secrets given as environment variables.
        retries: Further tries after the step's own errors, or `Retries` for both budgets.
        timeout: Of one attempt: ``"2h"``, or seconds.
        cache: True, False, or ``"exact"`` to count the image and hardware too.
        spot: Whether nodes that may be reclaimed will do.
        queue: The queue that grants capacity.
        priority: The priority class.
        labels: Labels of what runs it.
        volumes: Storage mounted into it.
        checkpoint: Where checkpoints lie; beside the run's records where it is not given.
        overlays: Native fields, merged last.
        when: The condition under which it runs.
    """

    name: str
    cpu: str | int | float
    memory: str | int
    gpus: str | None
    disk: str | int
    shared_memory: str | int
    runtime: Runtime
    image: str
    packages: Sequence[str]
    lock: str | os.PathLike[str] | None
    variables: Mapping[str, str]
    secrets: Sequence[Secret]
    retries: int | Retries
    timeout: str | int | float | None
    cache: bool | Literal["exact"]
    spot: bool
    queue: str
    priority: str
    labels: Mapping[str, str]
    volumes: Sequence[Volume]
    checkpoint: str
    overlays: Sequence[Overlay]
    when: Any


class Step(Generic[P, R]):
    """A step: called inside a flow it adds a node, called elsewhere it just runs the function."""

    def __init__(
        self,
        function: Callable[P, R] | None,
        spec: specs.Step,
        *,
        when: Any = None,
        after: tuple[Future, ...] = (),
        lock: str | os.PathLike[str] | None = None,
    ) -> None:
        self.function = function
        self._spec = spec
        self._lock = lock
        self.condition = when
        self.predecessors = after
        if function is not None:
            functools.update_wrapper(self, function)

    @property
    def name(self) -> str:
        """The step's name."""
        return self._spec.name

    @functools.cached_property
    def lock(self) -> Lock | None:
        """What its lock says; read when it is first asked for, since a pod that runs the function needs no lock."""
        return None if self._lock is None else read_lock(self._lock, self.function)

    @functools.cached_property
    def spec(self) -> specs.Step:
        """What the step is and needs.

        Raises:
            UsageError, SpecError: Its lock can't be read, or is none.
        """
        if self.lock is None:
            return self._spec
        environment = msgspec.structs.replace(self._spec.environment, lock=self.lock.ref)
        return msgspec.structs.replace(self._spec, environment=environment)

    @functools.cached_property
    def signature(self) -> inspect.Signature:
        """The function's signature, annotations resolved; a container's inputs are of any type."""
        if self.function is None:
            kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
            return inspect.Signature(
                [inspect.Parameter(each.name, kind, annotation=Any) for each in self.spec.parameters]
            )
        return signature_of(self.function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Add a node while a flow is traced, submit the step in a dynamic flow, else run the function."""
        when = kwargs.pop("when", None)
        called = self if when is None else self.options(when=when)
        scope = current_scope()
        if scope is not None:
            return cast(R, scope.call(called, args, kwargs))
        if self.function is None:
            raise UsageError(f"the container step {self.name!r} runs inside a flow only", where=user_line())
        if called.condition is not None and not called.condition:  # a plain value here: what first_of() passes over
            return cast(R, None if len(self.spec.outputs) == 1 else (None,) * len(self.spec.outputs))
        return self.function(*args, **kwargs)

    def map(self, *args: Any, **kwargs: Any) -> Any:
        """Call the step once for each item; positional arguments are mapped together, keyword ones given whole."""
        when = kwargs.pop("when", None)
        called = self if when is None else self.options(when=when)
        scope = current_scope()
        if scope is not None:
            return scope.map(called, args, kwargs)
        if called.condition is not None and not called.condition:
            return []
        return [self(*items, **kwargs) for items in zip(*args, strict=True)]

    def options(self, **changes: Unpack[Options]) -> Step[P, R]:
        """Return a copy with other options; what is not named stays as it was."""
        when = changes.pop("when", None)
        lock = changes.get("lock", self._lock)
        spec = _changed(self._spec, changes)
        condition = self.condition if when is None else both(self.condition, when)
        return Step(self.function, spec, when=condition, after=self.predecessors, lock=lock)

    def after(self, *futures: Any) -> Step[P, R]:
        """Return a copy that runs after other steps, without data from them."""
        flat = tuple(each for given in futures for each in (given if isinstance(given, tuple) else (given,)))
        return Step(self.function, self._spec, when=self.condition, after=(*self.predecessors, *flat), lock=self._lock)

    def __repr__(self) -> str:
        return f"<step {self.name}>"


def both(first: Any, second: Any) -> Any:
    """Join two conditions, the first of which may be missing."""
    if first is None:
        return second
    return first & second


@overload
def step(function: Callable[P, R], /) -> Step[P, R]: ...
@overload
def step(**options: Unpack[Options]) -> Callable[[Callable[P, R]], Step[P, R]]: ...
def step(function: Callable[P, R] | None = None, /, **options: Unpack[Options]) -> Any:
    """Make a function a step.

    Args:
        function: The function, where the decorator is used without options.
        **options: What the step needs: see `Options`.

    Raises:
        SpecError: Options that can't be, all of them at once.

    Example:
        >>> from fairlead import step
        >>> @step(cpu=2, memory="1Gi")
        ... def double(x: int) -> int:
        ...     return 2 * x
        >>> double(21)
        42
    """
    if function is not None:
        return _make(function, {})
    return functools.partial(_make, options=options)


def _make(function: Callable[P, R], options: Options) -> Step[P, R]:
    refuse_unusual(function, "step")
    for parameter in inspect.signature(function).parameters.values():
        _refuse_parameter(function, parameter)
    base = specs.FunctionStep(
        name=function.__name__,
        function=f"{function.__module__}:{function.__qualname__}",
        parameters=parameters_of(function),
        outputs=tuple(map(show, output_annotations(signature_of(function).return_annotation))),
    )
    return Step(function, _changed(base, options), lock=options.get("lock"))


def refuse_unusual(function: Callable[..., Any], kind: str) -> None:
    """Refuse what is no plain function, before it is made a step or a flow."""
    if not inspect.isfunction(function):
        raise UsageError(
            f"@{kind} is for functions, got {function!r}",
            where=user_line(),
            next=f"write def name(…): … below @{kind}",
        )
    tests = {
        inspect.iscoroutinefunction: "async",
        inspect.isasyncgenfunction: "async",
        inspect.isgeneratorfunction: "a generator",
    }
    for test, word in tests.items():
        if test(function):
            raise UsageError(
                f"{kind} {function.__name__!r} is {word}",
                where=user_line(),
                why=f"a {kind} returns its value once, when it ends",
                next="return the value, for instance list(items) or asyncio.run(work())",
            )


def _refuse_parameter(function: Callable[..., Any], parameter: inspect.Parameter) -> None:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
        form = f"{parameter.name}: " + ("list[…]" if stars == "*" else "dict[str, …]")
        raise UsageError(
            f"step {function.__name__!r} takes {stars}{parameter.name}",
            where=user_line(),
            why="the parameters of a step are named, so that a graph can be checked and stored",
            next=f"take one list or mapping: {form}",
        )
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise UsageError(
            f"step {function.__name__!r} has a parameter {parameter.name!r} before '/'",
            where=user_line(),
            why="a step is given its inputs by name",
            next="leave the '/' away",
        )
    if parameter.name in RESERVED_PARAMETERS:
        raise UsageError(
            f"step {function.__name__!r} has a parameter {parameter.name!r}",
            where=user_line(),
            why=f"{parameter.name}= in a call inside a flow is the condition under which the step runs",
            next="rename the parameter",
        )


@functools.cache
def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """Return a function's signature with its annotations resolved, found out once."""
    signature = inspect.signature(function)
    known = hints(function)
    parameters = [each.replace(annotation=known.get(each.name, Any)) for each in signature.parameters.values()]
    return signature.replace(parameters=parameters, return_annotation=known.get("return", Any))


def parameters_of(function: Callable[..., Any]) -> tuple[specs.Parameter, ...]:
    """Describe the parameters of a function for its spec."""
    return tuple(
        specs.Parameter(name=each.name, type=show(each.annotation), required=each.default is each.empty)
        for each in signature_of(function).parameters.values()
    )


def _changed(spec: specs.Step, options: Mapping[str, Any]) -> Any:
    """Return a spec with options applied; raise with every fault."""
    known = set(Options.__annotations__) - {"when"}
    faults = [Fault(name, f"there is no such option; {nearest(name, known)}") for name in options if name not in known]
    changes: dict[str, Any] = {}
    if resources := {name: options[name] for name in _RESOURCES if name in options}:
        changes["resources"] = _replaced(spec.resources, resources)
    if environment := {name: options[name] for name in _ENVIRONMENT if name in options}:
        changes["environment"] = _replaced(spec.environment, environment)
    changes |= {name: options[name] for name in _PLAIN if name in options}
    changes |= {name: _listed(options[name]) for name in _LISTS if name in options}
    if "name" in options:
        changes["name"] = options["name"]
    if "retries" in options:
        retries = options["retries"]
        changes["retries"] = (
            msgspec.structs.replace(spec.retries, user=retries) if isinstance(retries, int) else retries
        )
    if "cache" in options:
        changes["cache"] = _CACHE[options["cache"]] if isinstance(options["cache"], bool) else options["cache"]
    changed = msgspec.structs.replace(spec, **changes)
    faults += type_faults(changed)
    if not faults:
        faults += specs.step_faults(changed)
    if faults:
        raise SpecError(f"step {spec.name!r}", faults, next=f"edit {user_line()}")
    return changed


def _replaced(part: Resources | Environment, changes: Mapping[str, Any]) -> Any:
    return msgspec.structs.replace(
        part, **{name: value if isinstance(value, Mapping) else _listed(value) for name, value in changes.items()}
    )


def _listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | set | frozenset) else value


def type_faults(spec: specs.Step) -> list[Fault]:
    """Check the types of the fields as if the spec had come from a file."""
    from fairlead.specs import documents  # lazy: msgspec.inspect, 6 ms; only where options are given

    try:
        documents.convert(msgspec.to_builtins(spec), type(spec), source="")
    except SpecError as error:
        return list(error.faults)
    except TypeError as error:  # a value that no document can hold
        return [Fault("", str(error))]
    return []


def container(
    title: str,
    /,
    *,
    command: Sequence[str],
    parameters: Sequence[str] = (),
    **options: Unpack[Options],
) -> Step[..., Any]:
    """Make a step of an image and a command.

    Args:
        title: The step's name.
        command: The words of the command; ``{parameter}`` becomes the path of the file that holds an
            input, ``{output}`` the path at which the command leaves its result.
        parameters: The names of its inputs.
        **options: What the step needs, its ``image`` at least: see `Options`.

    Raises:
        SpecError: Options that can't be, or no image.
    """
    image = options.pop("image", None)
    if image is None:
        raise SpecError(f"step {title!r}", [Fault("image", "is missing")], next=f"edit {user_line()}")
    base = specs.ContainerStep(
        name=title,
        image=image,
        command=tuple(command),
        parameters=tuple(specs.Parameter(name=each) for each in parameters),
        outputs=("Path",),
    )
    return Step(None, _changed(base, options), lock=options.get("lock"))


__all__ = ["Options", "Runtime", "Single", "Step", "When", "container", "parameters_of", "step"]
