from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fairlead.errors import SpecError
from fairlead.specs.contexts import DELIVERIES
from fairlead.specs.graphs import Export, Graph, Node, Output, graph_faults
from fairlead.specs.runtimes import Torch
from fairlead.specs.steps import DriverStep, Environment, FunctionStep, Overlay, Retries, Step
from fairlead.targets import naming, workflow
from fairlead.targets.cutting import INSTANCES_MAX
from fairlead.targets.layers import wanted
from fairlead.targets.orders import Order
from fairlead.targets.pods import QUEUE
from specs.strategies import graph_specs
from targets.goldens import CONTEXT, FLOWS, REPOSITORY, golden, submission, workflow_of
from targets.refused import STEP, of_main
from targets.strategies import one_step, runnable

TASK = re.compile(r"\bn\d+(?:-parts)?")
FACT = re.compile(r"tasks\.(n\d+)\.outputs\.parameters(?:\.|\[')([a-z]+-\d+)")
LAYER = re.compile(r"layer--[0-9a-f]{10}")
LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")


@st.composite
def orders(draw: st.DrawFn) -> Order:
    """Part of a graph: a run that goes on has nodes, and items of nodes, behind it."""
    graph = draw(runnable())
    nodes = {number: None for number in range(len(graph.nodes)) if draw(st.integers(0, 5))}
    found: dict[int, Any] = {
        number: draw(st.none() | st.just((1, 3))) if graph.nodes[number].each else None for number in nodes
    }
    counts = {number: 4 for number in found if graph.nodes[number].each and graph.nodes[number].count is None}
    layers = [each for each in wanted(graph, found, CONTEXT) if draw(st.booleans())]
    return Order(submission(graph), graph, found, counts if len(nodes) < len(graph.nodes) else {}, layers)


def parts(manifest: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    templates = manifest["spec"]["templates"]
    assert len({each["name"] for each in templates}) == len(templates)
    return templates[0]["dag"]["tasks"], {each["name"]: each for each in templates}


@settings(max_examples=60, deadline=None)
@given(orders())
def test_every_node_still_to_run_is_one_task_that_waits_for_tasks_and_facts_that_there_are(order: Order) -> None:
    (manifest,) = workflow.render(order)
    tasks, templates = parts(manifest)
    missing = [each.name for each in wanted(order.graph, order.nodes, CONTEXT) if each not in order.layers]
    numbers = list(dict.fromkeys(task["name"].partition("-")[0] for task in tasks[len(missing) :]))
    assert [task["name"] for task in tasks[: len(missing)]] == missing
    assert numbers == [f"n{number}" for number in order.nodes]
    template_of = {task["name"]: templates[task["template"]] for task in tasks}
    for task in tasks:
        depends = set(TASK.findall(task.get("depends", ""))) | set(LAYER.findall(task.get("depends", "")))
        assert depends <= template_of.keys() - {task["name"]}
        for source, fact in FACT.findall(f"{task.get('when', '')} {task.get('withSequence', {}).get('count', '')}"):
            promised = template_of[source]["outputs"]["parameters"]
            assert fact in {each["name"] for each in promised}


@settings(max_examples=60, deadline=None)
@given(graph_specs())
def test_any_graph_is_compiled_or_refused_with_its_faults(graph: Graph) -> None:
    assume(not list(graph_faults(graph)))
    try:
        assert parts(workflow_of(graph))
    except SpecError as refused:
        assert refused.faults


@settings(max_examples=50, deadline=None)
@given(runnable())
def test_the_same_order_compiles_to_the_same_bytes(graph: Graph) -> None:
    again = Graph(flow=graph.flow, steps=dict(reversed(graph.steps.items())), nodes=graph.nodes)
    assert naming.as_json(workflow_of(graph)) == naming.as_json(workflow_of(again))


@settings(max_examples=50, deadline=None)
@given(runnable())
def test_names_and_labels_are_such_as_kubernetes_takes(graph: Graph) -> None:
    manifest = workflow_of(graph)
    assert LABEL.fullmatch(manifest["metadata"]["name"])
    _, templates = parts(manifest)
    for name, template in templates.items():
        assert LABEL.fullmatch(name)
        for value in template.get("metadata", {}).get("labels", {}).values():
            assert re.fullmatch(r"(\{\{.*\}\}|([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?)", value)
        volumes = [each["name"] for each in template.get("volumes", ())]
        assert len(set(volumes)) == len(volumes) and all(map(LABEL.fullmatch, volumes))


@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_a_process_of_any_hash_seed_renders_the_golden_bytes(seed: str) -> None:
    code = (
        "from targets.goldens import FLOWS, traced, workflow_of; from fairlead.specs import documents; import sys;"
        "sys.stdout.write(documents.to_yaml(workflow_of(traced(FLOWS[-1]))))"
    )
    environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": f"{REPOSITORY / 'src'}:{REPOSITORY / 'tests'}"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True, timeout=60)
    assert done.stdout == golden(FLOWS[-1], "workflow").read_bytes()


def chain(length: int) -> Graph:
    """A chain: each node takes from the one before and waits for the second before."""
    nodes = [
        Node(
            step="work",
            index=number,
            inputs={"x": Output(number - 1)} if number else {},
            after=(number - 2,) if number > 1 else (),
        )
        for number in range(length)
    ]
    return Graph(flow="f", steps={"work": STEP}, nodes=tuple(nodes))


def test_a_small_graph_is_one_object() -> None:
    nodes = dict.fromkeys(range(INSTANCES_MAX))
    graph = chain(INSTANCES_MAX)
    assert len(workflow.render(Order(submission(graph), graph, nodes))) == 1


def test_of_a_graph_of_ten_thousand_nodes_no_object_is_above_256_kib_and_the_first_creates_the_others() -> None:
    graph = chain(10_000)
    first, *others = workflow.render(Order(submission(graph), graph, dict.fromkeys(range(10_000))))
    assert len(others) == 200
    assert max(len(naming.as_json(each)) for each in (first, *others)) <= workflow.BYTES_MAX
    assert [task["name"] for task in parts(first)[0]] == ["parts"] and first["spec"]["onExit"] == "finish"
    assert [task["name"] for each in others for task in parts(each)[0]] == [f"n{number}" for number in range(10_000)]
    assert {each["spec"]["podGC"]["strategy"] for each in others} == {"OnPodSuccess"} and "podGC" not in first["spec"]
    assert all("onExit" not in each["spec"] for each in others)
    assert len({each["metadata"]["name"] for each in (first, *others)}) == 201


def test_a_graph_whose_definitions_are_large_is_cut_before_it_has_many_nodes() -> None:
    patch = of_main({"env": [{"name": f"NOTE_{number}", "value": "x" * 1000} for number in range(50)]})
    steps = {
        f"s{number}": FunctionStep(name=f"s{number}", function="mod:work", overlays=(Overlay(kind="Pod", patch=patch),))
        for number in range(20)
    }
    graph = Graph(flow="f", steps=steps, nodes=tuple(Node(step=key) for key in steps))
    first, *others = workflow.render(Order(submission(graph), graph, dict.fromkeys(range(20))))
    assert len(others) > 3
    assert max(len(naming.as_json(each)) for each in (first, *others)) <= workflow.BYTES_MAX


def test_a_step_that_is_too_large_for_any_object_is_refused_with_its_size_and_the_limit() -> None:
    patch = of_main({"env": [{"name": "NOTE", "value": "x" * 300_000}]})
    step = FunctionStep(name="big", function="mod:work", overlays=(Overlay(kind="Pod", patch=patch),))
    with pytest.raises(SpecError, match=r"(?s)steps\.big.*KiB, and 256 KiB is the most.*overlays"):
        workflow_of(one_step(step))


def mapped(count: int | None) -> Graph:
    """A list of a known length that is mapped over, or one that a node returns, and what takes all of it."""
    nodes = (
        Node(step="work", split=(Export(0, ()),)),
        Node(step="work", each=("x",), count=count, inputs={"x": Output(0)}),
        Node(step="work", inputs={"x": Output(1)}),
    )
    return Graph(flow="f", steps={"work": STEP}, nodes=nodes)


def test_a_list_that_fits_is_one_task() -> None:
    tasks, templates = parts(workflow_of(mapped(100)))
    assert [task["name"] for task in tasks] == ["n0", "n1", "n2"]
    assert tasks[1]["withSequence"] == {"count": "100"} and "parts" not in templates


def test_a_list_that_is_too_long_is_left_to_a_pod_that_cuts_it() -> None:
    tasks, templates = parts(workflow_of(mapped(100_000)))
    assert [task["name"] for task in tasks] == ["n0", "n1-parts", "n2"]
    assert tasks[2]["depends"] == "(n1-parts.Succeeded || n1-parts.Failed || n1-parts.Errored || n1-parts.Skipped)"
    assert "--node={{inputs.parameters.node}}" in templates["parts"]["container"]["command"]


def test_a_list_of_unknown_length_is_one_task_while_it_is_short_and_left_to_parts_else() -> None:
    tasks, _ = parts(workflow_of(mapped(None)))
    assert [task["name"] for task in tasks] == ["n0", "n1", "n1-parts", "n2"]
    fact = "tasks.n0.outputs.parameters"
    most = INSTANCES_MAX - 2
    assert tasks[1]["withSequence"]["count"] == f"{{{{=asInt({fact}['count-0']) > {most} ? '0' : {fact}['count-0']}}}}"
    assert tasks[2]["when"] == f"{{{{{fact}.count-0}}}} > {most}"
    assert "n1.Succeeded" in tasks[3]["depends"] and "n1-parts.Skipped" in tasks[3]["depends"]


def test_a_list_of_unknown_length_that_nobody_tells_is_refused_with_its_node() -> None:
    nodes = (Node(step="work"), Node(step="work", each=("x",), inputs={"x": Output(0)}))
    with pytest.raises(SpecError, match=r"nodes\[1\]\.each: nothing says how long the list is"):
        workflow_of(Graph(flow="f", steps={"work": STEP}, nodes=nodes))


def test_a_run_that_goes_on_counts_what_the_node_that_does_not_run_again_has_returned() -> None:
    nodes = (Node(step="work", split=(Export(0, ()),)), Node(step="work", each=("x",), inputs={"x": Output(0)}))
    graph = Graph(flow="f", steps={"work": STEP}, nodes=nodes)
    (manifest,) = workflow.render(Order(submission(graph), graph, {1: None}, {1: 7}))
    (task,) = parts(manifest)[0]
    assert task["withSequence"] == {"count": "7"} and "depends" not in task


@pytest.mark.parametrize("name", ["flow", "finish"])
def test_a_step_may_bear_the_name_of_a_template_of_the_workflow_itself(name: str) -> None:
    tasks, templates = parts(workflow_of(one_step(FunctionStep(name=name, function="mod:work"))))
    assert len(templates) == 3 and tasks[0]["template"].startswith(f"{name}-")


@pytest.mark.parametrize(
    ("step", "queue"),
    [
        (STEP, "team"),
        (FunctionStep(name="work", function="mod:work", queue="own"), "own"),
        (FunctionStep(name="work", function="mod:work", runtime=Torch(nodes=2)), None),
        (DriverStep(name="work", function="mod:work"), None),
    ],
    ids=["a step", "one with a queue of its own", "what waits for a gang", "a driver"],
)
def test_a_queue_admits_every_pod_of_a_step_and_none_that_only_starts_others(step: Step, queue: str | None) -> None:
    _, templates = parts(workflow_of(one_step(step)))
    labels = {name: (each.get("metadata") or {}).get("labels", {}) for name, each in templates.items()}
    assert {name: each.get(QUEUE) for name, each in labels.items()} == {"flow": None, "work": queue, "finish": None}


def test_pauses_between_tries_are_written_as_argo_reads_them() -> None:
    retries = Retries(user=1, backoff="1500ms", factor=1.4, backoff_max="2d")
    _, templates = parts(workflow_of(one_step(FunctionStep(name="work", function="mod:work", retries=retries))))
    assert templates["work"]["retryStrategy"]["backoff"] == {"duration": "1500ms", "factor": "1", "cap": "172800s"}


def test_a_step_of_a_context_with_a_user_runs_as_that_user() -> None:
    context = CONTEXT.__class__(name="c", store="s3://b", image="i", worker_image="w", user=65532)
    assert workflow_of(one_step(STEP), context)["spec"]["securityContext"]["runAsUser"] == 65532


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_nobody_delivers_the_worker_into_the_image_that_delivers_it(delivery: str) -> None:
    context = CONTEXT.__class__(name="c", store="s3://b", image="w", worker_image="w", delivery=delivery)
    foreign = FunctionStep(name="work", function="mod:work", environment=Environment(image="i"))
    mounted = delivery == "volume"
    brought = {"name": "fairlead", "image": {"reference": "w"}} if mounted else {"name": "fairlead", "emptyDir": {}}
    for step, folder, delivered in (
        (STEP, "/opt/fairlead", []),
        (foreign, "/fairlead/opt/fairlead" if mounted else "/fairlead", [brought]),
    ):
        _, templates = parts(workflow_of(one_step(step), context))
        template = templates["work"]
        assert template["container"]["command"][1] == f"{folder}/start.py"
        assert bool(template.get("initContainers")) == (delivered != [] and not mounted)
        assert [each for each in template["volumes"] if each["name"] == "fairlead"] == delivered
        assert ("fairlead" in {each["name"] for each in template["container"]["volumeMounts"]}) == bool(delivered)
