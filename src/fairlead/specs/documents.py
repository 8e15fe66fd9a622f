"""Specs as files: YAML and JSON both ways, and reading that reports every fault with its path."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from fairlead.errors import Fault, SpecError, nearest

T = TypeVar("T")


def to_json(spec: Any, *, indent: int = 2) -> bytes:
    """Write a spec as JSON, keys in the order of the fields."""
    encoded = msgspec.json.encode(spec)
    return msgspec.json.format(encoded, indent=indent) if indent else encoded


def to_yaml(spec: Any) -> str:
    """Write a spec as YAML, keys in the order of the fields."""
    import yaml  # lazy: PyYAML, 15 ms

    class Dumper(yaml.SafeDumper):
        """Quotes what a reader of YAML 1.1 or 1.2 would take for something else than a text."""

    for tag, pattern, first in _core_schema():
        Dumper.add_implicit_resolver(tag, pattern, first)
    plain = msgspec.to_builtins(spec)
    text: str = yaml.dump(plain, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text


def parse(text: bytes | str, *, source: str) -> Any:
    """Read YAML or JSON (which is YAML) into plain values.

    Scalars are read as YAML 1.2 has them: ``on`` and ``off`` are texts, ``1e-4`` is a number, and there are no dates.

    Raises:
        SpecError: The text is neither, with the line where it breaks.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        pass
    import yaml  # lazy: PyYAML, 15 ms

    class Loader(yaml.SafeLoader):
        """Reads scalars by the core schema of YAML 1.2."""

        yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012  # PyYAML's own form

    for tag, pattern, first in _core_schema():
        Loader.add_implicit_resolver(tag, pattern, first)
    Loader.add_constructor("tag:yaml.org,2002:int", lambda _, node: int(node.value))
    try:
        return yaml.load(text, Loader)  # a SafeLoader with fewer kinds of scalars
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        why = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise SpecError(source, [Fault(place, f"is neither YAML nor JSON: {why}")]) from error
    except RecursionError as error:
        raise SpecError(source, [Fault("", "is nested too deeply")]) from error


def _core_schema() -> tuple[tuple[str, re.Pattern[str], list[str]], ...]:
    """Return which plain texts are no texts, with the characters they begin with.

    Source: https://yaml.org/spec/1.2.2/#103-core-schema, without octal and hexadecimal integers.
    """
    return (
        ("tag:yaml.org,2002:null", re.compile(r"(~|null|Null|NULL|)\Z"), ["~", "n", "N", ""]),
        ("tag:yaml.org,2002:bool", re.compile(r"(true|True|TRUE|false|False|FALSE)\Z"), list("tTfF")),
        ("tag:yaml.org,2002:int", re.compile(r"[-+]?[0-9]+\Z"), list("-+0123456789")),
        (
            "tag:yaml.org,2002:float",
            re.compile(
                r"([-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+"
                r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))\Z"
            ),
            list("-+.0123456789"),
        ),
    )


def convert(raw: Any, form: type[T], *, source: str) -> T:
    """Turn plain values into a spec.

    Raises:
        SpecError: With every fault and its path, not only the first.
    """
    faults = list(_faults(raw, inspect.type_info(form), ""))
    if faults:
        raise SpecError(source, faults)
    try:
        return msgspec.convert(raw, form)
    except msgspec.ValidationError as error:  # what the walk above can't see, such as a rule between fields
        raise SpecError(source, [Fault("", str(error))]) from error


def _faults(raw: Any, form: inspect.Type, path: str) -> Iterator[Fault]:
    match form:
        case inspect.StructType():
            yield from _struct_faults(raw, form, path)
        case inspect.UnionType():
            yield from _union_faults(raw, form, path)
        case inspect.DictType() if isinstance(raw, dict):
            for key, value in raw.items():
                yield from _leaf_faults(key, form.key_type, f"{path}.{key}".lstrip("."))
                yield from _faults(value, form.value_type, f"{path}.{key}".lstrip("."))
        case inspect.VarTupleType() | inspect.ListType() if isinstance(raw, list | tuple):
            for position, value in enumerate(raw):
                yield from _faults(value, form.item_type, f"{path}[{position}]")
        case _:
            yield from _leaf_faults(raw, form, path)


def _struct_faults(raw: Any, form: inspect.StructType, path: str) -> Iterator[Fault]:
    if form.array_like:
        yield from _leaf_faults(raw, form, path)
        return
    if not isinstance(raw, dict):
        yield Fault(path, f"must be a mapping, got {_kind(raw)}")
        return
    fields = {field.encode_name: field for field in form.fields}
    known = {*fields, form.tag_field} if form.tag_field else set(fields)
    for key in raw:
        if key not in known:
            yield Fault(f"{path}.{key}".lstrip("."), f"there is no such field; {nearest(str(key), known)}")
    for name, field in fields.items():
        where = f"{path}.{name}".lstrip(".")
        if name in raw:
            yield from _faults(raw[name], field.type, where)
        elif field.required:
            yield Fault(where, "is missing")


def _union_faults(raw: Any, form: inspect.UnionType, path: str) -> Iterator[Fault]:
    variants = [each for each in form.types if isinstance(each, inspect.StructType)]
    if not variants or not isinstance(raw, dict):
        yield from _leaf_faults(raw, form, path)
        return
    if len(variants) == 1:
        yield from _struct_faults(raw, variants[0], path)
        return
    field = variants[0].tag_field or "kind"
    tags = {str(each.tag): each for each in variants}
    tag = raw.get(field)
    where = f"{path}.{field}".lstrip(".")
    if tag is None:
        yield Fault(where, f"is missing; one of {', '.join(tags)}")
    elif str(tag) not in tags:
        yield Fault(where, f"unknown {tag!r}; {nearest(str(tag), tags)}")
    else:
        yield from _struct_faults(raw, tags[str(tag)], path)


def _leaf_faults(raw: Any, form: inspect.Type, path: str) -> Iterator[Fault]:
    try:
        msgspec.convert(raw, _python_type(form))
    except msgspec.ValidationError as error:
        if isinstance(form, inspect.LiteralType):
            words = [str(each) for each in form.values]
            close = nearest(raw, words) if isinstance(raw, str) and len(words) > 1 else ""
            hint = f"; {close}" if close.startswith("did you mean") else ""
            yield Fault(path, f"must be {' or '.join(map(repr, form.values))}, got {raw!r}{hint}")
        elif (wanted := _wanted(form)) and type(raw) in _KINDS:
            yield Fault(path, f"must be {' or '.join(wanted)}, got {shown(raw)}")
        else:
            message = str(error)
            yield Fault(path, message[0].lower() + message[1:].split(" - at `")[0])


def _wanted(form: inspect.Type) -> list[str]:
    """Return the kinds of value that a form takes, in words; empty where there are none for it."""
    match form:
        case inspect.UnionType(types):
            kinds = [_wanted(each) for each in types if not isinstance(each, inspect.NoneType)]
            words = dict.fromkeys(word for kind in kinds for word in kind) if all(kinds) else {}
            return [word for word in words if word != "a whole number" or "a number" not in words]
        case inspect.StructType(array_like=False) | inspect.DictType():
            return ["a mapping"]
        case inspect.StructType() | inspect.VarTupleType() | inspect.ListType():
            return ["a list"]
        case inspect.IntType():
            return ["a whole number"]
        case inspect.FloatType():
            return ["a number"]
        case inspect.StrType():
            return ["a text"]
        case inspect.BoolType():
            return ["true or false"]
        case _:
            return []


def shown(raw: Any) -> str:
    """Return a value for a message: a short one itself, and of others what they are."""
    text = repr(raw)
    return text if isinstance(raw, str | int | float) and len(text) <= 40 else _kind(raw)


_PLAIN: dict[type, Any] = {
    inspect.StrType: str,
    inspect.IntType: int,
    inspect.FloatType: float,
    inspect.BoolType: bool,
    inspect.NoneType: type(None),
    inspect.AnyType: Any,
}


def _python_type(form: inspect.Type) -> Any:
    match form:
        case inspect.UnionType(types):
            union = _python_type(types[0])
            for each in types[1:]:
                union = union | _python_type(each)
            return union
        case inspect.LiteralType(values):
            from typing import Literal

            return Literal[values]
        case inspect.StructType(cls):
            return cls
        case inspect.VarTupleType(item) | inspect.ListType(item):
            return list[_python_type(item)]  # type: ignore[misc]  # the type is computed
        case inspect.DictType(key, value):
            return dict[_python_type(key), _python_type(value)]  # type: ignore[misc]  # the type is computed
        case _:
            return _PLAIN[type(form)]


_KINDS = {
    dict: "a mapping", list: "a list", tuple: "a list", str: "a text", type(None): "nothing", bool: "a truth value",
    int: "a number", float: "a number",
}  # fmt: skip


def _kind(raw: Any) -> str:
    return _KINDS.get(type(raw), type(raw).__name__)
