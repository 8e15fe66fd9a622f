"""The parts of a cache key in words, and the group that each belongs to."""

from __future__ import annotations

from typing import Literal

from fairlead.specs.steps import Step

Group = Literal["code", "input", "environment"]


def group_of(part: str) -> Group:
    """Return what a part belongs to."""
    if part.startswith(("source ", "command")):
        return "code"
    return "input" if part.startswith("input ") else "environment"


def words_of(part: str, step: Step) -> str:
    """Say what a part of a step's key is: ``source of function fit``, ``project module features``, ``input df``."""
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
        "function": f"source of function {_function_of(step)}",
        "name": f"source of {short} of module {module}",
        "module": f"project module {name}",
        "global": f"global {short} of module {module}",
        "closure": f"captured variable {name}",
        "default": f"default of parameter {name}",
    }.get(kind, rest)


def _function_of(step: Step) -> str:
    return getattr(step, "function", step.name).rpartition(":")[2]
