"""A package holds the graph: its order, its lists, and conditions only where what is left out could not run anyway."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.errors import SpecError
from fairlead.specs import graphs, runtimes
from fairlead.specs.conditions import scalars
from fairlead.specs.contexts import Context, Launch
from fairlead.specs.graphs import Export, Graph
from fairlead.specs.hardware import Advertised, Hardware
from fairlead.specs.resources import Resources
from fairlead.specs.status import StepStatus
from fairlead.specs.steps import ContainerStep, FunctionStep, Overlay, Secret, Step, SweepStep, Volume
from fairlead.store import verdicts
from fairlead.store.records import Outcome
from fairlead.targets import naming, pipeline_spec
from fairlead.targets.pipeline_spec import Package
from targets.goldens import CONTEXT, LAUNCH, REPOSITORY, compare, golden, traced
from targets.strategies import one_step, runnable

FLOWS = [REPOSITORY / f"tests/targets/{name}/flow.py" for name in ("flows/mapping", "pipelines")]
PLACEHOLDER = re.compile(r"\{\{\$\.(inputs|outputs)\.parameters\['([^']+)'\](\.output_file)?\}\}")


def said(step: Step) -> Step:
    """Return a step of which a pipeline can say everything, as like the one given as that goes."""
    resources = Resources(cpu=step.resources.cpu, memory=step.resources.memory, gpus=step.resources.gpus)
    volumes = tuple(msgspec.structs.replace(each, read_only=False) for each in step.volumes if each.claim is not None)
    return FunctionStep(
        name=step.name, function="mod:work", resources=resources, environment=step.environment, retries=step.retries,
        volumes=volumes, queue=step.queue, labels=step.labels, spot=step.spot,
    )  # fmt: skip


def exporting(graph: Graph) -> Graph:
    """Return a graph whose steps can all be said, and whose nodes export what conditions read."""
    nodes = tuple(msgspec.structs.replace(each, exports=(Export(0, ("a",)),)) for each in graph.nodes)
    return msgspec.structs.replace(graph, steps={key: said(each) for key, each in graph.steps.items()}, nodes=nodes)


GRAPHS = runnable().map(exporting)


def package_of(graph: Graph, context: Context = CONTEXT) -> Package:
    return pipeline_spec.render(graph, msgspec.structs.replace(LAUNCH, context=context), context.namespace)


def tasks_of(package: Package) -> dict[int, dict[str, Any]]:
    """Return the tasks of the graph, by the numbers that their pods are told."""
    components = package.pipeline["components"]
    found = {}
    for task in components["comp-flow"]["dag"]["tasks"].values():
        component = components[task["componentRef"]["name"]]
        inner = next(iter(component["dag"]["tasks"].values())) if "dag" in component else task
        if "node" in inner["inputs"]["parameters"]:
            found[int(inner["inputs"]["parameters"]["node"]["runtimeValue"]["constant"])] = task
    return found


@pytest.mark.parametrize("file", FLOWS, ids=lambda file: file.parent.name)
def test_a_flow_compiles_to_the_package_beside_it(file: Any) -> None:
    compare(golden(file, "pipeline_spec"), list(package_of(traced(file))))


@given(GRAPHS)
def test_every_edge_of_the_graph_is_found_again_and_no_other(graph: Graph) -> None:
    tasks = tasks_of(package_of(graph))
    assert sorted(tasks) == list(range(len(graph.nodes)))
    numbers = {task["taskInfo"]["name"]: number for number, task in tasks.items()}
    for number, task in tasks.items():
        before = [numbers[each] for each in task.get("dependentTasks", ()) if not each.startswith("layer--")]
        node = graph.nodes[number]
        told = {
            numbers[each["taskOutputParameter"]["producerTask"]]
            for each in task["inputs"]["parameters"].values()
            if "taskOutputParameter" in each
        }
        assert sorted({*graphs.needs(node), *told}) == before
        for layer in (each for each in task.get("dependentTasks", ()) if each.startswith("layer--")):
            assert graph.steps[node.step].environment.locked, layer


@given(GRAPHS)
def test_whatever_a_task_is_given_or_tells_is_declared_and_of_one_type(graph: Graph) -> None:
    package = package_of(graph)
    components, executors = package.pipeline["components"], package.pipeline["deploymentSpec"]["executors"]
    platform = package.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert executors.keys() == platform.keys()
    for dag in (each["dag"]["tasks"] for each in (package.pipeline["root"], *components.values()) if "dag" in each):
        for name, task in dag.items():
            assert task["taskInfo"]["name"] == name
            component = components[task["componentRef"]["name"]]
            declared = component.get("inputDefinitions", {"parameters": {}})["parameters"]
            given = task.get("inputs", {"parameters": {}})["parameters"]
            own = {task["parameterIterator"]["itemInput"]} if "parameterIterator" in task else set()
            assert declared.keys() == given.keys() | own
            for parameter, source in given.items():
                if "taskOutputParameter" in source:
                    output = source["taskOutputParameter"]
                    assert output["producerTask"] in task["dependentTasks"]
                    producer = components[dag[output["producerTask"]]["componentRef"]["name"]]
                    told = producer["outputDefinitions"]["parameters"][output["outputParameterKey"]]
                    assert told == declared[parameter]
    for component in components.values():
        if "executorLabel" in component:
            container = executors[component["executorLabel"]]["container"]
            assert container["command"] == ["python3", "/opt/fairlead/start.py"]
            for side, name, _ in PLACEHOLDER.findall(" ".join(container["args"])):
                assert name in component[f"{side[:-1]}Definitions"]["parameters"]


class _Skipping:
    """A run as its verdicts see it, in which one node was skipped, and all that could run has succeeded."""

    def __init__(self, graph: Graph, skipped: int) -> None:
        self.graph = graph
        self._statuses: dict[int, StepStatus] = {}
        for number in range(len(graph.nodes)):
            found: StepStatus | None = "skipped" if number == skipped else verdicts.verdict(self, number)[0]
            self._statuses[number] = found or "succeeded"

    def status_of(self, node: int) -> StepStatus:
        return self._statuses[node]

    def barred(self, node: int) -> StepStatus | None:
        status = self._statuses[node]
        return None if status == "succeeded" else status

    def outcome_of(self, node: int) -> Outcome | None:
        return Outcome(outputs=(), exports=(True,))

    def count_of(self, node: int) -> int:
        return 1

    def count_items(self, ref: Any) -> int:
        return 1

    def constant_items(self, name: str) -> Any:
        raise AssertionError(name)


@given(GRAPHS)
def test_what_comes_after_a_task_that_the_pipeline_skips_would_have_been_skipped_by_everybody(graph: Graph) -> None:
    tasks = tasks_of(package_of(graph))
    numbers = {task["taskInfo"]["name"]: number for number, task in tasks.items()}
    for skipped, task in tasks.items():
        if "condition" not in task.get("triggerPolicy", {}):
            continue
        assert graph.nodes[skipped].when is not None
        run, left_out = _Skipping(graph, skipped), {skipped}
        for number in range(skipped + 1, len(graph.nodes)):
            if left_out & {numbers[each] for each in tasks[number].get("dependentTasks", ()) if each in numbers}:
                left_out.add(number)
                assert run.status_of(number) == "skipped"


@given(GRAPHS)
def test_a_condition_is_told_by_the_one_node_that_decides_it(graph: Graph) -> None:
    tasks = tasks_of(package_of(graph))
    for number, task in tasks.items():
        if "condition" in task.get("triggerPolicy", {}):
            (name,) = re.findall(r"'(.*)'", task["triggerPolicy"]["condition"])
            output = task["inputs"]["parameters"][name]["taskOutputParameter"]
            when = graph.nodes[number].when
            assert when is not None
            assert {tasks[each.node]["taskInfo"]["name"] for each in scalars(when)} == {output["producerTask"]}


@given(GRAPHS)
def test_items_are_numbers_where_the_graph_has_the_list_and_told_where_a_step_has(graph: Graph) -> None:
    for number, task in tasks_of(package_of(graph)).items():
        node = graph.nodes[number]
        assert ("parameterIterator" in task) is bool(node.each)
        if node.count is not None and node.each:
            items = json.loads(task["parameterIterator"]["items"]["raw"])
            assert items == [str(item) for item in range(node.count)]


@given(GRAPHS)
def test_equal_graphs_compile_to_equal_bytes_and_hold_no_value_of_the_flow(graph: Graph) -> None:
    again = msgspec.json.decode(msgspec.json.encode(graph), type=Graph)
    assert naming.as_json(list(package_of(graph))) == naming.as_json(list(package_of(again)))


def _faults(step: Step, context: Context = CONTEXT) -> list[str]:
    with pytest.raises(SpecError) as caught:
        package_of(one_step(step), context)
    assert "--as WorkflowTemplate" in str(caught.value)
    return [each.path for each in caught.value.faults]


def _step(**options: Any) -> FunctionStep:
    return FunctionStep(name="s", function="mod:work", **options)


@pytest.mark.parametrize(
    ("step", "paths"),
    [
        (_step(runtime=runtimes.Torch(nodes=2)), ["runtime"]),
        (SweepStep(name="s", trial="s", space={}, metric="m", direction="maximize"), [""]),
        (_step(priority="high"), ["priority"]),
        (_step(resources=Resources(disk="10Gi")), ["resources.disk"]),
        (_step(volumes=(Volume(name="v", path="/v", claim="c", read_only=True),)), ["volumes.v"]),
        (_step(volumes=(Volume(name="v", path="/v", size="1Gi"),)), ["volumes[0]"]),
        (_step(overlays=(Overlay(kind="Pod", patch={"runtimeClassName": "gvisor"}),)), ["overlays.Pod.runtimeClassName"]),
        (_step(overlays=(Overlay(kind="Workflow", patch={"spec": {"parallelism": 2}}),)), ["overlays.Workflow"]),
        (_step(resources=Resources(disk="1Gi"), priority="high"), ["resources.disk", "priority"]),
    ],
)  # fmt: skip
def test_what_a_pipeline_can_t_say_is_refused_with_its_path(step: Step, paths: list[str]) -> None:
    assert _faults(step) == [f"steps.s.{path}".rstrip(".") for path in paths]


def test_what_the_context_asks_for_is_refused_too() -> None:
    claimed = Hardware(accelerators={"A100": Advertised(device_class="gpu.nvidia.com")})
    context = msgspec.structs.replace(CONTEXT, priority="high", hardware=claimed)
    assert _faults(_step(resources=Resources(gpus="A100:1")), context) == ["steps.s.priority", "steps.s.resources.gpus"]


def test_a_package_that_is_too_large_is_refused() -> None:
    step = _step()
    graph = Graph(flow="f", steps={"s": step}, nodes=tuple(graphs.Node(step="s", index=n) for n in range(1000)))
    with pytest.raises(SpecError, match=r"KiB, and 256 KiB is the most"):
        package_of(graph)


def test_what_a_step_asks_for_stands_in_its_executor() -> None:
    step = _step(
        resources=Resources(cpu="2", memory="4Gi", gpus="A100:2", shared_memory="1Gi"), spot=True,
        volumes=(Volume(name="v", path="/v", claim="c"),),
    )  # fmt: skip
    secret = Secret(name="market", key="token", variable="TOKEN")
    step = msgspec.structs.replace(step, environment=msgspec.structs.replace(step.environment, secrets=(secret,)))
    package = package_of(one_step(step))
    container = package.pipeline["deploymentSpec"]["executors"]["exec-s"]["container"]
    assert container["resources"] == {
        "resourceCpuRequest": "2000m", "resourceCpuLimit": "2000m", "resourceMemoryRequest": str(4 << 30),
        "resourceMemoryLimit": str(4 << 30), "accelerator": {"resourceType": "nvidia.com/gpu", "resourceCount": "2"},
    }  # fmt: skip
    config = package.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-s"]
    assert [each["mountPath"] for each in config["emptyDirMounts"]] == ["/fairlead-work", "/dev/shm"]
    assert config["emptyDirMounts"][1]["medium"] == "Memory"
    assert [(each["constant"], each["mountPath"]) for each in config["pvcMount"]] == [("c", "/v")]
    (named,) = config["secretAsEnv"]
    assert (named["secretName"], named["keyToEnv"]) == ("market", [{"secretKey": "token", "envVar": "TOKEN"}])
    assert {each["key"] for each in config["tolerations"]} >= {"nvidia.com/gpu"}
    assert all(each["weight"] for each in config["nodeAffinity"])
    assert config["podMetadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team"


def test_the_store_s_secret_is_a_volume_whose_files_the_worker_makes_variables() -> None:
    package = package_of(one_step(_step()))
    config = package.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-s"]
    (mounted,) = config["secretAsVolume"]
    container = package.pipeline["deploymentSpec"]["executors"]["exec-s"]["container"]
    assert {"name": "FAIRLEAD_VARIABLES", "value": mounted["mountPath"]} in container["env"]


def test_a_container_step_runs_in_its_own_image_which_brings_the_worker() -> None:
    package = package_of(one_step(ContainerStep(name="s", image="tool:1", command=("work",))))
    container = package.pipeline["deploymentSpec"]["executors"]["exec-s"]["container"]
    assert (container["image"], container["command"]) == ("tool:1", ["python3", "/opt/fairlead/start.py"])


def test_the_last_task_waits_for_the_graph_alone_and_comes_whatever_became_of_it() -> None:
    tasks = package_of(one_step(_step())).pipeline["root"]["dag"]["tasks"]
    assert tasks["finish"]["dependentTasks"] == ["flow"]
    assert tasks["finish"]["triggerPolicy"] == {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}
    assert "inputs" not in tasks["finish"]


def test_the_first_task_is_told_the_whole_launch() -> None:
    container = package_of(one_step(_step())).pipeline["deploymentSpec"]["executors"]["exec-begin"]["container"]
    (told,) = (each for each in container["args"] if each.startswith("--launch="))
    assert msgspec.json.decode(told.removeprefix("--launch="), type=Launch) == LAUNCH
    assert "{{" not in told


def _tasks(package: Package) -> Iterator[dict[str, Any]]:
    for each in (package.pipeline["root"], *package.pipeline["components"].values()):
        yield from each.get("dag", {"tasks": {}})["tasks"].values()


@given(GRAPHS, st.integers(0, 3))
def test_no_result_is_kept_by_the_pipeline_and_retries_are_those_of_both_budgets(graph: Graph, user: int) -> None:
    steps = {
        key: msgspec.structs.replace(each, retries=msgspec.structs.replace(each.retries, user=user))
        for key, each in graph.steps.items()
    }
    package = package_of(msgspec.structs.replace(graph, steps=steps))
    assert all(task["cachingOptions"] == {} for task in _tasks(package))
    counts = {key: user + each.retries.infrastructure for key, each in steps.items()}
    for task in _tasks(package):
        node = task.get("inputs", {"parameters": {}})["parameters"].get("node")
        if node is not None:
            count = counts[graph.nodes[int(node["runtimeValue"]["constant"])].step]
            assert task.get("retryPolicy", {"maxRetryCount": 0})["maxRetryCount"] == count
