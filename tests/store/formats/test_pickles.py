"""Pickle: the last format, and its refusals."""

from __future__ import annotations

import sys
import threading
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fairlead.errors import FairleadError
from fairlead.store.values import Values


@dataclass
class Model:
    weights: tuple[float, ...]
    extra: Any = None


class Stubborn:
    def __reduce__(self) -> Any:
        raise RuntimeError("not me")


def test_classes_come_back(there_and_back: Any) -> None:
    assert there_and_back(Model((1.0, 2.0))) == ("pickle", Model((1.0, 2.0)))
    assert there_and_back(Path) == ("pickle", Path)


def test_a_format_is_named_pickle_in_the_reference(values: Values) -> None:
    ref = values.save(Model(()))
    assert (ref.format, ref.type) == ("pickle", f"{__name__}.Model")


@pytest.mark.parametrize(
    ("value", "part"),
    [
        (threading.Lock(), ""),
        ({"a": [1, (2, threading.Lock())]}, "value['a'][1][1], a _thread.lock"),
        (Model((), extra={"lock": threading.Lock()}), "value.extra['lock'], a _thread.lock"),
        ([Stubborn()], "value[0]"),
        (lambda: 0, "lambda"),
        ((each for each in ()), "generator"),
    ],
)
def test_what_cannot_be_pickled_is_refused_by_name(values: Values, value: Any, part: str) -> None:
    with pytest.raises(FairleadError) as caught:
        values.save(value)
    message = str(caught.value)
    assert f"{type(value).__module__}.{type(value).__qualname__} can't be stored" in message
    assert part in message
    assert "fairlead.artifacts.register" in message
    assert caught.value.__cause__ is not None


def test_too_deep_a_value_is_refused(values: Values) -> None:
    deep: Any = ()
    for _ in range(300_000):
        deep = (deep,)
    with pytest.raises(FairleadError, match="RecursionError"):
        values.save(deep)


class Unwilling:
    def __getstate__(self) -> object:
        raise TypeError("has no state")


def test_a_value_that_refuses_to_tell_its_state_is_the_part_at_fault(values: Values) -> None:
    with pytest.raises(FairleadError, match=r"has no state; the part at fault is value\[1\], a .*Unwilling"):
        values.save((1, Unwilling()))


@pytest.fixture
def vanishing(monkeypatch: pytest.MonkeyPatch) -> Any:
    module = types.ModuleType("vanishing_module")
    module.Thing = type("Thing", (), {"__module__": "vanishing_module"})  # type: ignore[attr-defined] # made here
    monkeypatch.setitem(sys.modules, "vanishing_module", module)
    return module


def test_a_module_that_is_gone_is_named(values: Values, vanishing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = values.save(vanishing.Thing())
    monkeypatch.delitem(sys.modules, "vanishing_module")
    with pytest.raises(FairleadError, match=r"no Thing in module vanishing_module(.|\n)*install what provides"):
        values.load(ref)


def test_a_class_that_is_gone_is_named(values: Values, vanishing: Any) -> None:
    ref = values.save(vanishing.Thing())
    del vanishing.Thing
    with pytest.raises(FairleadError, match=r"no Thing in module vanishing_module(.|\n)*bring vanishing_module.Thing"):
        values.load(ref)
