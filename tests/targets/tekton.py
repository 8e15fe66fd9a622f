"""Tekton's own description of its kinds, and the goldens of runs as ``PipelineRun``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fairlead.specs.contexts import Context
from fairlead.specs.graphs import Graph
from fairlead.targets import pipeline_run
from fairlead.targets.orders import Manifest, Order
from targets.goldens import CONTEXT, submission

MODULES = Path.home() / "go/pkg/mod/github.com/tektoncd"
ANYTHING = {"v1.ParamValue"}  # a text, a list or a mapping, which the description has as one mapping


def pipeline_run_of(graph: Graph, context: Context = CONTEXT) -> Manifest:
    """Compile all of a graph."""
    nodes = dict.fromkeys(range(len(graph.nodes)))
    return pipeline_run.render(Order(submission(graph, context), graph, nodes))[0]


def source(path: str) -> Path:
    """Return a file or folder of Tekton's module, or skip the test."""
    found = sorted(MODULES.glob(f"pipeline@*/{path}"))
    if not found:
        pytest.skip("Tekton's sources are not there: `python -m testbed build tekton`")
    return found[-1]


def description() -> dict[str, Any]:
    """Return what Tekton says of its kinds, also of what its definitions leave open."""
    found: dict[str, Any] = json.loads(source("pkg/apis/pipeline/v1/swagger.json").read_text("utf-8"))
    return found["definitions"]


def faults(kinds: dict[str, Any], kind: str, value: Any, path: str) -> Iterator[str]:
    """Yield each field that a kind does not have, each that it must have, and each value of another type."""
    if kind in ANYTHING or kind not in kinds:  # Kubernetes' own are another description's
        return
    if not isinstance(value, dict):
        yield f"{path} is no mapping"
        return
    fields = kinds[kind].get("properties", {})
    yield from (f"{path}.{name} is missing" for name in kinds[kind].get("required", ()) if name not in value)
    for name, each in value.items():
        if name not in fields:
            yield f"{path}.{name} is no field of {kind}"
        else:
            yield from _typed(kinds, fields[name], each, f"{path}.{name}")


def _typed(kinds: dict[str, Any], schema: dict[str, Any], value: Any, path: str) -> Iterator[str]:
    if "$ref" in schema:
        yield from faults(kinds, schema["$ref"].rpartition("/")[2], value, path)
        return
    types = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}
    if "type" in schema and not isinstance(value, types[schema["type"]]):
        yield f"{path} is no {schema['type']}"
    elif schema.get("type") == "array":
        for position, each in enumerate(value):
            yield from _typed(kinds, schema["items"], each, f"{path}[{position}]")
    elif schema.get("type") == "object" and "additionalProperties" in schema:
        for name, each in value.items():
            yield from _typed(kinds, schema["additionalProperties"], each, f"{path}.{name}")
