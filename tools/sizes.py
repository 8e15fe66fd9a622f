"""Check the sizes of modules and functions against the limits in ``pyproject.toml``.

Not a style check: it asks "which second thing is in here?" where a file or a function has grown too long.
What must be longer stands under ``[tool.sizes.longer]`` with its reason; an entry that is not needed any more
is a fault too, so that the list only shrinks.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Found(NamedTuple):
    """A module or function that is too long."""

    key: str
    place: str
    lines: int
    limit: int


def too_long(path: str, text: str, *, module_lines: int, function_lines: int) -> Iterator[Found]:
    """Yield what is too long in one file: the module itself, and its functions, decorators not counted."""
    if (lines := len(text.splitlines())) > module_lines:
        yield Found(path, path, lines, module_lines)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > function_lines:
                yield Found(f"{path}:{node.name}", f"{path}:{node.lineno} {node.name}()", lines, function_lines)


def python_files() -> list[str]:
    """List the Python files of the repository, those not yet committed included."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        check=True, capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    return sorted(path for path in set(listed) if Path(path).is_file())


def main() -> int:
    """Print every fault; 1 where there is one."""
    settings = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["tool"]["sizes"]
    reasons: dict[str, str] = settings.get("longer", {})
    limits = {name: settings[name] for name in ("module_lines", "function_lines")}
    texts = {path: Path(path).read_text("utf-8") for path in python_files()}
    found = {each.key: each for path, text in texts.items() for each in too_long(path, text, **limits)}
    faults = [
        f"{each.place} has {each.lines} lines, {each.limit} are allowed: divide it, or list {key!r} with its reason"
        for key, each in found.items()
        if key not in reasons
    ]
    faults += [f"pyproject.toml lists {key!r} as longer, which it is not: remove it" for key in reasons.keys() - found]
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
