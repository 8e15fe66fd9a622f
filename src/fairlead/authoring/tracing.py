"""Tracing: running a flow's body once, with futures for values, to see its graph."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from fairlead.authoring.annotations import (
    accepts,
    compatible,
    is_iterable,
    item_annotation,
    output_annotations,
    show,
    value_annotation,
)
from fairlead.authoring.definitions import Definitions
from fairlead.authoring.futures import FirstOf, Future, When, as_condition
from fairlead.authoring.numbering import Draft, numbered
from fairlead.authoring.parameters import recorded
from fairlead.authoring.places import user_line
from fairlead.authoring.steps import Step
from fairlead.authoring.sweeps import Best
from fairlead.errors import Fault, SpecError, UsageError
from fairlead.specs import conditions, graphs

if TYPE_CHECKING:
    from fairlead.authoring.flows import Flow
    from fairlead.authoring.sweeps import Sweep

LITERAL_LEAVES_MAX = 256
"""A larger literal is stored as a value beside the graph, so that the graph stays small."""


class Traced(NamedTuple):
    """A traced flow.

    Attributes:
        graph: The graph.
        constants: The values it refers to that are no JSON, or too large to stand in it.
        functions: The function of each definition that has one, by key.
        locks: The texts of the locks that definitions name, by digest.
    """

    graph: graphs.Graph
    constants: dict[str, Any]
    functions: dict[str, Callable[..., Any]]
    locks: Mapping[str, bytes] = MappingProxyType({})


class Tracer:
    """The scope in which a call of a step adds a node."""

    def __init__(self, flow: str) -> None:
        self._flow = flow
        self._drafts: list[Draft] = []
        self._titles: list[str] = []
        self._definitions = Definitions()
        self._constants: dict[str, Any] = {}
        self._constant_of: dict[int, tuple[str, Any]] = {}  # holds the values, so that ids stay theirs
        self._faults: list[Fault] = []
        self._groups: list[str] = []
        self._conditions: list[conditions.Condition] = []

    # What a call means -------------------------------------------------------------------------

    def call(self, step: Step[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Add a node and return its future, or a tuple of futures where it has several outputs."""
        given = bind_call(step, args, kwargs)
        inputs = {name: self._input(step, name, value) for name, value in given.items()}
        return self._add(step, inputs, returned=_returned(step))

    def map(self, step: Step[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Add a mapped node: one instance for each item of the positional arguments."""
        if not args:
            raise UsageError(
                f"{step.name}.map() was given nothing to map over",
                where=user_line(),
                why="positional arguments are mapped item by item, keyword arguments are given whole",
                next=f"write {step.name}.map(items, option=…)",
            )
        given = bind_call(step, args, kwargs)
        each = tuple(list(given)[: len(args)])
        inputs, counts = {}, []
        for name, value in given.items():
            if name in each:
                inputs[name], count = self._items(step, name, value)
                counts.append(count)
            else:
                inputs[name] = self._input(step, name, value)
        known = {count for count in counts if count is not None}
        if len(known) > 1:
            raise UsageError(
                f"{step.name}.map() was given lists of different lengths",
                where=user_line(),
                why=f"they have {' and '.join(map(str, sorted(known)))} items",
                next="give lists of one length, or a keyword argument for what every item shares",
            )
        return self._add(step, inputs, returned=_returned(step), each=each, count=known.pop() if known else None)

    def enter_flow(self, flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Trace a nested flow's body in place, or add a driver node for a dynamic one."""
        if flow.dynamic:
            return self.call(flow.as_step(), args, kwargs)
        given = bind_call(flow, args, kwargs)
        for name, value in given.items():
            if not isinstance(value, When):  # a nested flow may hand a condition on
                self._check(flow, name, value, flow.signature.parameters[name].annotation)
        with self._nested(flow):
            return flow.function(**given)

    def sweep(self, sweep: Sweep, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Add a sweep's node."""
        trial = sweep.step
        key = self._definitions.key_of(trial, sweep.step.spec)
        swept = set(sweep.spec.space)
        given = bind_call(trial, args, kwargs, without=swept)
        inputs = {name: self._input(trial, name, value) for name, value in given.items()}
        parameters = tuple(each for each in trial.spec.parameters if each.name not in swept)
        spec = msgspec.structs.replace(sweep.spec, trial=key, parameters=parameters)
        returned = tuple.__class_getitem__((_returned(trial), dict, float))
        return sweep.result(*self._add(Step(None, spec, when=sweep.condition), inputs, returned=returned))

    # What futures ask for ----------------------------------------------------------------------

    def export(self, future: Future) -> None:
        """Have a node's record carry a scalar, because a condition reads it."""
        self._drafts[future.node].exports[graphs.Export(future.output, future.path)] = None

    def add_order(self, node: int, others: Iterable[Future]) -> None:
        """Order a node after others, which must be earlier ones."""
        for other in others:
            self._predecessor(other, self._titles[node])
            if other.node >= node:
                raise UsageError(
                    f"{self._titles[node]} can't run after {other.title}, which is called later",
                    where=user_line(),
                    next="call the step that runs first before the other",
                )
            self._drafts[node].after[other.node] = None

    def _predecessor(self, other: Any, title: str) -> int:
        if not isinstance(other, Future) or other.tracer is not self:
            raise UsageError(
                f"{title} can't run after {other!r}",
                where=user_line(),
                why="after() takes futures of this flow: what calling a step has given",
                next=f"write {title}.after(future)(…)",
            )
        return other.node

    # The end -----------------------------------------------------------------------------------

    def finish(self, result: Any, parameters: Mapping[str, Any]) -> Traced:
        """Return the graph.

        Raises:
            SpecError: With every type fault of the whole flow.
        """
        if self._faults:
            raise SpecError(f"flow {self._flow!r}", self._faults, next="mend the call or the annotation")
        bound = None if result is None else self._binding(result)
        graph = graphs.Graph(
            flow=self._flow,
            parameters=recorded(parameters),
            steps=self._definitions.steps,
            nodes=tuple(numbered(self._titles, self._drafts)),
            result=bound,
        )
        faults = list(graphs.graph_faults(graph))
        if faults:
            raise SpecError(f"flow {self._flow!r}", faults)
        return Traced(graph, self._constants, self._definitions.functions, self._definitions.locks)

    # Building ----------------------------------------------------------------------------------

    def _add(
        self,
        step: Step[..., Any],
        inputs: dict[str, graphs.Binding],
        *,
        returned: Any,
        each: tuple[str, ...] = (),
        count: int | None = None,
    ) -> Any:
        number = len(self._drafts)
        key = self._definitions.key_of(step, step.spec)
        node = graphs.Node(
            step=key,
            inputs=inputs,
            each=each,
            count=count,
            after=tuple(dict.fromkeys(self._predecessor(each, step.name) for each in step.predecessors)),
            when=self._condition(step.condition),
            group="/".join(self._groups),
        )
        self._drafts.append(Draft(node))
        self._titles.append(step.name)
        produced = output_annotations(returned)
        futures = tuple(
            Future(self, number, position, annotation, title=step.name, mapped=bool(each))
            for position, annotation in enumerate(produced)
        )
        return futures if len(futures) > 1 else futures[0]

    def _condition(self, given: Any) -> conditions.Condition | None:
        if given is False or given is True:
            raise UsageError(
                "when= was given a value that is known while tracing",
                where=user_line(),
                next="use a plain if for it",
            )
        own = [] if given is None else [as_condition(given)]
        found = [*self._conditions, *own]
        return None if not found else found[0] if len(found) == 1 else conditions.And(tuple(found))

    @contextmanager
    def _nested(self, flow: Flow[..., Any]) -> Iterator[None]:
        self._groups.append(flow.name)
        condition = None if flow.condition is None else as_condition(flow.condition)
        if condition is not None:
            self._conditions.append(condition)
        try:
            yield
        finally:
            self._groups.pop()
            if condition is not None:
                self._conditions.pop()

    # Values ------------------------------------------------------------------------------------

    def _input(self, step: Step[..., Any], name: str, value: Any) -> graphs.Binding:
        self._check(step, name, value, step.signature.parameters[name].annotation)
        return graphs.Literally(None) if isinstance(value, When) else self._binding(value)

    def _items(self, step: Step[..., Any], name: str, value: Any) -> tuple[graphs.Binding, int | None]:
        wanted = step.signature.parameters[name].annotation
        if isinstance(value, Future):
            if value.mapped and value.path:
                raise UsageError(
                    f"{step.name}.map() can't map over a part of each item of {value.title}",
                    where=user_line(),
                    next="map over the whole items, and take the part inside the step",
                )
            if value.mapped:
                self._compare_types(step, name, value.annotation, wanted, f"an item of {value!r}")
                return value.binding(), self._drafts[value.node].node.count
            if not is_iterable(value.annotation):
                self._fault(step, name, f"maps over {value!r}, which is no list")
            self._compare_types(step, name, item_annotation(value.annotation), wanted, f"an item of {value!r}")
            self._drafts[value.node].split[graphs.Export(value.output, value.path)] = None
            return value.binding(), None
        if isinstance(value, str | bytes | Mapping | FirstOf) or not isinstance(value, Iterable):
            raise UsageError(
                f"{step.name}.map() can't map over {type(value).__name__} for {name!r}",
                where=user_line(),
                next=f"give a list of items; what every item shares goes by keyword: {name}=…",
            )
        items = list(value)
        for item in items:
            self._check(step, name, item, wanted)
        return self._binding(items), len(items)

    def _check(self, step: Step[..., Any] | Flow[..., Any], name: str, value: Any, wanted: Any) -> None:
        if isinstance(value, FirstOf):
            for option in value.options:
                self._check(step, name, option, wanted)
        elif isinstance(value, Future):
            produced = list.__class_getitem__(value.annotation) if value.mapped else value.annotation
            self._compare_types(step, name, produced, wanted, repr(value))
        elif isinstance(value, When):
            self._fault(step, name, "is a condition, which has no value; give it as when=")
        elif _holds_future(value):
            self._check_parts(step, name, value, wanted)
        elif not accepts(wanted, value):
            shown = repr(value) if len(repr(value)) < 60 else type(value).__name__
            self._fault(step, name, f"takes {show(wanted)}, got {shown}")

    def _check_parts(self, step: Step[..., Any] | Flow[..., Any], name: str, value: Any, wanted: Any) -> None:
        """Check a list or mapping that holds futures: its own type, and that of each item."""
        if not isinstance(value, list | tuple | dict):
            return
        form = dict if isinstance(value, dict) else list
        if not compatible(form, wanted) and not compatible(type(value), wanted):
            self._fault(step, name, f"takes {show(wanted)}, got a {form.__name__} of futures")
            return
        item = value_annotation(wanted) if form is dict else item_annotation(wanted)
        for each in value.values() if isinstance(value, dict) else value:
            self._check(step, name, each, item)

    def _compare_types(
        self, step: Step[..., Any] | Flow[..., Any], name: str, produced: Any, wanted: Any, what: str
    ) -> None:
        if not compatible(produced, wanted):
            self._fault(step, name, f"takes {show(wanted)}, got {what}")

    def _fault(self, step: Step[..., Any] | Flow[..., Any], name: str, message: str) -> None:
        self._faults.append(Fault(f"{step.name}({name}=…)", f"{message}   [{user_line()}]"))

    def _binding(self, value: Any) -> graphs.Binding:
        if isinstance(value, Future):
            if value.tracer is not self:
                raise UsageError(f"{value!r} belongs to another run of a flow", where=user_line())
            return value.binding()
        if isinstance(value, FirstOf):
            return graphs.FirstOf(tuple(self._binding(option) for option in value.options))
        if isinstance(value, When):
            raise UsageError(
                "a condition has no value", where=user_line(), next="return or give the futures it compares"
            )
        if is_small_json(value):
            return graphs.Literally(_copied(value))
        if _holds_future(value):
            if isinstance(value, dict) and all(isinstance(key, str) for key in value):
                return graphs.DictOf({key: self._binding(item) for key, item in value.items()})
            if isinstance(value, list | tuple):
                return graphs.ListOf(tuple(self._binding(item) for item in value))
            if isinstance(value, Best):
                return self._binding(value.futures())
            raise UsageError(
                f"a {type(value).__name__} can't hold futures"
                + (" by other keys than texts" if isinstance(value, dict) else ""),
                where=user_line(),
                next="give them in a list, or in a dict with text keys",
            )
        return graphs.Constant(self._constant(value))

    def _constant(self, value: Any) -> str:
        """Name a value that is stored beside the graph; the same object is stored once, unless it has changed."""
        is_json = _json_leaves(value) is not None
        known = self._constant_of.get(id(value))
        if known is not None and (not is_json or self._constants[known[0]] == value):
            return known[0]
        name = f"c{len(self._constants)}"
        self._constants[name] = _copied(value) if is_json else value
        self._constant_of[id(value)] = name, value
        return name


def _returned(step: Step[..., Any]) -> Any:
    returned = step.signature.return_annotation
    return Any if returned is inspect.Signature.empty else returned


def bind_call(
    step: Step[..., Any] | Flow[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    without: set[str] | None = None,
) -> dict[str, Any]:
    """Return what each parameter of a step is given by a call, leaving out those in `without`.

    Raises:
        UsageError: The call does not fit the step's parameters.
    """
    signature = step.signature
    if without:
        signature = signature.replace(parameters=[p for n, p in signature.parameters.items() if n not in without])
    try:
        return signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        raise UsageError(
            f"{'step' if isinstance(step, Step) else 'flow'} {step.name!r} can't be called like this: {error}",
            where=user_line(),
            next=f"its parameters are {step.name}{signature}",
        ) from None


def _copied(value: Any) -> Any:
    """Copy the lists and dicts of a JSON value: what a flow does to them later is for later calls."""
    if type(value) is list:
        return [_copied(item) for item in value]
    return {key: _copied(item) for key, item in value.items()} if type(value) is dict else value


def _holds_future(value: Any) -> bool:
    if isinstance(value, Future | FirstOf | Best):
        return True
    if isinstance(value, list | tuple | set | frozenset):
        return any(_holds_future(item) for item in value)
    return isinstance(value, dict) and any(_holds_future(item) for item in value.values())


def is_small_json(value: Any) -> bool:
    """Say whether a value may stand in a graph or a record as it is."""
    leaves = _json_leaves(value)
    return leaves is not None and leaves <= LITERAL_LEAVES_MAX


def _json_leaves(value: Any) -> int | None:
    """Count the leaves of a value that JSON holds exactly; None where it does not."""
    kind = type(value)
    if value is None or kind is bool:
        return 1
    if kind is int:
        return 1 if -(2**63) <= value < 2**63 else None  # the widest integer that every reader of JSON holds
    if kind is str:
        return 1 + len(value) // 64
    if kind is float:
        return 1 if value - value == 0 else None  # an infinity or NaN is no JSON
    if kind is list:
        counts = [_json_leaves(item) for item in value]
    elif kind is dict and all(type(key) is str for key in value):
        counts = [_json_leaves(item) for item in value.values()]
    else:
        return None
    return None if None in counts else 1 + sum(count for count in counts if count)
