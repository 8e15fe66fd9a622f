"""Runs as Tekton's ``PipelineRun``: what they compile to, in which order, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings

from fairlead.errors import SpecError
from fairlead.kube.client import Client
from fairlead.kube.failures import AlreadyExists
from fairlead.kube.resources import NAMESPACE, POD, Kind
from fairlead.specs import graphs
from fairlead.specs.branching import counted_by
from fairlead.specs.contexts import Context
from fairlead.specs.graphs import Export, Graph, Literally, Node, Output
from fairlead.specs.steps import FunctionStep, Overlay, Retries
from fairlead.targets import naming, pipeline_run, pods
from fairlead.targets.flow_table import FLOW, FLOWS, choose_flow, flow_faults, flow_target
from fairlead.targets.orders import Order
from fairlead.targets.restricted import pod_faults
from kube.cluster import serving
from servers.apiserver import ApiServer
from targets import tekton
from targets.goldens import CONTEXT, REPOSITORY, compare, golden, read, submission, traced
from targets.refused import STEP
from targets.strategies import one_step, runnable
from targets.tekton import pipeline_run_of

SHOWN = [REPOSITORY / "examples/digits/flow.py", REPOSITORY / "tests/targets/flows/mapping/flow.py"]
RUN = Kind(*pipeline_run.TARGET.resource)
RESULT = re.compile(r"\$\(tasks\.(n\d+)\.results\.([a-z]+-\d+)(?:\[\*\])?\)")


def plain(graph: Graph) -> Graph:
    """A graph without what is refused: pauses between tries."""
    steps = {
        key: msgspec.structs.replace(
            step, retries=Retries(user=step.retries.user, infrastructure=step.retries.infrastructure)
        )
        for key, step in graph.steps.items()
    }
    return msgspec.structs.replace(graph, steps=steps)


def tasks_of(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    spec = manifest["spec"]["pipelineSpec"]
    found = {each["name"]: each for each in spec["tasks"]}
    last = [each["name"] for each in spec.get("finally", ())]
    assert len(found) == len(spec["tasks"]) and ("finish" in found) != (last == ["finish"])
    assert [each["pipelineTaskName"] for each in manifest["spec"]["taskRunSpecs"]] == [*found, *last]
    return found


def numbers(tasks: dict[str, dict[str, Any]], graph: Graph) -> dict[int, list[str]]:
    """Return the names of the tasks of each node."""
    found: dict[int, list[str]] = {number: [] for number in range(len(graph.nodes))}
    for name in tasks:
        if name.startswith("n"):
            found[int(name[1:].partition("-")[0])].append(name)
    return found


@pytest.mark.parametrize("file", SHOWN, ids=lambda file: file.parent.name)
def test_a_flow_compiles_to_the_pipeline_run_beside_it(file: Path) -> None:
    if file.parent.name == "digits":
        pytest.importorskip("optuna", reason="the example needs optuna: pip install 'fairlead[examples]'")
    compare(golden(file, "pipeline_run"), [pipeline_run_of(traced(file))])


@settings(max_examples=60, deadline=None)
@given(runnable())
def test_every_edge_of_a_graph_is_an_order_of_tasks_and_every_result_is_told(drawn: Graph) -> None:
    graph = plain(drawn)
    manifest = pipeline_run_of(graph)
    tasks = tasks_of(manifest)
    named = numbers(tasks, graph)
    for number, node in enumerate(graph.nodes):
        assert named[number] or counted_by(graph, number) == 0
        for name in named[number]:
            task = tasks[name]
            before = {each for need in graphs.needs(node) for each in named[need]}
            assert before <= set(task.get("runAfter", ())) <= tasks.keys() - {name}
            for source, fact in RESULT.findall(str([task.get("when"), task.get("matrix")])):
                assert fact in {each["name"] for each in tasks[source]["taskSpec"]["results"]}
                assert source != name and "when" not in tasks[source]
    kinds = tekton.description() if sorted(tekton.MODULES.glob("pipeline@*")) else {}
    assert not list(tekton.faults(kinds, "v1.PipelineRun", manifest, "run"))
    assert len(naming.as_json(manifest)) <= pipeline_run.BYTES_MAX


@settings(max_examples=30, deadline=None)
@given(runnable())
def test_the_same_order_compiles_to_the_same_bytes(drawn: Graph) -> None:
    graph = plain(drawn)
    again = Graph(flow=graph.flow, steps=dict(reversed(graph.steps.items())), nodes=graph.nodes)
    assert naming.as_json(pipeline_run_of(graph)) == naming.as_json(pipeline_run_of(again))


@pytest.mark.parametrize("file", SHOWN, ids=lambda file: file.parent.name)
def test_tekton_describes_every_field_of_what_is_kept(file: Path) -> None:
    (manifest,) = read(golden(file, "pipeline_run"))
    assert not list(tekton.faults(tekton.description(), "v1.PipelineRun", manifest, "run"))
    broken = {**manifest, "spec": {**manifest["spec"], "pipelineSpec": {"tasks": [{"retry": 1}]}}}
    assert list(tekton.faults(tekton.description(), "v1.PipelineRun", broken, "run")) == [
        "run.spec.pipelineSpec.tasks[0].retry is no field of v1.PipelineTask"
    ]


def mapped(count: int | None, *, items: tuple[int, ...] | None = None) -> dict[str, dict[str, Any]]:
    """The tasks of a list and of a node that maps over it."""
    listed = Output(0) if count is None else Literally(list(range(count)))
    graph = Graph(
        flow="f",
        steps={"work": STEP},
        nodes=(
            Node(step="work", split=(Export(0, ()),)),
            Node(step="work", index=1, inputs={"x": listed}, each=("x",), count=count),
        ),
    )
    return tasks_of(pipeline_run.render(Order(submission(graph), graph, {0: None, 1: items}))[0])


def test_a_list_that_is_known_is_a_matrix_of_its_items_and_a_long_one_several() -> None:
    tasks = mapped(600)
    values = [task["matrix"]["params"][0]["value"] for name, task in tasks.items() if name.startswith("n1-")]
    assert [len(each) for each in values] == [256, 256, 88]
    assert [item for each in values for item in each] == [str(item) for item in range(600)]


def test_a_run_of_nothing_but_an_empty_list_has_its_last_pod_alone() -> None:
    node = Node(step="work", inputs={"x": Literally([])}, each=("x",), count=0)
    spec = pipeline_run_of(Graph(flow="f", steps={"work": STEP}, nodes=(node,)))["spec"]["pipelineSpec"]
    assert [each["name"] for each in spec["tasks"]] == ["finish"] and "finally" not in spec


def test_of_a_run_that_goes_on_the_items_that_are_left_are_run() -> None:
    assert mapped(5, items=(1, 4))["n1-0"]["matrix"]["params"] == [{"name": "item", "value": ["1", "4"]}]


def test_a_list_that_a_step_makes_is_mapped_over_by_what_the_step_tells() -> None:
    tasks = mapped(None)
    assert tasks["n1-0"]["matrix"]["params"] == [{"name": "item", "value": "$(tasks.n0.results.items-0[*])"}]
    assert tasks["n1-0"]["when"] == [{"input": "$(tasks.n0.results.maps-0)", "operator": "in", "values": ["true"]}]
    assert tasks["n0"]["taskSpec"]["results"] == [
        {"name": "items-0", "type": "array"}, {"name": "maps-0", "type": "string"}
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("items", "task_run", "index"),
    [("1,4", "f-run-1-n0-0-1", 4), ("1,4", "f-run-1-n0-0-0", 1), ("7", "f-run-1-n0-3", 7), ("*", "f-run-1-n0-0-12", 12),
     ("*", "f-run-1-n0-0", 0)],
)  # fmt: skip
def test_the_pod_of_an_item_is_known_by_its_place_in_the_matrix(items: str, task_run: str, index: int) -> None:
    labels = {naming.NODE: "0", "tekton.dev/taskRun": task_run}
    pod = {"metadata": {"labels": labels, "annotations": {naming.ITEMS: items}}}
    assert naming.instance_of(pod, one_step(STEP)) == ("work", index)


def test_there_is_one_more_try_than_the_budgets_have_and_what_is_spent_ends_well() -> None:
    step = FunctionStep(name="work", function="mod:work", retries=Retries(user=2, infrastructure=1))
    task = tasks_of(pipeline_run_of(one_step(step)))["n0"]
    main = task["taskSpec"]["steps"][-1]
    assert task["retries"] == 4 and "--spent=0" in main["command"] and "--facts=/tekton/results" in main["command"]


def test_nothing_of_a_run_ends_by_a_clock_of_tektons() -> None:
    spec = pipeline_run_of(one_step(STEP))["spec"]
    assert spec["timeouts"] == {"pipeline": "0s", "tasks": "0s", "finally": "0s"}


def pod_of(manifest: dict[str, Any], name: str) -> dict[str, Any]:
    """Put the pod together that Tekton makes of a task, less what is its own."""
    spec = manifest["spec"]
    task = next(
        each for each in [*spec["pipelineSpec"]["tasks"], *spec["pipelineSpec"]["finally"]] if each["name"] == name
    )
    own = next(each for each in spec["taskRunSpecs"] if each["pipelineTaskName"] == name)
    template = {**spec["taskRunTemplate"]["podTemplate"], **own.get("podTemplate", {})}
    containers = [
        {("resources" if field == "computeResources" else field): value for field, value in step.items()}
        for step in (*task["taskSpec"]["steps"], *task["taskSpec"].get("sidecars", ()))
    ]
    account = own.get("serviceAccountName", spec["taskRunTemplate"]["serviceAccountName"])
    volumes = task["taskSpec"].get("volumes", [])
    return {**template, "serviceAccountName": account, "containers": containers, "volumes": volumes}


def test_the_pod_of_a_task_is_the_pod_of_the_step() -> None:
    overlay = Overlay(
        kind="Pod",
        patch={"runtimeClassName": "gvisor", "nodeSelector": {"a": "b"}, "containers": [{"name": "beside", "image": "b", "ports": [{"containerPort": 80}], "securityContext": pods.container_security()}]},
    )  # fmt: skip
    step = FunctionStep(name="work", function="mod:work", priority="high", overlays=(overlay,))
    graph = one_step(step)
    made = pods.step_pod(submission(graph), step, "--node=0", "--item=0", "--spent=0", facts="/tekton/results")
    found = pod_of(pipeline_run_of(graph), "n0")
    assert found["containers"] == [*made["initContainers"], *made["containers"]]
    left = {name: made[name] for name in made.keys() - {"containers", "initContainers", "restartPolicy"}}
    assert {name: found[name] for name in found.keys() - {"containers"}} == left
    assert not list(pod_faults(found, found, "pod"))


FOREIGN: dict[str, tuple[FunctionStep, Context, str]] = {
    "a pause": (FunctionStep(name="w", function="m:w", retries=Retries(backoff="9s")), CONTEXT, "steps.w.retries.backoff"),
    "a field of a pod": (
        FunctionStep(name="w", function="m:w", overlays=(Overlay(kind="Pod", patch={"terminationGracePeriodSeconds": 9}),)),
        CONTEXT, "steps.w.overlays.Pod.terminationGracePeriodSeconds",
    ),
    "a field of a container": (
        FunctionStep(name="w", function="m:w", overlays=(Overlay(kind="Pod", patch={"containers": [{"name": "main", "ports": [{"containerPort": 80}]}]}),)),
        CONTEXT, "steps.w.overlays.Pod.containers[main].ports",
    ),
    "a text that is replaced": (
        FunctionStep(name="w", function="m:w", overlays=(Overlay(kind="Pod", patch={"nodeSelector": {"a": "$(params.item)"}}),)),
        CONTEXT, "steps.w.overlays.Pod",
    ),
    "an end of what waits": (STEP, msgspec.structs.replace(CONTEXT, unschedulable="fail-if-never-fits"), ""),
}  # fmt: skip


@pytest.mark.parametrize("case", FOREIGN)
def test_what_tekton_can_not_express_is_refused_with_the_targets_that_can(case: str) -> None:
    step, context, path = FOREIGN[case]
    (fault,) = flow_faults(pipeline_run.TARGET, one_step(step), context)
    assert fault.path == path
    assert fault.message.endswith("these targets can run it: workflow (Argo Workflows 3.5 or newer)")


def test_a_run_that_is_too_large_is_refused() -> None:
    graph = Graph(flow="f", steps={"work": STEP}, nodes=tuple(Node(step="work", index=each) for each in range(400)))
    with pytest.raises(SpecError, match="workflow"):
        pipeline_run_of(graph)
    many = Graph(
        flow="f",
        steps={"work": STEP},
        nodes=(Node(step="work", inputs={"x": Literally([0] * 3000)}, each=("x",), count=3000),),
    )
    assert "2000 are the most" in next(iter(pipeline_run.faults(many, CONTEXT))).message


def test_overlays_change_what_they_may() -> None:
    def made(patch: dict[str, Any]) -> dict[str, Any]:
        step = FunctionStep(name="w", function="m:w", overlays=(Overlay(kind="PipelineRun", patch=patch),))
        return pipeline_run_of(one_step(step))

    assert made({"spec": {"timeouts": {"pipeline": "3h"}}})["spec"]["timeouts"]["pipeline"] == "3h"
    with pytest.raises(SpecError, match=r"spec\.status"):
        made({"spec": {"status": "PipelineRunPending"}})


def test_a_cluster_that_serves_both_gets_a_workflow_and_one_with_tekton_alone_a_pipeline_run() -> None:
    graph = one_step(STEP)
    tekton_alone = [pipeline_run.TARGET]
    assert choose_flow(graph, CONTEXT, lambda _: True) == (FLOWS["workflow"], [])
    assert choose_flow(graph, CONTEXT, tekton_alone.__contains__) == (pipeline_run.TARGET, [])
    assert choose_flow(graph, CONTEXT, lambda _: False) == (FLOWS["workflow"], [])
    asking = msgspec.structs.replace(CONTEXT, targets={FLOW: "pipelinerun"})
    assert choose_flow(graph, asking, lambda _: False) == (pipeline_run.TARGET, [])
    assert flow_target({}) is FLOWS["workflow"]


def test_a_run_has_ended_when_its_condition_says_so() -> None:
    def condition(status: str) -> dict[str, Any]:
        return {"status": {"conditions": [{"type": "Succeeded", "status": status}]}}

    assert [pipeline_run.is_completed(condition(each)) for each in ("True", "False", "Unknown")] == [True, True, False]
    assert not pipeline_run.is_completed({"metadata": {}})


@pytest.fixture(scope="module")
def cluster(api_server: ApiServer) -> Iterator[Client]:
    """A real API server that knows Tekton's kinds, whose namespace enforces ``restricted``; nothing converts there."""
    definition = yaml.load(tekton.source("config/300-crds/300-pipelinerun.yaml").read_text("utf-8"), yaml.CSafeLoader)
    definition["spec"].pop("conversion", None)
    client = Client(api_server.connection(namespace="ml"))
    enforced = {"pod-security.kubernetes.io/enforce": "restricted"}
    with suppress(AlreadyExists):
        client.create(NAMESPACE, {"metadata": {"name": "ml", "labels": enforced}})
    with serving(client, {RUN: definition}):
        yield client


@pytest.mark.apiserver
@pytest.mark.parametrize("file", SHOWN, ids=lambda file: file.parent.name)
def test_a_real_api_server_accepts_every_run_and_the_pods_of_its_tasks(file: Path, cluster: Client) -> None:
    (manifest,) = read(golden(file, "pipeline_run"))
    cluster.create(RUN, manifest, dry_run=True)
    for spec in manifest["spec"]["taskRunSpecs"]:
        pod = pod_of(manifest, spec["pipelineTaskName"])
        pod.pop("priorityClassName", None)
        cluster.create(POD, {"metadata": {"generateName": "p-"}, "spec": pod}, dry_run=True)
