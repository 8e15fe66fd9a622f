"""Formats of third parties, registered or brought by a package."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pytest

from fairlead.errors import FairleadError, UsageError
from fairlead.specs.values import Ref
from fairlead.store.formats import registry
from fairlead.store.formats.protocol import Unfit
from fairlead.store.values import Values


class Text:
    """A format of a few lines."""

    name = "decimal-text"
    types = (f"{__name__}:Money",)

    def accepts(self, value: Any) -> bool:
        return True

    def write(self, value: Any, file: BinaryIO) -> None:
        file.write(b"half")
        if value.is_nan():
            raise Unfit("no NaN")
        file.write(str(value).encode())

    def read(self, path: Path, ref: Ref) -> Any:
        return Money(path.read_text()[4:])


class Money(Decimal):
    pass


class Coins(Money):
    pass


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("_registered", "_registered_types", "_chosen"):
        monkeypatch.setattr(registry, name, {})
    registry._plugins.cache_clear()
    yield
    registry._plugins.cache_clear()


@pytest.mark.parametrize("type_name", [Money, f"{__name__}:Money"])
def test_a_registered_format_is_used_for_the_class_and_below(there_and_back: Any, type_name: Any) -> None:
    assert there_and_back(Money("2"))[0] == "pickle"
    registry.register(type_name, Text())
    assert there_and_back(Money("1.50")) == ("decimal-text", Money("1.50"))
    assert there_and_back(Coins("1.50")) == ("decimal-text", Money("1.50"))
    assert there_and_back(Decimal("1.50"))[0] == "pickle"


def test_a_value_that_turns_out_not_to_fit_goes_to_the_next_format(there_and_back: Any) -> None:
    registry.register(Money, Text())
    format, back = there_and_back(Money("NaN"))
    assert (format, type(back)) == ("pickle", Money)


def test_a_format_of_a_package_is_found_by_its_entry_point(
    there_and_back: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Found:
        name = "decimal-text"

        def load(self) -> Any:
            return Text()

    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [Found()] * (group == "fairlead.formats"))
    assert there_and_back(Money("1.50")) == ("decimal-text", Money("1.50"))


def test_an_unknown_format_says_how_to_get_it(values: Values) -> None:
    ref = msgspec.structs.replace(values.save(1), format="arow")
    with pytest.raises(FairleadError, match=r"format 'arow'(.|\n)*did you mean 'arrow'(.|\n)*fairlead.formats"):
        values.load(ref)


def test_wrong_registrations_are_refused() -> None:
    with pytest.raises(UsageError, match="module:QualName"):
        registry.register("Money", Text())
    taken = Text()
    taken.name = "json"
    with pytest.raises(UsageError, match="Fairlead's own"):
        registry.register(Money, taken)


def test_a_missing_library_is_named(values: Values) -> None:
    class Needy(Text):
        name = "needy"

        def read(self, path: Path, ref: Ref) -> Any:
            import a_library_nobody_has  # type: ignore[import-not-found] # that is the point

            return a_library_nobody_has

    registry.register(Money, Needy())
    ref = values.save(Money("1"))
    with pytest.raises(FairleadError, match="needs the library a_library_nobody_has"):
        values.load(ref)
