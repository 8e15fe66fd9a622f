"""The parts of a cache key in words, and the group that each belongs to."""

from __future__ import annotations

from typing import Literal

Group = Literal["code", "input", "environment"]


def group_of(part: str) -> Group:
    """Return what a part belongs to."""
    if part.startswith(("source ", "command")):
        return "code"
    return "input" if part.startswith("input ") else "environment"


def words_of(part: str, step: str) -> str:
    """Say what a part is: ``the function of step fit``, ``project module features``, ``input df``.

    Args:
        part: The part's name in the key.
        step: The step's name.
    """
    head, _, rest = part.partition(" ")
    if head != "source":
        return {
            "python": "Python version",
            "packages": "packages",
            "variables": "environment variables",
            "runtime": "runtime",
            "command": "image or command",
            "hardware": "image or accelerators",
        }.get(part, part)
    kind, _, name = rest.partition(":")
    module, _, short = name.rpartition(".")
    return {
        "function": f"source of step {step}",
        "name": f"source of {short} in module {module}",
        "module": f"project module {name}",
        "global": f"global {short} of module {module}",
        "closure": f"captured variable {name}",
        "default": f"default of parameter {name}",
    }.get(kind, rest)
