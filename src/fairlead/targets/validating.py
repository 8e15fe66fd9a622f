"""What of an object its kind has no field for, and what of it no field of its kind can hold; without a cluster.

An API server drops what it does not know unless it is told to refuse it, and the definitions that some components are
installed with describe nothing. Here a field that is not known is a fault. The facts lie in ``fields/``, a table for
each kind in the version that its first line names; ``tools/fields.py`` writes them.

Not said here: what a definition has rules in CEL for, what webhooks and controllers refuse, the forms of names, and
which fields of Kubernetes' own kinds must hold together.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Literal

import msgspec

from fairlead.errors import Fault, nearest
from fairlead.specs.documents import shown

_FOLDER = os.path.join(os.path.dirname(__file__), "fields")
_NAME = re.compile(r"[\w.-]+", re.ASCII)
_COMMON = ("apiVersion", "kind", "metadata")
_BITS = {"int32": 32, "int64": 64}
_SIZES = {"string": ("have", " characters"), "array": ("have", " items"), "object": ("have", " fields")}
_FORMS = {
    "byte": re.compile(r"(?:[A-Za-z0-9+/]\s*)*(?:=\s*){0,2}", re.ASCII),
    "date-time": re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII),
}
_WORDS = {
    "object": "a mapping", "array": "a list", "string": "a text", "boolean": "true or false", "number": "a number",
    "integer": "a whole number", "int-or-string": "a whole number or a text", "number-or-string": "a number or a text",
}  # fmt: skip
_OF: dict[str, tuple[type, ...]] = {
    "object": (Mapping,), "array": (list, tuple), "string": (str,), "boolean": (bool,), "number": (int, float),
    "integer": (int,), "int-or-string": (int, str), "number-or-string": (int, float, str),
}  # fmt: skip


class Type(msgspec.Struct, frozen=True):
    """One type of a table. Types name each other by their positions.

    Attributes:
        type: What a value is; anything where it is empty.
        fields: The fields of a mapping.
        required: Those that must be there.
        open: Whether it may have others.
        values: The type of what else it has: of a mapping from any name.
        object: Whether it is a whole object, with a kind and metadata that no table describes.
        items: The type of a list's items.
        keys: The fields that tell a list's items apart; where there are none, no two items are alike.
        enum: The only values.
        pattern: What a text has the form of, as a regular expression.
        format: What a text or number has the form of.
        least: The least number, the shortest text, the fewest items.
        most: Likewise.
    """

    type: Literal[
        "", "object", "array", "string", "boolean", "number", "integer", "int-or-string", "number-or-string"
    ] = ""
    fields: dict[str, int] = {}
    required: tuple[str, ...] = ()
    open: bool = False
    values: int | None = None
    object: bool = False
    items: int | None = None
    keys: tuple[str, ...] | None = None
    enum: tuple[str | int | float | bool, ...] = ()
    pattern: str = ""
    format: Literal["", "int32", "int64", "byte", "date-time"] = ""
    least: float | None = None
    most: float | None = None


class Table(msgspec.Struct, frozen=True):
    """The fields of one kind, without those that all kinds have.

    Attributes:
        of: What the kind is of, with the version: ``JobSet v0.12.0``.
        source: The definition that the facts were taken from.
        rules: How many rules in CEL it has, none of which is here.
        types: The types; the last one is the kind itself.
    """

    of: str
    source: str
    rules: int
    types: tuple[Type, ...]


@cache
def table_of(api_version: str, kind: str) -> Table | None:
    """Return the table of a kind; None where there is none."""
    if not _NAME.fullmatch(kind) or not all(map(_NAME.fullmatch, api_version.split("/"))):
        return None
    try:
        with open(os.path.join(_FOLDER, f"{api_version.replace('/', '_')}_{kind}.json"), "rb") as file:
            return msgspec.json.decode(file.read(), type=Table)
    except FileNotFoundError:
        return None


def object_field_faults(manifest: Mapping[str, Any], path: str = "") -> Iterator[Fault]:
    """Yield what is wrong with the fields of an object; nothing where there is no table of its kind.

    Args:
        manifest: The object, with its kind.
        path: Where it is, for messages.
    """
    table, metadata = table_of(str(manifest.get("apiVersion")), str(manifest.get("kind"))), table_of("v1", "ObjectMeta")
    if table is None or metadata is None:
        return
    own = {name: value for name, value in manifest.items() if name not in _COMMON}
    yield from _Walk(table).faults(own, len(table.types) - 1, path)
    yield from _Walk(metadata).faults(manifest.get("metadata") or {}, len(metadata.types) - 1, _below(path, "metadata"))


def pod_field_faults(spec: Mapping[str, Any], path: str) -> Iterator[Fault]:
    """Yield what is wrong with the fields of a pod's spec."""
    table = table_of("v1", "Pod")
    assert table is not None
    yield from _Walk(table).faults(spec, table.types[-1].fields["spec"], path)


class _Walk:
    def __init__(self, table: Table) -> None:
        self._table = table

    def faults(self, value: Any, place: int, path: str) -> Iterator[Fault]:
        """Yield what is wrong with a value of the type at a place."""
        form = self._table.types[place]
        if form.type and not _is_of(value, form.type):
            yield Fault(path, f"must be {_WORDS[form.type]}, got {shown(value)}")
        elif form.enum and value not in form.enum:
            yield Fault(path, f"unknown {shown(value)}; {nearest(str(value), filter(None, map(str, form.enum)))}")
        else:
            yield from _limit_faults(value, form, path)
            if isinstance(value, Mapping):
                yield from self._mapping_faults(value, form, path)
            elif isinstance(value, list | tuple):
                yield from self._list_faults(value, form, path)

    def _mapping_faults(self, value: Mapping[Any, Any], form: Type, path: str) -> Iterator[Fault]:
        for name, each in value.items():
            where = _below(path, str(name))
            place = form.fields.get(name, form.values)
            if place is not None:
                if each is not None:  # in a mapping, null is as if nothing stood there
                    yield from self.faults(each, place, where)
            elif form.type and not form.open and not (form.object and name in _COMMON):
                close = nearest(str(name), form.fields)
                yield Fault(where, f"there is no such field in {self._table.of}{'; ' if close else ''}{close}")
        for name in form.required:
            if value.get(name) is None:
                yield Fault(_below(path, name), "is missing")

    def _list_faults(self, value: list[Any] | tuple[Any, ...], form: Type, path: str) -> Iterator[Fault]:
        found = set()
        for position, each in enumerate(value):
            if form.items is not None:
                yield from self.faults(each, form.items, f"{path}[{_named(each, position)}]")
            if form.keys is not None:
                key = [each.get(name) for name in form.keys] if form.keys and isinstance(each, Mapping) else each
                if repr(key) in found:
                    by = f", by {' and '.join(form.keys)}" if form.keys else ""
                    yield Fault(f"{path}[{position}]", f"is there twice{by}")
                found.add(repr(key))


def _is_of(value: Any, kind: str) -> bool:
    return isinstance(value, _OF[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _limit_faults(value: Any, form: Type, path: str) -> Iterator[Fault]:
    """Yield which limits of its type a value does not keep."""
    if form.least is not None or form.most is not None:
        must, of = _SIZES.get(form.type, ("be", ""))
        size = len(value) if of else value
        if form.least is not None and size < form.least:
            yield Fault(path, f"must {must} at least {form.least:.15g}{of}, got {size}")
        if form.most is not None and size > form.most:
            yield Fault(path, f"must {must} at most {form.most:.15g}{of}, got {size}")
    if isinstance(value, str) and form.pattern and not _compiled(form.pattern).search(value):
        yield Fault(path, f"must have the form {form.pattern}, got {shown(value)}")
    if isinstance(value, str) and form.format in _FORMS and not _FORMS[form.format].fullmatch(value):
        yield Fault(path, f"must have the form of {form.format}, got {shown(value)}")
    if isinstance(value, int) and form.format in _BITS and not -1 <= value >> (_BITS[form.format] - 1) <= 0:
        yield Fault(path, f"must fit into {_BITS[form.format]} bits, got {value}")


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # Definitions have Go's expressions: there $ is the end, not what stands before a last newline, and flags may
    # come after the beginning.
    found = re.sub(r"(?<!\\)\$$", r"\\Z", pattern)
    return re.compile(re.sub(r"^\^(\(\?i\))", r"\1^", found), re.ASCII)


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _named(item: Any, position: int) -> str:
    name = item.get("name") if isinstance(item, Mapping) else None
    return name if isinstance(name, str) and name else str(position)
