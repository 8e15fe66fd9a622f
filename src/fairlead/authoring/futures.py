"""Futures: what calling a step gives while a flow is traced, and conditions over them."""

from __future__ import annotations

from typing import Any, NoReturn

from fairlead.authoring.annotations import show
from fairlead.authoring.places import user_line
from fairlead.errors import UsageError
from fairlead.specs import conditions, graphs
from fairlead.specs.conditions import Operator, Path


def _not_yet(use: str, what: str, cure: str) -> NoReturn:
    raise UsageError(
        f"{what} has no value yet: the flow is being traced, nothing has run",
        where=user_line(),
        why=f"{use} needs the value now",
        next=cure,
    )


_BRANCH = "branch with step.options(when=condition)(…), or make the flow a driver: @flow(dynamic=True)"
_LOOP = "fan out with step.map(future), or make the flow a driver: @flow(dynamic=True)"
_COMPUTE = "do this inside a step, or make the flow a driver: @flow(dynamic=True)"
_JOIN = "join conditions with & | ~ and .isin([…]) in place of and, or, not and in"


class When:
    """A condition over futures, to be given as ``when=``. Joined with ``&``, ``|`` and ``~``."""

    __slots__ = ("spec",)

    def __init__(self, spec: conditions.Condition) -> None:
        self.spec = spec

    def __and__(self, other: When | Future) -> When:
        return When(conditions.And((self.spec, as_condition(other))))

    def __or__(self, other: When | Future) -> When:
        return When(conditions.Or((self.spec, as_condition(other))))

    def __invert__(self) -> When:
        return When(conditions.Not(self.spec))

    __rand__, __ror__ = __and__, __or__

    def __bool__(self) -> bool:
        _not_yet("if, and, or, not or a chained comparison", "a condition", f"{_BRANCH}; {_JOIN}")


class Future:
    """What a step will return. It can be given to other steps, indexed, and compared for ``when=``.

    Attributes:
        node: The number of the graph's node.
        output: Which of the node's outputs.
        path: The keys that lead to a part of the output.
        annotation: The type it will have.
        mapped: Whether the node is mapped, so that this stands for a list of all its items' values.
    """

    __slots__ = ("annotation", "mapped", "node", "output", "path", "title", "tracer")

    def __init__(
        self,
        tracer: Any,
        node: int,
        output: int,
        annotation: Any,
        *,
        title: str,
        path: Path = (),
        mapped: bool = False,
    ) -> None:
        self.tracer = tracer
        self.node = node
        self.output = output
        self.annotation = annotation
        self.title = title
        self.path = path
        self.mapped = mapped

    def __repr__(self) -> str:
        keys = "".join(f"[{key!r}]" for key in self.path)
        return f"<future of {self.title}{keys}: {show(self.annotation)}>"

    def binding(self) -> graphs.Output:
        """Return how a graph refers to it."""
        return graphs.Output(self.node, self.output, self.path)

    def after(self, *others: Future) -> Future:
        """Order this future's step after others, without data; returns the future itself."""
        self.tracer.add_order(self.node, others)
        return self

    def isin(self, values: list[conditions.ScalarValue] | tuple[conditions.ScalarValue, ...]) -> When:
        """Say whether the value is one of some values, as a condition for ``when=``."""
        return When(conditions.In(as_scalar(self), tuple(values)))

    def __getitem__(self, key: str | int) -> Future:
        if not isinstance(key, str | int):
            _not_yet(f"the key {key!r}", repr(self), "index a future with a text or a number")
        return Future(
            self.tracer, self.node, self.output, Any, title=self.title, path=(*self.path, key), mapped=self.mapped
        )

    def _compare(self, name: Operator, other: Any) -> When:
        right = as_scalar(other) if isinstance(other, Future) else constant(other)
        return When(conditions.Compare(name, as_scalar(self), right))

    def __eq__(self, other: object) -> When:  # type: ignore[override]  # a comparison is a condition here
        return self._compare("eq", other)

    def __ne__(self, other: object) -> When:  # type: ignore[override]  # a comparison is a condition here
        return self._compare("ne", other)

    def __lt__(self, other: Any) -> When:
        return self._compare("lt", other)

    def __le__(self, other: Any) -> When:
        return self._compare("le", other)

    def __gt__(self, other: Any) -> When:
        return self._compare("gt", other)

    def __ge__(self, other: Any) -> When:
        return self._compare("ge", other)

    def __and__(self, other: When | Future) -> When:
        return When(as_condition(self)) & other

    def __or__(self, other: When | Future) -> When:
        return When(as_condition(self)) | other

    def __invert__(self) -> When:
        return ~When(as_condition(self))

    def __hash__(self) -> int:
        return hash((self.node, self.output, self.path))

    def __bool__(self) -> bool:
        _not_yet("if, while, and, or, not", repr(self), _BRANCH)

    def __iter__(self) -> NoReturn:
        _not_yet("a loop or unpacking", repr(self), f"{_LOOP}; several outputs follow from -> tuple[A, B]")

    def __len__(self) -> int:
        _not_yet("len()", repr(self), _LOOP)

    def __contains__(self, item: object) -> bool:
        _not_yet("in", repr(self), _JOIN)

    def __str__(self) -> str:
        _not_yet("a text or f-string", repr(self), _COMPUTE)

    def __format__(self, form: str) -> str:
        _not_yet("a text or f-string", repr(self), _COMPUTE)

    def __int__(self) -> int:
        _not_yet("int()", repr(self), _COMPUTE)

    def __float__(self) -> float:
        _not_yet("float()", repr(self), _COMPUTE)

    def __index__(self) -> int:
        _not_yet("a number, an index or range()", repr(self), _LOOP)

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: there is nothing to call yet."""
        _not_yet("a call", repr(self), _COMPUTE)

    def _arithmetic(self, _: Any) -> NoReturn:
        _not_yet("arithmetic", repr(self), _COMPUTE)

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _arithmetic
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __matmul__ = __rmatmul__ = _arithmetic

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):  # a protocol that Python, copy or pickle looks for
            raise AttributeError(name)
        _not_yet(
            f"the attribute .{name}", repr(self), f"return a mapping and index it: future[{name!r}]; or {_COMPUTE}"
        )


class FirstOf:
    """The first of several futures whose step was not skipped."""

    __slots__ = ("options",)

    def __init__(self, options: tuple[Future, ...]) -> None:
        self.options = options


def first_of(*options: Any) -> Any:
    """Take the first future whose step was not skipped, so that two branches join again.

    Outside a flow's tracing the arguments are values, and the first that is not None is returned.
    """
    if any(isinstance(option, Future) for option in options):
        return FirstOf(tuple(options))
    return next((option for option in options if option is not None), None)


def constant(value: Any) -> conditions.Constant:
    """Turn a Python scalar into the right side of a condition."""
    if value is not None and not isinstance(value, str | int | float | bool):
        _not_yet(
            f"a comparison with {type(value).__name__}", "a condition", "compare with a number, a text, a bool or None"
        )
    return conditions.Constant(value)


def as_scalar(future: Future) -> conditions.Scalar:
    """Turn a future into the operand of a condition, and have its step export the scalar."""
    if future.mapped:
        _not_yet("a condition over a mapped step", repr(future), "reduce the list to one value in a step first")
    future.tracer.export(future)
    return conditions.Scalar(future.node, future.output, future.path)


def as_condition(value: Any) -> conditions.Condition:
    """Turn what was given as ``when=`` into a condition."""
    if isinstance(value, When):
        return value.spec
    if isinstance(value, Future):
        return as_scalar(value)
    raise UsageError(
        f"when= takes a condition over futures, got {value!r}",
        where=user_line(),
        next="write when=future > 0.9, or use a plain if for what is known while tracing",
    )
