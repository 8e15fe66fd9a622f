"""Checks of values and types against annotations, as far as annotations can be checked cheaply."""

from __future__ import annotations

import builtins
import inspect
import os
import re
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin

_MODULES = re.compile(r"(?<![\w'\".])(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_])")
_NUMBERS: dict[Any, tuple[type, ...]] = {float: (float, int), complex: (complex, float, int)}


def hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the resolved annotations of a function; what can't be resolved is ``Any``."""
    try:
        return typing.get_type_hints(function)
    except Exception:  # a name that exists only for type checkers: any error may come out of evaluating it
        plain = inspect.unwrap(function)
        names = _Names(vars(builtins) | getattr(plain, "__globals__", {}))
        return {name: _evaluated(each, names) for name, each in _written(plain).items()}


def _written(function: Callable[..., Any]) -> Mapping[str, Any]:
    """Return the annotations of a function that can't all be evaluated, as texts where that is what there is."""
    if sys.version_info >= (3, 14):  # where reading them evaluates them
        import annotationlib  # lazy: annotationlib, 3 ms

        return annotationlib.get_annotations(function, format=annotationlib.Format.STRING)
    return getattr(function, "__annotations__", {})


class _NotThere:
    """Stands for a name that exists only for type checkers, and for whatever is reached through it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, _: Any) -> Any:
        return self

    def __call__(self, *_: Any) -> Any:
        return self

    def __or__(self, _: Any) -> Any:
        return self

    __ror__ = __or__

    def __repr__(self) -> str:
        return "Any"


_NOT_THERE = _NotThere()


class _Names(dict[str, Any]):
    def __missing__(self, _: str) -> Any:
        return _NOT_THERE


def _evaluated(annotation: Any, names: _Names) -> Any:
    """Evaluate an annotation as far as its names are known; the rest of it is open."""
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, {}, names)  # what get_type_hints does
    except Exception:  # whatever the user's annotation raises
        return Any


def show(annotation: Any) -> str:
    """Write an annotation as the user wrote it: ``list[int]``, ``DataFrame``."""
    if annotation is None or annotation is type(None):
        return "None"
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__name__
    return _MODULES.sub("", str(annotation)).replace("NoneType", "None")


def is_open(annotation: Any) -> bool:
    """Say whether an annotation excludes nothing."""
    return annotation is Any or annotation is object or isinstance(annotation, typing.TypeVar | _NotThere)


def accepts(annotation: Any, value: Any) -> bool:
    """Say whether a value fits an annotation; one that can't be checked fits."""
    if is_open(annotation) or annotation is type(value):
        return True
    if annotation is None:
        return value is None
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Union or origin is types.UnionType:
        return any(accepts(each, value) for each in arguments)
    if origin is Literal:
        return any(value == each and type(value) is type(each) for each in arguments)
    if origin is typing.Annotated:
        return accepts(arguments[0], value)
    if origin is not None:
        return isinstance(origin, type) and isinstance(value, origin) and _items_fit(origin, arguments, value)
    if isinstance(annotation, type):
        return _is_instance(value, annotation)
    return True


def _is_instance(value: Any, annotation: type) -> bool:
    if isinstance(value, bool) and annotation in (int, float, complex):
        return annotation is int  # a bool is an int to Python; where a float is meant it is a mistake
    try:
        return isinstance(value, _NUMBERS.get(annotation, annotation))
    except TypeError:  # a protocol that can't be checked at run time
        return True


def _items_fit(origin: type, arguments: tuple[Any, ...], value: Any) -> bool:
    if issubclass(origin, Mapping):
        key, item = arguments if len(arguments) == 2 else (Any, Any)
        return all(accepts(key, k) and accepts(item, v) for k, v in value.items())
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return all(accepts(arguments[0], each) for each in value)
        return len(arguments) == len(value) and all(map(accepts, arguments, value))
    if issubclass(origin, (Sequence, set, frozenset)) and len(arguments) == 1:
        return all(accepts(arguments[0], each) for each in value)
    return True


def compatible(produced: Any, wanted: Any) -> bool:
    """Say whether a value of one annotation may be given where another is wanted; doubt says yes."""
    if is_open(produced) or is_open(wanted) or produced == wanted:
        return True
    produced, wanted = _plain(produced), _plain(wanted)
    if _is_union(produced):
        return any(compatible(each, wanted) for each in get_args(produced))
    if _is_union(wanted):
        return any(compatible(produced, each) for each in get_args(wanted))
    if Literal in (get_origin(produced), get_origin(wanted)):
        return _literal_compatible(produced, wanted)
    below, above = get_origin(produced) or produced, get_origin(wanted) or wanted
    if not isinstance(below, type) or not isinstance(above, type):
        return True
    try:
        fits = issubclass(below, _NUMBERS.get(above, above))
    except TypeError:
        return True
    if not fits:
        return False
    left, right = get_args(produced), get_args(wanted)
    return len(left) != len(right) or all(map(compatible, left, right))


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def _plain(annotation: Any) -> Any:
    if get_origin(annotation) is typing.Annotated:
        return get_args(annotation)[0]
    return type(None) if annotation is None else annotation


def _literal_compatible(produced: Any, wanted: Any) -> bool:
    if get_origin(produced) is Literal:
        return any(accepts(wanted, value) for value in get_args(produced))
    return any(accepts(produced, value) for value in get_args(wanted))


def output_annotations(returned: Any) -> tuple[Any, ...]:
    """Return the annotation of each output of a step: ``tuple[A, B]`` has two, anything else one."""
    arguments = get_args(returned)
    if get_origin(returned) is tuple and arguments and Ellipsis not in arguments:
        return arguments
    return (returned,)


def item_annotation(annotation: Any) -> Any:
    """Return the annotation of the items of a list-like annotation, or Any."""
    if _is_union(annotation):
        return Any
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is tuple:
        return arguments[0] if len(arguments) == 2 and arguments[1] is Ellipsis else Any
    return arguments[0] if len(arguments) == 1 else Any


def value_annotation(annotation: Any) -> Any:
    """Return the annotation of the values of a mapping's annotation, or Any."""
    arguments = get_args(annotation)
    return arguments[1] if not _is_union(annotation) and len(arguments) == 2 else Any


def is_iterable(annotation: Any) -> bool:
    """Say whether values of an annotation may be mapped over; doubt says yes."""
    plain = get_origin(annotation) or annotation
    if plain in (str, bytes, int, float, bool, type(None)):
        return False
    if not isinstance(plain, type) or is_open(annotation):
        return True
    return not (hasattr(plain, "__mro__") and issubclass(plain, Mapping | Enum | os.PathLike))


def from_text(annotation: Any, text: str) -> Any:
    """Read the value of a command-line flag.

    Raises:
        ValueError: The text is no value of the annotation.
    """
    if _is_union(annotation):
        return _union_from_text(get_args(annotation), text)
    if get_origin(annotation) is Literal:
        return _choice(text, {str(each): each for each in get_args(annotation)})
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _choice(text, {each.name: each for each in annotation})
    if annotation is bool:
        return _choice(text.lower(), {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False})
    if annotation is str:
        return text
    if annotation in (int, float) or _is_path(annotation):
        return annotation(text)
    if annotation in (None, type(None)):
        return _choice(text.lower(), {"none": None, "null": None})
    return _json_from_text(annotation, text)


def _is_path(annotation: Any) -> bool:
    """Say whether an annotation is `pathlib.Path`: whoever has written that has imported it."""
    return "pathlib" in sys.modules and annotation is sys.modules["pathlib"].Path


def _choice(text: str, choices: Mapping[str, Any]) -> Any:
    if text not in choices:
        raise ValueError(f"must be one of {', '.join(choices)}, got {text!r}")
    return choices[text]


def _union_from_text(arguments: tuple[Any, ...], text: str) -> Any:
    for each in sorted(arguments, key=lambda each: each is str):  # a str takes any text: last
        try:
            return from_text(each, text)
        except ValueError:
            continue
    raise ValueError(f"must be {' or '.join(map(show, arguments))}, got {text!r}")


def _json_from_text(annotation: Any, text: str) -> Any:
    import json  # lazy: json, 3 ms

    try:
        value = json.loads(text)
    except ValueError:
        if is_open(annotation):
            return text
        raise ValueError(f"must be {show(annotation)} written as JSON, got {text!r}") from None
    kind = get_origin(annotation) or annotation
    if kind in (tuple, set, frozenset) and isinstance(value, list):
        value = kind(value)
    if not accepts(annotation, value):
        raise ValueError(f"must be {show(annotation)}, got {text!r}")
    return value


def sample(annotation: Any) -> str:
    """Return a text that a flag of an annotation takes, to show how it is written."""
    if _is_union(annotation):
        return sample(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return str(get_args(annotation)[0])
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return next((each.name for each in annotation), "NAME")
    kind = get_origin(annotation) or annotation
    known = {bool: "true", int: "12", float: "0.5", str: "TEXT", type(None): "none", None: "none"}
    if _is_path(kind):
        return "PATH"
    if isinstance(kind, type) and issubclass(kind, Mapping):
        return "'{\"key\": 1}'"
    return known.get(kind, "'[1, 2]'" if kind in (list, tuple, set, frozenset) else "VALUE")
