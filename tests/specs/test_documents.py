"""Specs as files: both ways, in both forms, and every fault with its path."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.errors import SpecError
from fairlead.specs import documents
from fairlead.specs.graphs import Graph, graph_faults
from fairlead.specs.resources import Resources, resource_faults
from fairlead.specs.runtimes import Runtime, runtime_faults
from fairlead.specs.steps import Environment, Retries, Step, step_faults
from specs import strategies

quick = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def both_ways(spec: Any, form: Any) -> None:
    for text in (documents.to_json(spec), documents.to_json(spec, indent=0), documents.to_yaml(spec)):
        assert documents.convert(documents.parse(text, source="x"), form, source="x") == spec
    assert json.loads(documents.to_json(spec)) == documents.parse(documents.to_yaml(spec), source="x")


@pytest.mark.parametrize(
    ("strategy", "form", "faults"),
    [
        (strategies.RESOURCES, Resources, resource_faults),
        (strategies.RUNTIMES, Runtime, runtime_faults),
        (strategies.RETRIES, Retries, None),
        (strategies.ENVIRONMENTS, Environment, None),
        (strategies.STEPS, Step, step_faults),
        (strategies.graph_specs(), Graph, graph_faults),
    ],
    ids=["resources", "runtime", "retries", "environment", "step", "graph"],
)
def test_a_valid_spec_is_the_same_after_yaml_and_json(strategy: st.SearchStrategy[Any], form: Any, faults: Any) -> None:
    @quick
    @given(strategy)
    def check(spec: Any) -> None:
        assert faults is None or list(faults(spec)) == []
        both_ways(spec, form)

    check()


@quick
@given(strategies.JSON)
def test_what_is_written_as_yaml_is_read_alike_by_readers_of_yaml_1_1(value: Any) -> None:
    text = documents.to_yaml(value)
    assert documents.parse(text, source="x") == value
    assert yaml.safe_load(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: on", {"a": "on"}),
        ("a: off", {"a": "off"}),
        ("a: 1e-4", {"a": 0.0001}),
        ("a: 1.5e3", {"a": 1500.0}),
        ("a: 1:30", {"a": "1:30"}),
        ("a: 2026-11-23", {"a": "2026-11-23"}),
        ("a: 2026-99-99", {"a": "2026-99-99"}),
        ("a: 010", {"a": 10}),
        ("a: True", {"a": True}),
        ("a: ~\nb:", {"a": None, "b": None}),
        ("a: -.5", {"a": -0.5}),
        ('{"a": [1, 2.0, null, true, "x"]}', {"a": [1, 2.0, None, True, "x"]}),
        ("[1, 2", None),
    ],
)
def test_scalars_are_read_as_yaml_1_2_and_json_have_them(text: str, value: Any) -> None:
    if value is None:
        with pytest.raises(SpecError):
            documents.parse(text, source="x")
    else:
        found = documents.parse(text, source="x")
        assert found == value
        assert type(found["a"]) is type(value["a"])


def faults_of(text: str, form: Any = Graph) -> list[str]:
    with pytest.raises(SpecError) as caught:
        documents.convert(documents.parse(text, source="spec.yaml"), form, source="spec.yaml")
    assert str(caught.value).startswith("spec.yaml is not valid\n")
    return [str(each) for each in caught.value.faults]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: [1", "line 1, column 6: is neither YAML nor JSON: expected ',' or ']', but got '<stream end>'"),
        ("a: 1\n b: 2", "line 2, column 3: is neither YAML nor JSON: mapping values are not allowed here"),
        (
            "a: !!python/object:os.system x",
            "line 1, column 4: is neither YAML nor JSON: could not determine a constructor",
        ),
        ("? [1]\n: x", "line 1, column 3: is neither YAML nor JSON: found unhashable key"),
        ("\x00", "is neither YAML nor JSON: unacceptable character"),
    ],
)
def test_a_text_that_is_neither_form_says_where(text: str, fault: str) -> None:
    (found,) = faults_of(text)
    assert found.startswith(fault)


def test_a_text_that_is_nested_too_deeply_is_refused() -> None:
    assert faults_of("[" * 100_000) == ["is nested too deeply"]


STEP = {"kind": "function", "name": "a", "function": "m:a"}


def graph(**changes: Any) -> str:
    return json.dumps(
        {"version": "fairlead/v1", "flow": "f", "steps": {"a": STEP}, "nodes": [{"step": "a"}], **changes}
    )


def step(**changes: Any) -> str:
    return graph(steps={"a": {**STEP, **changes}})


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", ["must be a mapping, got nothing"]),
        ("[]", ["must be a mapping, got a list"]),
        ("text", ["must be a mapping, got a text"]),
        ("3", ["must be a mapping, got a number"]),
        ("{}", ["flow: is missing", "steps: is missing", "nodes: is missing"]),
        (graph(version="fairlead/v2"), ["version: must be 'fairlead/v1', got 'fairlead/v2'"]),
        (graph(flwo="x"), ["flwo: there is no such field; did you mean 'flow'?"]),
        (graph(steps=[]), ["steps: must be a mapping, got a list"]),
        (graph(nodes={}), ["nodes: must be a list, got a mapping"]),
        (graph(steps={"a": {"kind": "functoin"}}), ["steps.a.kind: unknown 'functoin'; did you mean 'function'?"]),
        (graph(steps={"a": {}}), ["steps.a.kind: is missing; one of function, container, driver, sweep"]),
        (graph(steps={"a": 1}), ["steps.a: must be a mapping, got 1"]),
        (step(runtime={"kind": "torhc"}), ["steps.a.runtime.kind: unknown 'torhc'; did you mean 'torch'?"]),
        (step(runtime="torch"), ["steps.a.runtime: must be a mapping, got 'torch'"]),
        (step(runtime={"kind": "torch", "nodes": "2"}), ["steps.a.runtime.nodes: must be a whole number, got '2'"]),
        (step(runtime={"kind": "ray", "hosts": 2}), ["steps.a.runtime.hosts: there is no such field; known: kind, roles, workers"]),
        (step(cache="onn"), ["steps.a.cache: must be 'exact' or 'off' or 'on', got 'onn'; did you mean 'on'?"]),
        (step(cache=True), ["steps.a.cache: must be 'exact' or 'off' or 'on', got True"]),
        (step(retries=3), ["steps.a.retries: must be a mapping, got a number"]),
        (step(retries={"user": 1.5}), ["steps.a.retries.user: must be a whole number, got 1.5"]),
        (step(spot="yes"), ["steps.a.spot: must be true or false, got 'yes'"]),
        (step(labels={"a": 1}), ["steps.a.labels.a: must be a text, got 1"]),
        (step(outputs="x"), ["steps.a.outputs: must be a list, got 'x'"]),
        (step(resources={"cpu": [1]}), ["steps.a.resources.cpu: must be a text or a number, got a list"]),
        (step(resources={"memroy": 1}), ["steps.a.resources.memroy: there is no such field; did you mean 'memory'?"]),
        (step(volumes=[{"nme": "x"}]), [
            "steps.a.volumes[0].nme: there is no such field; did you mean 'name'?",
            "steps.a.volumes[0].name: is missing",
            "steps.a.volumes[0].path: is missing",
        ]),
        (step(overlays=[{"kind": "Pod", "patch": []}, {"kind": 1}]), [
            "steps.a.overlays[0].patch: must be a mapping, got a list",
            "steps.a.overlays[1].kind: must be a text, got 1",
            "steps.a.overlays[1].patch: is missing",
        ]),
        (graph(nodes=[{"step": 1, "count": "3", "when": "x", "exports": [1], "after": 2}]), [
            "nodes[0].step: must be a text, got 1",
            "nodes[0].count: must be a whole number, got '3'",
            "nodes[0].after: must be a list, got 2",
            "nodes[0].when: must be a mapping, got 'x'",
            "nodes[0].exports[0]: must be a list, got 1",
        ]),
        (graph(nodes=[{"step": "a", "inputs": {"x": {"from": "valu"}, "y": {"from": "list", "items": [{}]}}}]), [
            "nodes[0].inputs.x.from: unknown 'valu'; did you mean 'value'?",
            "nodes[0].inputs.y.items[0].from: is missing; one of value, constant, output, list, dict, first-of",
        ]),
        (graph(nodes=[{"step": "a", "when": {"kind": "and", "items": [{"kind": "compare", "operator": "ltt", "left": 1}]}}]), [
            "nodes[0].when.items[0].operator: must be 'eq' or 'ge' or 'gt' or 'le' or 'lt' or 'ne', got 'ltt'; did you mean 'lt'?",
            "nodes[0].when.items[0].left: must be a mapping, got 1",
            "nodes[0].when.items[0].right: is missing",
        ]),
    ],
)  # fmt: skip
def test_all_faults_of_a_document_are_found_with_their_paths(text: str, faults: list[str]) -> None:
    assert sorted(faults_of(text)) == sorted(faults)


def test_faults_are_in_the_order_of_the_fields() -> None:
    text = step(cache="x", resources={"cpu": [], "memory": {}}, retries={"user": "", "factor": ""})
    paths = [each.partition(":")[0] for each in faults_of(text)]
    assert paths == [
        f"steps.a.{each}" for each in ("resources.cpu", "resources.memory", "retries.user", "retries.factor", "cache")
    ]


def test_the_version_is_always_written_and_may_be_left_out() -> None:
    read = documents.convert(documents.parse("{flow: f, steps: {}, nodes: []}", source="x"), Graph, source="x")
    assert documents.parse(documents.to_json(read), source="x")["version"] == "fairlead/v1"
    assert documents.to_yaml(read).startswith("version: fairlead/v1\nflow: f\n")


def test_written_specs_leave_defaults_away_and_keep_the_order_of_fields() -> None:
    spec = documents.convert(json.loads(step(resources={"cpu": 2}, timeout="2h"))["steps"]["a"], Step, source="x")
    assert documents.to_yaml(spec) == ("kind: function\nname: a\nresources:\n  cpu: 2\ntimeout: 2h\nfunction: m:a\n")
