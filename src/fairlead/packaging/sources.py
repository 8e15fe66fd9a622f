"""The source part of a step's cache key: the code and the values that a function's result depends on.

Comments, formatting and docstrings do not count (a function that reads a ``__doc__`` is not followed there), nor do
Fairlead's own decorators, modules outside the project (the declared environment stands for them), and what is imported
for type checkers only. Annotations count.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from fairlead.naming import digest_bytes
from fairlead.packaging.imports import import_closure, packages_of, syntax_of, targets
from fairlead.packaging.project import Project
from fairlead.packaging.syntax import Syntax
from fairlead.packaging.texts import texts_of
from fairlead.packaging.trees import Facts, FunctionNode, Import, is_literal
from fairlead.packaging.values import code_digest, is_code, is_decorated, value_digest

__all__ = ["import_closure", "source_parts"]


def source_parts(function: Callable[..., Any], project: Project) -> dict[str, str]:
    """Return a digest of each thing that a function's result depends on, as far as its source tells.

    Args:
        function: A function, a step or a flow.
        project: The project it belongs to; modules outside it do not count.

    Returns:
        By name, sorted: ``function``; ``name:<module>.<name>`` for what it reaches in its own module;
        ``module:<dotted>`` for other modules of the project; ``global:<module>.<NAME>`` for data of its module;
        ``closure:<name>`` and ``default:<parameter>`` for values it was made with.
    """
    return _Reach(project).run(unwrap(function))


def unwrap(value: Any) -> Any:
    """Return the user's function behind a step, a flow or a decorator that says what it wraps."""
    seen: set[int] = set()
    while id(value) not in seen and not isinstance(value, type | ModuleType):
        seen.add(id(value))
        inner = None if isinstance(value, FunctionType) else getattr(value, "function", None)
        inner = inner if callable(inner) else getattr(value, "__wrapped__", None)
        value = inner if callable(inner) else value
    return value


class _View(NamedTuple):
    """A module of which single names count, not the whole: its name, file, syntax and values."""

    name: str
    path: str
    syntax: Syntax
    values: dict[str, Any]


class _Reach:
    """One walk from a function to everything it depends on."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._texts = texts_of(project)
        self._root = str(project.root)
        self._parts: dict[str, str] = {}
        self._views: dict[str, _View] = {}
        self._seen: set[tuple[str, str]] = set()
        self._described: dict[int, str] = {}
        self._todo: list[tuple[_View, Facts, frozenset[str]]] = []

    def run(self, function: Any) -> dict[str, str]:
        if isinstance(function, FunctionType):
            self._described[id(function)] = function.__qualname__
            self._seen.add((os.path.abspath(function.__code__.co_filename), function.__qualname__))
            node, digest = self._own(function)
            self._parts["function"] = digest
            self._parts |= {f"closure:{name}": each for name, each in self._closure(function).items()}
            self._parts |= {f"default:{name}": each for name, each in self._defaults(function, node).items()}
        else:
            self._parts["function"] = digest_bytes(self._value(function).encode())
        while self._todo:
            self._follow(*self._todo.pop())
        return dict(sorted(self._parts.items()))

    def _own(self, function: FunctionType) -> tuple[FunctionNode | None, str]:
        """Digest a function's own code, and queue what it refers to."""
        code = function.__code__
        view = self._view(os.path.abspath(code.co_filename), function.__module__, function.__globals__)
        node = view.syntax.function(code) if view else None
        if view is None or node is None:
            return None, code_digest(code)
        if self._project.is_project_file(view.path):
            self._todo.append((view, view.syntax.facts(node, view.values), frozenset(code.co_freevars)))
        return node, view.syntax.digest(node, view.values)

    def _view(self, path: str, module: str | None, values: dict[str, Any]) -> _View | None:
        if path not in self._views:
            if not self._texts.is_file(path):
                return None
            # A script that is run as __main__ has the same parts as the module that workers import.
            name = self._project.module if path == str(self._project.file) else module or ""
            self._views[path] = _View(name, path, syntax_of(self._texts, name, path), values)
        return self._views[path]

    def _closure(self, function: FunctionType) -> dict[str, str]:
        digests = {}
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:  # a cell that is not filled yet
                continue
            digests[name] = self._value(value)
        return digests

    def _defaults(self, function: FunctionType, node: FunctionNode | None) -> dict[str, str]:
        values = _default_values(function)
        literal = _literal_defaults(node) if node else set()
        return {name: self._value(value) for name, value in sorted(values.items()) if name not in literal}

    def _follow(self, view: _View, facts: Facts, inner: frozenset[str] = frozenset()) -> None:
        for each in view.syntax.imports(facts):
            self._import(view, each, facts.attributes)
        for name in sorted(facts.names - inner):
            self._name(view, name, facts.attributes)

    def _name(self, view: _View, name: str, attributes: frozenset[str]) -> None:
        """Count what a name of a module is bound to: definitions, imports, data."""
        bindings = view.syntax.bindings
        for each in bindings.imports.get(name, ()):
            self._import(view, each, attributes)
        if (view.path, name) in self._seen:
            return
        self._seen.add((view.path, name))
        if nodes := bindings.definitions.get(name):
            digests = [view.syntax.digest(node, view.values) for node in nodes]
            self._parts[f"name:{view.name}.{name}"] = _joined(digests)
            self._todo += [(view, view.syntax.facts(node, view.values), frozenset()) for node in nodes]
        statements = bindings.assignments.get(name, [])
        known = nodes or name in bindings.imports
        if not known and not statements:
            if name not in view.values or name.startswith("__"):
                return  # a builtin, or what Python gives every module
            for star in bindings.stars:
                self._import(view, star, attributes)
        if (statements or not known) and name in view.values:
            self._assigned(view, name, statements)

    def _assigned(self, view: _View, name: str, statements: list[ast.AST]) -> None:
        value = view.values[name]
        if is_code(value):
            if self._is_foreign(value):
                return
            self._parts.setdefault(f"name:{view.name}.{name}", self._describe(value))
            self._reach_statements(view, statements)
            return
        digest = value_digest(value, self._root, self._describe)
        if digest is None:  # its content can't be read, so how it is made counts
            kind = f"{type(value).__module__}.{type(value).__qualname__}"
            digest = _joined([kind, *(view.syntax.digest(each, view.values) for each in statements)])
            self._reach_statements(view, statements)
        self._parts[f"global:{view.name}.{name}"] = digest

    def _reach_statements(self, view: _View, statements: list[ast.AST]) -> None:
        self._todo += [(view, view.syntax.facts(each, view.values), frozenset()) for each in statements]

    def _import(self, view: _View, each: Import, attributes: frozenset[str]) -> None:
        """Count what an import names; the packages that this module itself lies in are there anyway."""
        found = list(targets(self._texts, each, attributes))
        inner = {module for module, _ in found}
        for module, path in found:
            is_around = module == each.module and view.name.startswith(f"{module}.") and bool(each.names)
            if not (is_around and all(f"{module}.{name}" in inner for name in each.names)):
                self._module(module, path, each.names if module == each.module else ())
        for module, path in packages_of(self._texts, each.module):
            if not view.name.startswith(f"{module}."):
                self._module(module, path)

    def _module(self, module: str, path: str, names: tuple[str, ...] = ()) -> None:
        """Count a whole module and what it imports; of a module already seen in parts, the names."""
        view = self._views.get(path)
        if view is not None and names and names != ("*",):
            for name in names:
                self._name(view, name, frozenset())
            return
        part = f"module:{module}"
        if part in self._parts:
            return
        syntax = syntax_of(self._texts, module, path)
        self._parts[part] = syntax.digest()
        facts = syntax.facts()
        self._todo.append((_View(module, path, syntax, {}), facts._replace(names=frozenset()), frozenset()))

    def _value(self, value: Any) -> str:
        if is_code(value):
            return self._describe(value)
        return value_digest(value, self._root, self._describe) or digest_bytes(
            f"{type(value).__module__}.{type(value).__qualname__}".encode()
        )

    def _describe(self, value: Any) -> str:
        """Describe a function, class or module that is held as a value, and count its code."""
        value = unwrap(value)
        if self._is_foreign(value):
            return self._named(value)
        if isinstance(value, ModuleType):
            self._module(value.__name__, os.path.abspath(value.__file__ or ""))
        elif isinstance(value, FunctionType) and not self._reach_function(value):
            return self._describe_function(value)
        elif isinstance(value, type):
            self._reach_class(value)
        return self._named(value)

    def _reach_function(self, function: FunctionType) -> bool:
        """Count a function by its name in its module, where it has one."""
        path = os.path.abspath(function.__code__.co_filename)
        view = self._view(path, function.__module__, function.__globals__)
        name = function.__qualname__
        if view is None or name not in view.syntax.bindings.definitions:
            return False
        self._name(view, name, frozenset())
        return True

    def _describe_function(self, function: FunctionType) -> str:
        if id(function) not in self._described:
            self._described[id(function)] = function.__qualname__  # for when it refers to itself
            node, digest = self._own(function)
            made_with = {**self._closure(function), **self._defaults(function, node)}
            parts = [digest, *(f"{name}={value}" for name, value in sorted(made_with.items()))]
            self._described[id(function)] = _joined(parts)
        return self._described[id(function)]

    def _reach_class(self, value: type) -> None:
        if id(value) in self._described:
            return
        self._described[id(value)] = value.__qualname__
        path = _file_of(value)
        view = self._views.get(path)
        if view is None:
            self._module(value.__module__, path)
            return
        self._name(view, value.__qualname__.partition(".")[0], frozenset())
        if "<locals>" in value.__qualname__:
            for member in filter(lambda each: isinstance(each, FunctionType), vars(value).values()):
                self._describe(member)

    def _named(self, value: Any) -> str:
        module = getattr(value, "__module__", None) or ""
        if module == "__main__" and _file_of(value) == str(self._project.file):
            module = self._project.module
        return (
            f"{module}.{getattr(value, '__qualname__', None) or getattr(value, '__name__', type(value).__qualname__)}"
        )

    def _is_foreign(self, value: Any) -> bool:
        value = unwrap(value) if is_decorated(value) else value
        path = _file_of(value)
        if isinstance(value, FunctionType):
            file = value.__code__.co_filename
            # Code without a file (exec, a console) belongs where its module does.
            path = file if os.path.isfile(file) else path
            return bool(path) and not self._project.is_project_file(path)
        return not path or not self._project.is_project_file(path)


def _file_of(value: Any) -> str:
    module = value if isinstance(value, ModuleType) else sys.modules.get(getattr(value, "__module__", None) or "")
    path = getattr(module, "__file__", None)
    return os.path.abspath(path) if isinstance(path, str) else ""


def _joined(digests: list[str]) -> str:
    return digests[0] if len(digests) == 1 else digest_bytes("\n".join(digests).encode())


def _default_values(function: FunctionType) -> dict[str, Any]:
    code, given = function.__code__, function.__defaults__ or ()
    positional = code.co_varnames[: code.co_argcount]
    values = dict(zip(positional[len(positional) - len(given) :], given, strict=True))
    return values | (function.__kwdefaults__ or {})


def _literal_defaults(node: FunctionNode) -> set[str]:
    """Return the parameters whose default stands in the text, and so in the function's digest."""
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    pairs: list[tuple[ast.arg, ast.expr | None]] = []
    pairs += zip(positional[len(positional) - len(arguments.defaults) :], arguments.defaults, strict=True)
    pairs += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return {parameter.arg for parameter, default in pairs if default is not None and is_literal(default)}
