"""``@flow``: a function that wires steps."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast, overload

from fairlead.authoring.annotations import accepts, from_text, output_annotations, sample, show
from fairlead.authoring.places import line_raised, user_line
from fairlead.authoring.scopes import current_scope, entered
from fairlead.authoring.steps import Step, both, parameters_of, refuse_unusual, signature_of
from fairlead.authoring.sweeps import Sweep
from fairlead.authoring.tracing import Traced, Tracer
from fairlead.errors import FairleadError, Fault, SpecError, UsageError, nearest
from fairlead.naming import name_fault
from fairlead.specs import steps as specs

if TYPE_CHECKING:
    from fairlead.runs.handles import Run

P = ParamSpec("P")
R = TypeVar("R")

RESERVED_FLAGS = frozenset(
    {
        "on", "detach", "inline", "output", "o", "help", "h", "label", "no_cache",
        "parallel", "relax", "store", "target", "quiet", "q", "unschedulable",
    }
)  # fmt: skip
"""Options of ``fairlead run``, which no parameter of a flow may be called."""


class Flow(Generic[P, R]):
    """A flow: traced into a graph and run; called inside another flow it becomes a part of it."""

    def __init__(self, function: Callable[P, R], *, name: str, dynamic: bool = False, when: Any = None) -> None:
        self.function = function
        self.name = name
        self.dynamic = dynamic
        self.condition = when
        functools.update_wrapper(self, function)

    def __repr__(self) -> str:
        return f"<flow {self.name}>"

    @property
    def signature(self) -> inspect.Signature:
        """The flow's signature, annotations resolved."""
        return signature_of(self.function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Inside a flow: become a part of it. Elsewhere: run the body with the steps as plain functions."""
        when = kwargs.pop("when", None)
        called = self if when is None else self.options(when=when)
        scope = current_scope()
        if scope is not None:
            return cast(R, scope.enter_flow(called, args, kwargs))
        if called.condition is not None and not called.condition:
            return cast(R, None)
        return self.function(*args, **kwargs)

    def options(self, *, when: Any = None) -> Flow[P, R]:
        """Return a copy that runs under a condition, for use inside another flow."""
        condition = self.condition if when is None else both(self.condition, when)
        return Flow(self.function, name=self.name, dynamic=self.dynamic, when=condition)

    def trace(self, parameters: Mapping[str, Any] | None = None) -> Traced:
        """Trace the flow into a graph; needs no engine, cluster or store.

        Args:
            parameters: Values of the flow's parameters by name.

        Raises:
            UsageError: A parameter is unknown, missing, or of the wrong type.
            SpecError: The graph can't be; every fault is named.
        """
        bound = self.bind(parameters or {})
        tracer = Tracer(self.name)
        with entered(tracer):
            result = tracer.enter_flow(self, (), bound) if self.dynamic else self._body(bound)
        return tracer.finish(result, bound)

    def _body(self, bound: dict[str, Any]) -> Any:
        try:
            return self.function(**bound)  # type: ignore[call-arg]  # bound by name above
        except FairleadError:  # these say what to do themselves
            raise
        except Exception as error:  # the edge of the user's code
            raise UsageError(
                f"flow {self.name!r} can't be traced",
                where=line_raised(error) or _line_of(self.function),
                why=f"{type(error).__name__}: {error}" if str(error) else type(error).__name__,
                next="correct the line; a flow's body is run once before anything starts, with futures for values",
            ) from error

    def run(self, *args: P.args, **kwargs: P.kwargs) -> Run:
        """Run the flow here and now, and return the finished run.

        Example:
            ``digits.run(rows=500).result()``
        """
        from fairlead.runs.launching import run_flow  # lazy: the layer above, which tracing does not need

        return run_flow(self, dict(self.signature.bind(*args, **kwargs).arguments))

    def resume(self, run: str | Run, **parameters: Any) -> Run:
        """Go on with a run of this flow that has not succeeded, with the code as it is now; return the finished run.

        What has succeeded is not executed again, unless its code or its inputs have changed.

        Args:
            run: The run, its id, a unique part of it, or ``"latest"``.
            **parameters: Parameters that the run's record can't hold, such as objects; the others stay as they were.

        Example:
            ``digits.resume("latest").result()``
        """
        from fairlead.runs.launching import resume_flow  # lazy: the layer above, which tracing does not need

        return resume_flow(self, run if isinstance(run, str) else run.id, parameters)

    def main(self, arguments: list[str] | None = None) -> None:
        """Run the flow with the command line's flags: the same as ``fairlead run FILE:FLOW``."""
        from fairlead.cli.main import run_file  # lazy: the layer above, which tracing does not need

        run_file(inspect.getfile(self.function), self.function.__name__, arguments)

    def as_step(self) -> Step[..., Any]:
        """Return the step that a dynamic flow is: its body is run as a driver."""
        return (
            _driver(self.function, self.name).options(when=self.condition)
            if self.condition is not None
            else _driver(self.function, self.name)
        )

    def bind(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return all parameters' values, defaults included.

        Raises:
            UsageError: A parameter is unknown, missing, or of the wrong type.
        """
        known = self.signature.parameters
        for name in given:
            if name not in known:
                self._refuse(f"has no parameter {name!r}", nearest(name, known) or "it has no parameters")
        bound: dict[str, Any] = {}
        for name, parameter in known.items():
            if name not in given and parameter.default is parameter.empty:
                self._refuse(f"needs the parameter {name!r} ({show(parameter.annotation)})", f"give --{name} VALUE")
            bound[name] = given.get(name, parameter.default)
            if name in given and not accepts(parameter.annotation, bound[name]):
                self._refuse(
                    f"takes {show(parameter.annotation)} for {name!r}, got {bound[name]!r}",
                    f"give another value, or change the annotation of {name!r}",
                )
        return bound

    def read_flags(self, flags: Mapping[str, str | None]) -> dict[str, Any]:
        """Turn command-line flags into parameter values; None stands for a flag without a value.

        Raises:
            UsageError: A flag names no parameter, or its text is no value of the parameter's type.
        """
        known = self.signature.parameters
        values: dict[str, Any] = {}
        for flag, text in flags.items():
            name = flag.replace("-", "_")
            if name not in known:
                options = nearest(flag, [f"--{each.replace('_', '-')}" for each in RESERVED_FLAGS], limit=1)
                advice = nearest(name, known) or "it has no parameters"
                if not advice.startswith("did you mean") and options.startswith("did you mean"):
                    advice = f"{options} {advice}"
                self._refuse(f"has no parameter {flag!r}", advice)
            annotation = _effective(known[name])
            try:
                if text is None and annotation is not bool:
                    raise ValueError(f"must be {show(annotation)}, and no value was given")
                values[name] = from_text(annotation, "true" if text is None else text)
            except ValueError as error:
                why = str(error) if "must be" in str(error) else f"must be {show(annotation)}, got {text!r}"
                raise UsageError(
                    f"flow {self.name!r} can't take --{flag} {text or ''}".rstrip(),
                    where=_line_of(self.function),
                    why=f"{name} {why}",
                    next=f"give for instance --{flag} {sample(annotation)}",
                ) from None
        return values

    def _refuse(self, what: str, next: str) -> None:
        raise UsageError(f"flow {self.name!r} {what}", where=_line_of(self.function), next=next)


def _effective(parameter: inspect.Parameter) -> Any:
    """Return the annotation, or the type of the default where nothing is annotated."""
    if parameter.annotation is not Any or parameter.default in (parameter.empty, None):
        return parameter.annotation
    return type(parameter.default)


def _line_of(function: Callable[..., Any]) -> str:
    code = inspect.unwrap(function).__code__
    return f"{code.co_filename}:{code.co_firstlineno}"


@functools.cache
def _driver(function: Callable[..., Any], name: str) -> Step[..., Any]:
    spec = specs.DriverStep(
        name=name,
        function=f"{function.__module__}:{function.__qualname__}",
        parameters=parameters_of(function),
        cache="off",
        outputs=tuple(map(show, output_annotations(signature_of(function).return_annotation))),
    )
    return Step(function, spec)


@overload
def flow(function: Callable[P, R], /) -> Flow[P, R]: ...
@overload
def flow(*, name: str | None = None, dynamic: bool = False) -> Callable[[Callable[P, R]], Flow[P, R]]: ...
def flow(function: Callable[P, R] | None = None, /, *, name: str | None = None, dynamic: bool = False) -> Any:
    """Make a function a flow.

    Args:
        function: The function, where the decorator is used without options.
        name: The flow's name; the function's where it is not given.
        dynamic: Execute the body with real values, so that it may loop until something holds; every call
            of a step is submitted and waited for. Otherwise the body is traced once, before anything runs.

    Raises:
        SpecError: The name can't be, or a parameter has the name of an option of ``fairlead run``.

    Example:
        >>> from fairlead import flow, step
        >>> @step
        ... def double(x: int) -> int:
        ...     return 2 * x
        >>> @flow
        ... def twice(x: int = 1) -> int:
        ...     return double(double(x))
        >>> len(twice.trace({"x": 3}).graph.nodes)
        2
    """
    if function is not None:
        return _make(function, None, False)
    return functools.partial(_make, name=name, dynamic=dynamic)


def alone(called: Step[..., Any] | Sweep) -> Flow[..., Any]:
    """Return the flow that is one step, or one sweep, with the parameters of the step's function, which it must have.

    Those that are swept are none of the flow's.

    Raises:
        SpecError: A parameter of it can't be a flow's.
    """
    step, swept = (called.step, called.spec.space) if isinstance(called, Sweep) else (called, {})
    name = called.spec.name
    assert step.function is not None
    faults = [each for each in _parameter_faults(step.function) if each.path not in swept]
    if faults:
        raise SpecError(f"{name!r} as a flow", faults, next="write a flow that calls it")

    @functools.wraps(step.function)
    def body(*args: Any, **kwargs: Any) -> Any:
        return called(*args, **kwargs)

    if swept:
        signature = inspect.signature(step.function)
        shared = [each for each in signature.parameters.values() if each.name not in swept]
        body.__signature__ = signature.replace(parameters=shared)  # type: ignore[attr-defined]  # inspect reads it
    return Flow(body, name=name)


def _make(function: Callable[P, R], name: str | None, dynamic: bool) -> Flow[P, R]:
    refuse_unusual(function, "flow")
    title = name or function.__name__
    faults = [Fault("name", fault)] if (fault := name_fault(title)) else []
    faults += _parameter_faults(function)
    if faults:
        raise SpecError(f"flow {title!r}", faults, next=f"edit {user_line()}")
    return Flow(function, name=title, dynamic=dynamic)


def _parameter_faults(function: Callable[..., Any]) -> list[Fault]:
    """Return which parameters of a function no flow can have."""
    faults = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in RESERVED_FLAGS:
            faults.append(
                Fault(
                    parameter.name,
                    f"is an option of fairlead run; rename the parameter, for instance {parameter.name}_",
                )
            )
        if parameter.name == "when":
            faults.append(
                Fault("when", "in a call inside a flow is the condition under which it runs; rename the parameter")
            )
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            faults.append(Fault(parameter.name, "a flow's parameters are named, so that they can be given as flags"))
    return faults
