"""One module as it is written: what each of its names is bound to, its imports, and digests of its parts."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping
from types import CodeType
from typing import Any

from fairlead.packaging.trees import Facts, FunctionNode, Import, Keep, dotted, facts_of, is_type_checking, tree_digest

DefinitionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Bindings:
    """What the top level of a module binds, by name."""

    def __init__(self) -> None:
        self.definitions: dict[str, list[DefinitionNode]] = {}
        self.imports: dict[str, list[Import]] = {}
        self.assignments: dict[str, list[ast.AST]] = {}
        self.stars: list[Import] = []


class Syntax:
    """A module's syntax. Immutable but for what it remembers; a file that can't be parsed has no names.

    Args:
        module: The module's dotted name, for relative imports.
        source: Its bytes.
        is_package: Whether it is a package's ``__init__``.
    """

    def __init__(self, module: str, source: bytes, *, is_package: bool) -> None:
        self.module = module
        self.source = source
        self.is_package = is_package
        parsed = _parse(source)
        self.is_readable = parsed is not None
        self.tree = parsed or ast.Module(body=[], type_ignores=[])
        self._bindings: Bindings | None = None
        self._digests: dict[tuple[int, bool], str] = {}
        self._facts: dict[tuple[int, bool], Facts] = {}
        self._by_line: dict[int, list[FunctionNode]] = {}

    @property
    def bindings(self) -> Bindings:
        """What the module's top level binds."""
        if self._bindings is None:
            self._bindings = Bindings()
            for statement in _top_statements(self.tree.body):
                self._bind(statement, self._bindings)
        return self._bindings

    def digest(self, node: ast.AST | None = None, names: Mapping[str, Any] | None = None) -> str:
        """Digest a node of the module, or all of it. `names` are the module's values, where it is loaded."""
        node = node or self.tree
        key = (id(node), names is not None)
        if key not in self._digests:
            self._digests[key] = (
                tree_digest(node, self._keep(names)) if self.is_readable else hashlib.sha256(self.source).hexdigest()
            )
        return self._digests[key]

    def facts(self, node: ast.AST | None = None, names: Mapping[str, Any] | None = None) -> Facts:
        """Return what a node of the module, or all of it, refers to."""
        node = node or self.tree
        key = (id(node), names is not None)
        if key not in self._facts:
            self._facts[key] = facts_of(node, self._keep(names))
        return self._facts[key]

    def imports(self, facts: Facts) -> Iterator[Import]:
        """Yield the imports among some facts, made absolute."""
        for statement in facts.imports:
            for _, each in self._absolute(statement):
                yield each

    def exports(self) -> tuple[str, ...]:
        """Return what ``__all__`` names, where it is written out."""
        for statement in self.bindings.assignments.get("__all__", ()):
            value = getattr(statement, "value", None)
            if isinstance(value, ast.List | ast.Tuple):
                return tuple(str(each.value) for each in value.elts if isinstance(each, ast.Constant))
        return ()

    def function(self, code: CodeType) -> FunctionNode | None:
        """Return the node that a code object was compiled from."""
        for node in self.bindings.definitions.get(code.co_name, ()):
            if not isinstance(node, ast.ClassDef) and _first_line(node) == code.co_firstlineno:
                return node
        if not self._by_line:
            for each in ast.walk(self.tree):
                if isinstance(each, FunctionNode):
                    self._by_line.setdefault(_first_line(each), []).append(each)
        name = code.co_name
        found = [
            node
            for node in self._by_line.get(code.co_firstlineno, ())
            if ("<lambda>" if isinstance(node, ast.Lambda) else node.name) == name
        ]
        return found[0] if len(found) == 1 else _by_position(found, code)

    def _bind(self, statement: ast.AST, into: Bindings) -> None:
        if isinstance(statement, _DEFINITIONS):
            into.definitions.setdefault(statement.name, []).append(statement)
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            for name, each in self._absolute(statement):
                if each.names == ("*",):
                    into.stars.append(each)
                else:
                    into.imports.setdefault(name, []).append(each)
        else:
            for name in _bound_names(statement):
                into.assignments.setdefault(name, []).append(statement)

    def _absolute(self, statement: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Import]]:
        """Yield each name that an import binds, with what it is bound to."""
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                yield alias.asname or alias.name.partition(".")[0], Import(alias.name)
            return
        module = statement.module or ""
        if statement.level:
            above = self.module.split(".")[: None if self.is_package else -1]
            base = above[: max(len(above) - statement.level + 1, 0)]
            module = ".".join([*base, module] if module else base)
        for alias in statement.names:
            yield alias.asname or alias.name, Import(module, (alias.name,))

    def _keep(self, names: Mapping[str, Any] | None) -> Keep:
        def keep(node: ast.AST, decorator: ast.expr) -> bool:
            return not self._is_fairlead(node, decorator, names)

        return keep

    def _is_fairlead(self, node: ast.AST, decorator: ast.expr, names: Mapping[str, Any] | None) -> bool:
        """Say whether a decorator is Fairlead's own: by what it made, by its value, or by what it is imported from."""
        path = dotted(decorator)
        first, *rest = path.split(".")
        if any(_top(each.module) == "fairlead" for each in self.bindings.imports.get(first, ())):
            return True
        if names is None or first not in names:
            return False
        made = names.get(getattr(node, "name", ""))
        if path.rpartition(".")[2] in ("step", "flow") and callable(getattr(made, "function", None)):
            return True
        value = names[first]
        for attribute in rest:
            value = getattr(value, attribute, None)
        return _top(getattr(value, "__module__", None) or "") == "fairlead"


_READ: dict[tuple[str, str], Syntax] = {}


def read_syntax(module: str, path: str, source: bytes) -> Syntax:
    """Return a module's syntax; one is remembered for each file, as long as its bytes are the same."""
    known = _READ.get((module, path))
    if known is None or known.source != source:
        is_package = path.endswith(("/__init__.py", "\\__init__.py"))
        known = _READ[module, path] = Syntax(module, source, is_package=is_package)
    return known


def _parse(source: bytes) -> ast.Module | None:
    import warnings  # lazy: only where something is parsed; the compiler has warned already, with the user's line

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):  # importing it says what is wrong
            return None


def _top(module: str) -> str:
    return module.partition(".")[0]


def _first_line(node: FunctionNode) -> int:
    """Return the line that Python gives a function: its first decorator's."""
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    return min([node.lineno, *(each.lineno for each in decorators)])


def _by_position(found: list[FunctionNode], code: CodeType) -> FunctionNode | None:
    """Choose between functions that begin on one line by the columns of their instructions."""
    if not hasattr(code, "co_positions"):  # Python 3.10 knows no columns: whose code it is can't be told
        return None
    columns = [(line, column) for line, _, column, _ in code.co_positions() if line and column]
    if not columns:
        return found[0] if found else None
    for node in reversed(found):  # the innermost comes last
        body = node.body if isinstance(node, ast.Lambda) else node.body[0]
        last = node.body if isinstance(node, ast.Lambda) else node.body[-1]
        start, end = (body.lineno, body.col_offset), (last.end_lineno or 0, last.end_col_offset or 0)
        if start <= min(columns) and max(columns) < end:
            return node
    return None


def _top_statements(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """Yield the statements that run when a module is imported, without those for type checkers."""
    stack: list[ast.AST] = list(reversed(body))
    while stack:
        node = stack.pop()
        if isinstance(node, ast.If) and is_type_checking(node.test):
            stack.extend(reversed(node.orelse))
            continue
        yield node
        if not isinstance(node, _DEFINITIONS):
            inner = (ast.stmt, ast.ExceptHandler, ast.match_case)
            stack.extend(reversed([each for each in ast.iter_child_nodes(node) if isinstance(each, inner)]))


def _bound_names(statement: ast.AST) -> Iterator[str]:
    """Yield the names that a statement itself binds, without the statements and scopes in it."""
    stack: list[ast.AST] = [statement]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name
        elif isinstance(node, ast.MatchMapping) and node.rest:
            yield node.rest
        if not isinstance(node, ast.Lambda):
            stack.extend(
                each
                for each in ast.iter_child_nodes(node)
                if not isinstance(each, ast.stmt | ast.ExceptHandler | ast.match_case)
            )
