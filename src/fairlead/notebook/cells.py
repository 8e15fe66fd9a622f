"""What the cells of a kernel define, by name, as they were executed.

Not for deciding what a flow needs of it: that is `exporting`.
"""

from __future__ import annotations

import ast
import functools
import warnings
from collections.abc import Iterable, Iterator
from types import FunctionType
from typing import Any, NamedTuple

from fairlead.packaging.sources import unwrap

DefinitionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_INNER = (ast.stmt, ast.ExceptHandler, ast.match_case)
_TRANSPARENT_MAGICS = ("capture", "prun", "time")
"""Magics of a whole cell that execute it as any other, so that what it defines is there afterwards."""


class Cell(NamedTuple):
    """One executed cell.

    Attributes:
        number: The number in its ``In[…]``.
        source: What was executed, magics replaced by calls.
        file: The name its code was compiled under; empty where it is not known.
        above: How many lines of the cell come before the source.
    """

    number: int
    source: str
    file: str = ""
    above: int = 0

    def place(self, line: int) -> str:
        """Name a line of the source as IPython does."""
        return f"Cell In[{self.number}], line {line + self.above}"


class Binding(NamedTuple):
    """A statement of a cell that binds a name."""

    cell: Cell
    node: ast.stmt

    @property
    def first_line(self) -> int:
        """The line it begins in, its decorators included."""
        decorators = self.node.decorator_list if isinstance(self.node, _DEFINITIONS) else []
        return min([self.node.lineno, *(each.lineno for each in decorators)])

    @property
    def place(self) -> str:
        """The cell and line it begins in."""
        return self.cell.place(self.first_line)


class Cells:
    """The bindings of all cells.

    Args:
        cells: The cells in the order in which they were executed.
    """

    def __init__(self, cells: Iterable[Cell]) -> None:
        self._bindings: dict[str, list[Binding]] = {}
        self.stars: list[str] = []
        for cell in cells:
            for node in _statements(_parse(cell.source)):
                for name in _bound_names(node):
                    if name == "*":
                        self.stars.append(getattr(node, "module", None) or "")
                    else:
                        self._bindings.setdefault(name, []).append(Binding(cell, node))

    def binding(self, name: str, value: Any) -> Binding | None:
        """Return the newest statement that bound a name; where code tells which one made `value`, that one."""
        found = self._bindings.get(name, [])
        code = _code_of(value)
        for each in reversed(found):
            if not isinstance(each.node, _DEFINITIONS) or code is None or not each.cell.file:
                continue
            is_whole = isinstance(each.node, ast.ClassDef)  # of a class only the lines of its methods are known
            if code.co_filename == each.cell.file and (is_whole or code.co_firstlineno == each.first_line):
                return each
        return found[-1] if found else None

    def imports(self, name: str) -> Iterator[tuple[ast.Import | ast.ImportFrom, ast.alias]]:
        """Yield every import that binds a name, newest first."""
        for each in reversed(self._bindings.get(name, [])):
            if isinstance(each.node, ast.Import | ast.ImportFrom):
                yield from ((each.node, alias) for alias in each.node.names if _alias_name(alias) == name)


def read_cells(shell: Any) -> Iterator[Cell]:
    """Yield the cells that an IPython shell has executed, oldest first."""
    history = shell.history_manager
    pairs = zip(history.input_hist_raw, history.input_hist_parsed, strict=False)
    for number, (raw, source) in enumerate(pairs):
        yield Cell(number, source, shell.compile.get_code_name(raw, source, number))
        for line, body in _magic_bodies(source):
            yield Cell(number, shell.transform_cell(body), above=line)


def _magic_bodies(source: str) -> Iterator[tuple[int, str]]:
    if "run_cell_magic" not in source:
        return
    for node in _parse(source):
        match node:
            case ast.Expr(value=ast.Call(func=ast.Attribute(attr="run_cell_magic"), args=[name, _, body])):
                if (
                    isinstance(name, ast.Constant)
                    and name.value in _TRANSPARENT_MAGICS
                    and isinstance(body, ast.Constant)
                ):
                    yield node.lineno, str(body.value)
            case _:
                pass


@functools.lru_cache(maxsize=4096)
def _parse(source: str) -> tuple[ast.stmt, ...]:
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the kernel has warned already
        try:
            tree = compile(source, "<cell>", "exec", flags, dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError):  # a cell that never ran
            return ()
    assert isinstance(tree, ast.Module)
    return tuple(tree.body)


def _statements(body: Iterable[ast.AST]) -> Iterator[ast.stmt]:
    """Yield the statements that a cell executes, those within ``if``, ``try`` and the like included."""
    for node in body:
        if isinstance(node, ast.stmt):
            yield node
        if not isinstance(node, _DEFINITIONS):
            yield from _statements(each for each in ast.iter_child_nodes(node) if isinstance(each, _INNER))


def _bound_names(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, _DEFINITIONS):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from map(_alias_name, node.names)
    else:
        stack: list[ast.AST] = [node]
        while stack:
            each = stack.pop()
            if isinstance(each, ast.Name) and not isinstance(each.ctx, ast.Load):
                yield each.id
            stack.extend(child for child in ast.iter_child_nodes(each) if not isinstance(child, _INNER))


def _alias_name(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]


def _code_of(value: Any) -> Any:
    """Return the code of a function, or of any method of a class; None where there is none."""
    value = unwrap(value)
    if isinstance(value, FunctionType):
        return value.__code__
    if isinstance(value, type):
        methods = (each for each in vars(value).values() if isinstance(each, FunctionType))
        own = (each.__code__ for each in methods if each.__code__.co_filename != "<string>")  # not a dataclass's
        return next(own, None)
    return None
