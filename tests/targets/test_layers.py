"""Packages of steps on a cluster: a pod for each lock and image that is not there yet, and who waits for it."""

from __future__ import annotations

from typing import Any

import msgspec

from fairlead.specs.graphs import Graph
from fairlead.targets import workflow
from fairlead.targets.layers import Layer, layer_of, wanted
from fairlead.targets.orders import Order
from targets.goldens import CONTEXT, FLOWS, submission, traced, workflow_of

GRAPH = traced(next(file for file in FLOWS if file.parent.name == "packages"))
LAYERS = wanted(GRAPH, range(len(GRAPH.nodes)), CONTEXT)


def tasks_of(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in manifest["spec"]["templates"][0]["dag"]["tasks"]}


def render(graph: Graph, layers: list[Layer]) -> dict[str, Any]:
    return workflow.render(Order(submission(graph), graph, dict.fromkeys(range(len(graph.nodes))), layers=layers))[0]


def test_steps_and_trials_with_one_lock_share_a_layer_and_another_image_has_its_own() -> None:
    first, trial = (layer_of(GRAPH.steps[key], CONTEXT) for key in ("first", "trial"))
    assert first == trial
    assert {layer.image for layer in LAYERS} == {CONTEXT.image, "registry.example/other:2"}
    assert layer_of(GRAPH.steps["read"], CONTEXT) is None
    waiting = {name: task.get("depends", "") for name, task in tasks_of(workflow_of(GRAPH)).items()}
    mine, other = sorted(LAYERS, key=lambda each: each.image != CONTEXT.image)
    assert [mine.name in waiting[f"n{number}"] for number in range(4)] == [False, True, True, False]
    assert [other.name in waiting[f"n{number}"] for number in range(4)] == [False, False, False, True]


def test_nothing_is_made_for_a_layer_that_is_there() -> None:
    without = msgspec.json.encode(render(GRAPH, list(LAYERS)))
    assert b"layer--" not in without
    bare = {key: msgspec.structs.replace(step, environment=msgspec.structs.replace(step.environment, packages=(), lock=None))
            for key, step in GRAPH.steps.items()}  # fmt: skip
    assert msgspec.json.encode(render(msgspec.structs.replace(GRAPH, steps=bare), [])) == without


def test_the_pod_that_installs_has_pips_variables_and_nothing_of_the_steps() -> None:
    context = msgspec.structs.replace(CONTEXT, pip_secret="index")
    templates = {each["name"]: each for each in workflow_of(GRAPH, context)["spec"]["templates"]}
    for layer in LAYERS:
        container = templates[layer.name]["container"]
        assert container["image"] == layer.image
        assert container["envFrom"] == [{"secretRef": {"name": "store"}}, {"secretRef": {"name": "index"}}]
        assert f"--image={layer.image}" in container["command"]
    assert {"secretRef": {"name": "index"}} not in templates["first"]["container"]["envFrom"]
