"""Gangs to compile, and the golden file of each target."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fairlead.specs.runtimes import kind_of
from fairlead.targets.orders import Manifest
from fairlead.targets.training.target import Gang, Target
from targets.goldens import REPOSITORY, golden, submission, traced

FLOW = REPOSITORY / "tests/targets/flows/training/flow.py"


def gangs(target: Target) -> Iterator[Gang]:
    """Return a gang of each runtime that a target runs, and of each step that it can express."""
    graph = traced(FLOW)
    for key, step in graph.steps.items():
        if kind_of(step.runtime) in target.runtimes and not any(target.faults(step)):
            yield Gang(submission(graph), step, key, 0, 1)


def compiled(target: Target) -> list[Manifest]:
    """Compile them."""
    return [each for gang in gangs(target) for each in target.render(gang)]


def golden_of(target: Target) -> Path:
    return golden(FLOW, f"ranks_{target.name}")


def templates(found: Any) -> list[dict[str, Any]]:
    """Return every pod template in an object."""
    if isinstance(found, list):
        return [each for item in found for each in templates(item)]
    if not isinstance(found, dict):
        return []
    own = [found] if isinstance(found.get("spec"), dict) and "containers" in found["spec"] else []
    return own + [each for value in found.values() for each in templates(value)]


def is_of_a_node(template: dict[str, Any]) -> bool:
    """Say whether a template's pods are nodes: not those that start ranks in others."""
    words = [word for each in template["spec"]["containers"] for word in each.get("command", ())]
    return not any(word.endswith("mpi.launcher") for word in words)
