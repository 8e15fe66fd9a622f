"""Read Python syntax trees: a digest that formatting does not change, and which names a piece of code refers to.

Not for evaluating anything: names are only collected here, `sources` finds what they stand for.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

Keep = Callable[[ast.AST, ast.expr], bool]
"""Says of a definition and one of its decorators whether the decorator counts."""

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_DOCUMENTED = (ast.Module, *_DEFINITIONS)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
# Whether a name is read or written follows from its place; the others are comments and spellings.
_LEFT_OUT = frozenset({"ctx", "type_comment", "type_ignores", "kind"})
_FIELDS: dict[type, tuple[str, ...]] = {}


class Import(NamedTuple):
    """One import, absolute: ``import module``, or ``from module import names``."""

    module: str
    names: tuple[str, ...] = ()


class Facts(NamedTuple):
    """What a piece of code refers to.

    Attributes:
        names: Names that it takes from around it.
        attributes: Names that follow a dot anywhere in it.
        imports: The imports in it, as written and how many dots lead.
    """

    names: frozenset[str]
    attributes: frozenset[str]
    imports: tuple[ast.Import | ast.ImportFrom, ...]


def tree_digest(node: ast.AST, keep: Keep) -> str:
    """Digest a tree without positions, docstrings and the decorators that do not count."""
    return hashlib.sha256("".join(_tokens(node, keep)).encode("utf-8", "surrogatepass")).hexdigest()


def _tokens(root: ast.AST, keep: Keep) -> Iterator[str]:
    # A stack of our own: an expression of a thousand terms is a thousand levels deep.
    stack: list[object] = [root]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, ast.Constant):
            yield constant_text(item.value)
        elif isinstance(item, ast.AST):
            stack.append(")")
            for field in reversed(_fields(item.__class__)):
                value = getattr(item, field, None)
                if value is None or value == []:
                    continue
                if value.__class__ is list:
                    stack.append("]")
                    stack.extend(reversed(_listed(item, field, value, keep)))
                    stack.append(f" {field}=[")
                else:
                    stack.append(value if isinstance(value, ast.AST) else constant_text(value))
                    stack.append(f" {field}=")
            yield f"{item.__class__.__name__}("
        else:
            yield constant_text(item)
        yield ","


def _fields(kind: type[ast.AST]) -> tuple[str, ...]:
    if kind not in _FIELDS:
        _FIELDS[kind] = tuple(field for field in kind._fields if field not in _LEFT_OUT)
    return _FIELDS[kind]


def _listed(node: ast.AST, field: str, values: list[object], keep: Keep) -> list[object]:
    if field == "body" and isinstance(node, _DOCUMENTED) and _is_docstring(values[0]):
        return values[1:]
    if field == "decorator_list":
        return [each for each in values if keep(node, each)]  # type: ignore[arg-type]  # decorators are expressions
    # Names in a list (``global a, b``) and constants must not look like what the stack holds ready to write.
    return [f"{each!r}," if isinstance(each, str) else each for each in values]


def _is_docstring(statement: object) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def constant_text(value: object) -> str:
    """Write a constant so that equal text means equal value and type, whatever the hash seed."""
    if isinstance(value, int) and not isinstance(value, bool):
        return hex(value)  # repr refuses numbers of more than 4,300 digits
    if isinstance(value, tuple):
        return f"({','.join(map(constant_text, value))})"
    if isinstance(value, frozenset):
        return f"{{{','.join(sorted(map(constant_text, value)))}}}"
    return repr(value)


def facts_of(node: ast.AST, keep: Keep) -> Facts:
    """Collect what a definition, a statement or a whole module refers to."""
    collector = _Collector(keep)
    names = collector.scope([node], frozenset(), is_function=False)
    return Facts(frozenset(names), frozenset(collector.attributes), tuple(collector.imports))


class _Collector:
    """Walks one scope after the other; a function's own names are its business, a class's are seen by nobody else."""

    def __init__(self, keep: Keep) -> None:
        self.keep = keep
        self.attributes: set[str] = set()
        self.imports: list[ast.Import | ast.ImportFrom] = []

    def scope(self, body: list[ast.AST], bound: frozenset[str], *, is_function: bool) -> set[str]:
        """Return the names that the code of one scope takes from outside it."""
        used: set[str] = set()
        own: set[str] = set(bound)
        declared: set[str] = set()
        stack = list(body)
        while stack:
            node = stack.pop()
            if isinstance(node, ast.Name):
                (used if isinstance(node.ctx, ast.Load) else own).add(node.id)
            elif isinstance(node, ast.Constant):
                continue
            elif isinstance(node, ast.Global):
                declared.update(node.names)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                self.imports.append(node)
                own.update(alias.asname or alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.If) and is_type_checking(node.test):
                stack.extend(node.orelse)
            elif isinstance(node, (*_DEFINITIONS, ast.Lambda, *_COMPREHENSIONS)):
                used |= self._inner(node, stack, own)
            else:
                self._note(node, own)
                stack.extend(ast.iter_child_nodes(node))
        # In the body of a class or module a name may be read before it is bound there: it counts then.
        return (used - own) | declared if is_function else used

    def _inner(self, node: ast.AST, around: list[ast.AST], own: set[str]) -> set[str]:
        """Walk a scope within this one; what is evaluated outside it goes to `around`."""
        if isinstance(node, _COMPREHENSIONS):
            around.append(node.generators[0].iter)
            parts = [part for part in ast.iter_child_nodes(node) if part is not node.generators[0]]
            first = node.generators[0]
            return self.scope([*parts, first.target, *first.ifs], frozenset(), is_function=True)
        if isinstance(node, _DEFINITIONS):
            own.add(node.name)
            around.extend(each for each in node.decorator_list if self.keep(node, each))
            around.extend(getattr(node, "type_params", ()))
        if isinstance(node, ast.ClassDef):
            around.extend([*node.bases, *node.keywords])
            return self.scope(list(node.body), frozenset(), is_function=False)
        assert isinstance(node, FunctionNode)
        arguments = node.args
        around.extend(each for each in (*arguments.defaults, *arguments.kw_defaults) if each is not None)
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        every += [each for each in (arguments.vararg, arguments.kwarg) if each is not None]
        around.extend(each.annotation for each in every if each.annotation is not None)
        if not isinstance(node, ast.Lambda) and node.returns is not None:
            around.append(node.returns)
        body: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else list(node.body)
        return self.scope(body, frozenset(each.arg for each in every), is_function=True)

    def _note(self, node: ast.AST, own: set[str]) -> None:
        match node:
            case ast.Attribute():
                self.attributes.add(node.attr)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                own.add(name)
            case ast.MatchMapping(rest=str(name)):
                own.add(name)
            case ast.Call(func=func, args=[ast.Constant(value=str(module)), *_]) if _name_of(func) in _IMPORTERS:
                self.imports.append(ast.Import(names=[ast.alias(name=module)]))
            case _:
                pass


_IMPORTERS = ("import_module", "__import__")


def _name_of(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def is_type_checking(test: ast.expr) -> bool:
    """Say whether a condition holds for type checkers only."""
    return isinstance(test, ast.Name | ast.Attribute) and _name_of(test) == "TYPE_CHECKING"


def dotted(node: ast.expr) -> str:
    """Return ``a.b.c`` for such an expression or a call of it, else an empty text."""
    while isinstance(node, ast.Call):
        node = node.func
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def is_literal(node: ast.expr) -> bool:
    """Say whether an expression's value stands in its text."""
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError):
        return False
    return True
