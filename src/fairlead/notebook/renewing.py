"""Annotations that follow classes: a cell that defines a class was executed again, those of its steps were not."""

from __future__ import annotations

import contextlib
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, get_args, get_origin

from fairlead.authoring.flows import Flow
from fairlead.authoring.steps import Step, signature_of

_KEPT: tuple[Any, ...] = (typing.Annotated, typing.Literal, Callable)


def renew_annotations(names: Mapping[str, Any], modules: frozenset[str]) -> None:
    """Let the steps and flows of a namespace take the classes that its names stand for now.

    Args:
        names: The kernel's namespace.
        modules: The names that classes of cells have as their module.
    """

    def newest(kind: type) -> type:
        found = names.get(kind.__qualname__)
        is_own = kind.__module__ in modules and isinstance(found, type) and found.__module__ in modules
        return found if is_own and isinstance(found, type) else kind

    for value in list(names.values()):
        if isinstance(value, Step | Flow) and value.function is not None:
            with contextlib.suppress(Exception):  # Python 3.14 evaluates them here, those too that can't be evaluated
                written = getattr(value.function, "__annotations__", {})
                written.update({name: _renewed(each, newest) for name, each in written.items()})
            vars(value).pop("signature", None)
    signature_of.cache_clear()


def _renewed(annotation: Any, newest: Callable[[type], type]) -> Any:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is None:
        return newest(annotation) if isinstance(annotation, type) else annotation
    if origin in _KEPT:
        return annotation
    renewed = tuple(_renewed(each, newest) for each in arguments)
    if all(new is old for new, old in zip(renewed, arguments, strict=True)):
        return annotation
    if origin in (typing.Union, types.UnionType):
        return typing.Union[renewed]  # noqa: UP007  # of so many as there are
    return origin[renewed if len(renewed) > 1 else renewed[0]]
