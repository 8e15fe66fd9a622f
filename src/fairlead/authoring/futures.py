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


class _Unknown:
    """What has no value while a flow is traced: every use that needs one is refused, with the line and the cure."""

    __slots__ = ()

    def __bool__(self) -> bool:
        _not_yet("if, while, and, or, not", repr(self), _BRANCH)

    def __iter__(self) -> NoReturn:
        _not_yet("a loop or unpacking", repr(self), f"{_LOOP}; several outputs follow from -> tuple[A, B]")

    def __reversed__(self) -> NoReturn:
        _not_yet("reversed()", repr(self), _LOOP)

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

    def __complex__(self) -> complex:
        _not_yet("complex()", repr(self), _COMPUTE)

    def __index__(self) -> int:
        _not_yet("a number, an index or range()", repr(self), _LOOP)

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        _not_yet("a call", repr(self), _COMPUTE)

    def __await__(self) -> NoReturn:
        _not_yet("await", repr(self), "leave await away: what takes the future waits for it")

    def __enter__(self) -> NoReturn:
        _not_yet("with", repr(self), _COMPUTE)

    def __exit__(self, *_: object) -> None:
        """Never reached; Python looks for it before it enters."""

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        _not_yet("setting an item", repr(self), _COMPUTE)

    def __delitem__(self, key: Any) -> NoReturn:
        _not_yet("deleting an item", repr(self), _COMPUTE)

    def _arithmetic(self, *_: Any) -> NoReturn:
        _not_yet("arithmetic", repr(self), _COMPUTE)

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _arithmetic
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __matmul__ = __rmatmul__ = _arithmetic
    __divmod__ = __rdivmod__ = __lshift__ = __rlshift__ = __rshift__ = __rrshift__ = __xor__ = __rxor__ = _arithmetic
    __neg__ = __pos__ = __abs__ = __round__ = __trunc__ = __floor__ = __ceil__ = _arithmetic

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        _not_yet(
            "a copy, or an object that holds it",
            repr(self),
            "give it as an argument, or in a list or dict with text keys",
        )

    def __getattr__(self, name: str) -> NoReturn:
        if name in ("__array_ufunc__", "__array_function__", "__array__"):  # NumPy would wrap it, and fail much later
            _not_yet("NumPy", repr(self), _COMPUTE)
        if name.startswith("__"):  # a protocol that Python looks for
            raise AttributeError(name)
        cure = f"return a mapping and index it: future[{name!r}]; or {_COMPUTE}"
        _not_yet(f"the attribute .{name}", repr(self), cure)


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


class Future(_Unknown):
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
        return When(conditions.In(as_scalar(self), tuple(constant(each).value for each in values)))

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

    __rand__, __ror__ = __and__, __or__

    def __hash__(self) -> int:
        return hash((self.node, self.output, self.path))


class FirstOf(_Unknown):
    """The first of several futures whose step was not skipped."""

    __slots__ = ("options",)

    def __repr__(self) -> str:
        return f"<first of {', '.join(map(repr, self.options))}>"

    def _whole(self, *_: object) -> NoReturn:
        _not_yet("a part or a comparison", repr(self), "give the whole to a step, and take the part there")

    __getitem__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __and__ = __or__ = __invert__ = _whole
    __hash__ = object.__hash__

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
