"""From the cells of a kernel to one module: what some functions need, in an order in which it can be imported.

Definitions go by their source, the newest of a name; imports as imports; values by value where they are small.
What can't go is refused by name. The text depends on the definitions and values alone, not on the order or the
number of executions.
"""

from __future__ import annotations

import ast
import builtins
import copy
import functools
import re
import sys
import textwrap
import typing
from collections.abc import Callable, Iterable, Mapping
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from fairlead.errors import Fault
from fairlead.notebook.cells import Binding, Cells, DefinitionNode
from fairlead.notebook.constants import CONSTANT_BYTES_MAX, NotExportable, literal, pickled
from fairlead.packaging.trees import facts_of
from fairlead.packaging.values import is_code

_HEAD = (
    '"""Cells of a notebook, as the steps of its flows need them. Made by Fairlead; an edit here changes nothing."""'
)
_FUTURE_ANNOTATIONS = 0x1000000  # __future__.annotations.compiler_flag, which does not change any more
_REPLAYED: tuple[type, ...] = (functools.partial, typing.TypeVar, typing.ParamSpec, typing.NewType)
"""Values that are code in disguise: the statement that made them is exported, as for functions."""
if sys.version_info >= (3, 12):
    _REPLAYED = (*_REPLAYED, typing.TypeAliasType)
_IMPORTS = (ast.Import, ast.ImportFrom)
_MISSING = object()


class Piece(NamedTuple):
    """A part of the module's text, and the statement it is a copy of."""

    text: str
    binding: Binding | None


class Exported(NamedTuple):
    """A module made of cells.

    Attributes:
        source: Its text.
        names: What it defines from cells: functions, classes and values.
        faults: What it needs and can't have.
        lines: By line of the text, the line of the statement it begins a copy of.
    """

    source: str
    names: frozenset[str]
    faults: tuple[Fault, ...]
    lines: dict[int, Binding]

    def place(self, line: int) -> str | None:
        """Return the cell and the line of it that a line of the text comes from."""
        first = max((each for each in self.lines if each <= line), default=None)
        if first is None:
            return None
        binding = self.lines[first]
        return binding.cell.place(binding.first_line + line - first)


def export(roots: Iterable[str], cells: Cells, names: Mapping[str, Any], adopt: Callable[[Any], None]) -> Exported:
    """Export what some names need.

    Args:
        roots: The names.
        cells: What the cells define.
        names: The kernel's namespace.
        adopt: Makes a function or class of the cells known under the module's name, so that pickles refer to it.
    """
    walk = _Walk(cells, names, adopt)
    for root in sorted(roots):
        walk.reach(root, "the flow")
    return walk.exported()


class _Walk:
    def __init__(self, cells: Cells, names: Mapping[str, Any], adopt: Callable[[Any], None]) -> None:
        self._cells = cells
        self._names = names
        self._adopt = adopt
        self._seen: set[str] = set()
        self._imports: set[str] = set()
        self._pieces: list[Piece] = []
        self._written: set[tuple[str, int]] = set()
        self._faults: dict[str, Fault] = {}
        self._future = False

    def reach(self, name: str, user: str) -> None:
        """Export a name, and everything it needs."""
        if name in self._seen:
            return
        self._seen.add(name)
        value = self._names.get(name, _MISSING)
        if value is _MISSING:
            self._reach_builtin(name)
            return
        binding = self._cells.binding(name, value)
        if self._import(name, value, binding):
            return
        if binding is not None and self._goes_by_source(value, binding):
            self._statement(name, binding)
        elif isinstance(value, FunctionType | type) or is_code(value):
            self._refuse(name, user, "is code of no cell that is known any more", "run the cell that defines it again")
        else:
            self._value(name, value, user, binding)

    def exported(self) -> Exported:
        """Put the text together."""
        head = [_HEAD, *(["from __future__ import annotations"] if self._future else [])]
        text = "\n\n".join([*head, *(["\n".join(sorted(self._imports))] if self._imports else [])])
        lines: dict[int, Binding] = {}
        for piece in self._pieces:
            text += "\n\n\n"
            if piece.binding is not None:
                lines[text.count("\n") + 1] = piece.binding
            text += piece.text
        names = frozenset(name for name in self._seen if name in self._names)
        return Exported(text + "\n", names, tuple(self._faults.values()), lines)

    def _reach_builtin(self, name: str) -> None:
        value = getattr(builtins, name, None)  # IPython adds `display` there
        if isinstance(value, FunctionType):
            self._import(name, value, None)

    def _import(self, name: str, value: Any, binding: Binding | None) -> bool:
        """Export a name as an import where that gives this value; says whether it does."""
        written = self._written_imports(name, value) if binding and isinstance(binding.node, _IMPORTS) else set()
        if written:
            self._imports |= written
        elif isinstance(value, ModuleType):
            self._imports.add(f"import {value.__name__}" + (f" as {name}" if value.__name__ != name else ""))
        else:
            module = self._home(name, value)
            if module is None:
                return False
            own = getattr(value, "__name__", name)
            own = own if getattr(sys.modules[module], own, None) is value else name
            self._imports.add(f"from {module} import {own}" + (f" as {name}" if own != name else ""))
        return True

    def _written_imports(self, name: str, value: Any) -> set[str]:
        """Return the cells' imports that give this value: the newest, and each that makes a submodule available."""
        found: set[str] = set()
        for node, alias in self._cells.imports(name):
            if isinstance(node, ast.ImportFrom):
                origin = sys.modules.get(node.module or "")
                if getattr(origin, alias.name, _MISSING) is value and not found:
                    return {ast.unparse(ast.ImportFrom(node.module, [alias], node.level))}
            elif _gives(alias, name, value) and not (alias.asname and found):
                found.add(ast.unparse(ast.Import([alias])))
        return found

    def _home(self, name: str, value: Any) -> str | None:
        """Return the module that a function or class of none of the cells can be imported from."""
        module = getattr(value, "__module__", None)
        candidates = [*reversed(self._cells.stars), *([module] if isinstance(module, str) and is_code(value) else [])]
        for each in candidates:
            found = sys.modules.get(each)
            if found is None or each == "__main__" or getattr(found, "__fairlead_cells__", False):
                continue
            if any(getattr(found, own, _MISSING) is value for own in (name, getattr(value, "__name__", name))):
                return each
        return None

    def _goes_by_source(self, value: Any, binding: Binding) -> bool:
        if isinstance(binding.node, DefinitionNode):
            return literal(value) is None
        is_ours = type(value).__module__.startswith("fairlead.authoring.")  # a step, a flow, a sweep
        return is_code(value) or is_ours or isinstance(value, _REPLAYED)

    def _statement(self, name: str, binding: Binding) -> None:
        """Copy a statement, after what it needs when it is executed and before what it needs when it is called."""
        node = binding.node
        used = facts_of(node, lambda *_: True).names
        if "get_ipython" in used:
            why = "uses a magic or a shell command (% or !), which exists in a notebook only"
            self._refuse(name, name, why, "write it in Python, for instance with subprocess")
        now = facts_of(_without_bodies(node), lambda *_: True).names if isinstance(node, DefinitionNode) else used
        for each in sorted(now - {name}):
            self.reach(each, name)
        place = (binding.cell.source, node.lineno)
        if place not in self._written:
            self._written.add(place)
            self._pieces.append(Piece(_text(binding), binding))
        self._note_future(self._names[name])
        for each in sorted(used):
            self.reach(each, name)

    def _value(self, name: str, value: Any, user: str, binding: Binding | None) -> None:
        text = literal(value)
        if text is None:
            try:
                text = pickled(value, lambda code: self._adopt_used(code, name))
            except NotExportable as error:
                self._refuse(
                    name, user, f"is {_kind(value)} that {error}", f"give it to {user} as a parameter", binding
                )
                return
            self._imports |= {"import base64", "import pickle"}
        elif len(text) > CONSTANT_BYTES_MAX:
            why = f"is {_kind(value)} that is larger than {CONSTANT_BYTES_MAX // 1024} KiB"
            self._refuse(name, user, why, f"give it to {user} as a parameter", binding)
            return
        self._pieces.append(Piece(f"{name} = {text}", None))

    def _adopt_used(self, code: Any, user: str) -> None:
        name = code.__qualname__.partition(".")[0]
        if self._names.get(name, _MISSING) is code or code.__module__ == "__main__":
            self._adopt(code)
            self.reach(name, user)

    def _note_future(self, value: Any) -> None:
        function = getattr(value, "function", value)
        methods = vars(function).values() if isinstance(function, type) else (function,)
        codes = (each.__code__ for each in methods if isinstance(each, FunctionType))
        self._future = self._future or any(code.co_flags & _FUTURE_ANNOTATIONS for code in codes)

    def _refuse(self, name: str, user: str, why: str, advice: str, binding: Binding | None = None) -> None:
        binding = binding or self._cells.binding(name, self._names[name])
        place = f" ({binding.place})" if binding else ""
        uses = f"{user} uses {name}" if user != name else name
        self._faults.setdefault(name, Fault(f"{uses}{place}", f"it {why}; {advice}"))


def _gives(alias: ast.alias, name: str, value: Any) -> bool:
    """Say whether importing a module binds a name to this value."""
    return alias.name in sys.modules and sys.modules.get(alias.name if alias.asname else name) is value


def _text(binding: Binding) -> str:
    """Return a statement's text as it stands in its cell."""
    node = binding.node
    if not isinstance(node, DefinitionNode):
        return ast.get_source_segment(binding.cell.source, node) or ast.unparse(node)
    lines = re.split(r"\r\n|\r|\n", binding.cell.source)[binding.first_line - 1 : node.end_lineno]
    return textwrap.dedent("\n".join(lines))


def _without_bodies(node: Any) -> Any:
    """Return a copy of a definition with what is executed with it, and not what is when it is called."""
    shallow = copy.copy(node)
    if isinstance(node, ast.ClassDef):
        shallow.body = [_without_bodies(each) if isinstance(each, DefinitionNode) else each for each in node.body]
    else:
        shallow.body = [ast.Pass()]
    return shallow


def _kind(value: Any) -> str:
    name = type(value).__name__
    article = "an" if name[:1].lower() in "aeiou" else "a"
    shape = getattr(value, "shape", None)
    return f"{article} {name}" + (f" of {' by '.join(map(str, shape))}" if isinstance(shape, tuple) and shape else "")
