"""Kubeflow Pipelines' ``PipelineSpec``: a published flow as a package that is uploaded, and run as often as one likes.

Each job of it makes a run of its own (`fairlead.worker.pods.job`). A definition of a step is a component, and a node a
task, which carries the number of its node: values pass through the store, as with every target. A pod tells its
pipeline what decides others, a condition or a list, and no value.

A task here begins once all that it waits for has succeeded, never after something that was skipped. So a condition is
the pipeline's only where that loses nothing (`fairlead.targets.skipping`); elsewhere the pod decides, as always.

Source: https://github.com/kubeflow/pipelines/blob/2.17.0/api/v2alpha1/pipeline_spec.proto
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from fairlead.errors import Fault, SpecError
from fairlead.quantities import parse_duration
from fairlead.specs import graphs
from fairlead.specs.contexts import Launch, Submission
from fairlead.specs.graphs import Graph, Node
from fairlead.specs.steps import ContainerStep, FunctionStep, Step
from fairlead.targets import naming, pods
from fairlead.targets.executor_config import Executor, executor
from fairlead.targets.layers import Layer, layers_of, wanted
from fairlead.targets.orders import Manifest, Order
from fairlead.targets.skipping import skippable
from fairlead.targets.tasks import length_of

BYTES_MAX = 256 << 10
"""The largest package, as JSON: each job becomes a workflow that holds every task twice, and etcd takes 1.5 MiB."""

SCHEMA, SDK = "2.1.0", "kfp-2.17.3"
"""The version of the form, and the SDK whose packages look like these."""

_FLOW, _BEGIN, _FINISH = "flow", "begin", "finish"
_JOB = "--job={{$.pipeline_job_uuid}}"
_RUN = "{{$.inputs.parameters['run']}}"
_WHERE = ("--node={{$.inputs.parameters['node']}}", "--item={{$.inputs.parameters['item']}}")
_STRING: Manifest = {"parameterType": "STRING"}
_PERSISTENT: Manifest = {"maxRetryCount": 5, "backoffDuration": "2s", "backoffFactor": 2, "backoffMaxDuration": "300s"}
"""How pods of Fairlead's own are tried again, which begin where the last one was stopped."""
_TELLING = "fairlead.worker.pods.telling"
_TITLE_MAX = 40


class Package(NamedTuple):
    """What is uploaded: two documents of one file.

    Attributes:
        pipeline: The ``PipelineSpec``.
        platform: What of it is of Kubernetes alone, the ``PlatformSpec``.
    """

    pipeline: Manifest
    platform: Manifest


def render(graph: Graph, launch: Launch, namespace: str) -> Package:
    """Compile a published flow.

    Args:
        graph: Its graph.
        launch: What is launched, where, and under which name.
        namespace: The namespace.

    Raises:
        SpecError: A pipeline can't say all of it; every fault is named, and what can.
    """
    rendering = _Rendering(graph, launch, namespace)
    faults = list(rendering.faults())
    if not faults:
        made = rendering.package()
        size = sum(len(naming.as_json(each)) for each in made)
        if size <= BYTES_MAX:
            return made
        faults = [Fault("nodes", f"they make a package of {size >> 10} KiB, and {BYTES_MAX >> 10} KiB is the most")]
    raise SpecError(
        f"flow {graph.flow!r}",
        faults,
        verdict="can't be a pipeline",
        next="render it as what can: --as WorkflowTemplate, or --as CronWorkflow",
    )


class _Rendering:
    def __init__(self, graph: Graph, launch: Launch, namespace: str) -> None:
        self._graph = graph
        self._launch = launch
        self._context = launch.context
        self._submission = Submission(
            run=_RUN, flow=graph.flow, context=launch.context, namespace=namespace, labels=launch.labels
        )
        self._order = Order(self._submission, graph, dict.fromkeys(range(len(graph.nodes))))
        self._layers = wanted(graph, self._order.nodes, launch.context)

    # What can't be said ------------------------------------------------------------------------

    def faults(self) -> Iterator[Fault]:
        """Yield what a pipeline can't say, with paths into the graph."""
        for key, step in self._used.items():
            at = f"steps.{key}"
            if pods.is_gang(step):
                yield Fault(f"{at}.runtime", "a pipeline's pods create no others, and a step with ranks has several")
            elif not isinstance(step, FunctionStep | ContainerStep):
                yield Fault(at, "a pipeline's pods create no others, and each call of a driver or a sweep is one")
            elif made := [number for number, each in enumerate(step.volumes) if each.claim is None]:
                for number in made:
                    yield Fault(f"{at}.volumes[{number}]", "a pipeline mounts claims that are there, and nothing else")
            else:
                yield from (Fault(f"{at}.{each.path}", each.message) for each in self._steps[key].faults)
            if any(each.kind == "Workflow" for each in step.overlays):
                yield Fault(f"{at}.overlays.Workflow", "the workflow of a pipeline is made by Kubeflow Pipelines")

    # The documents -----------------------------------------------------------------------------

    def package(self) -> Package:
        """Return the documents; there are no faults."""
        executors = {_BEGIN: self._begin, _FINISH: self._finish}
        executors |= {layer.name: self._layer(layer, key) for layer, key in self._layers.items()}
        executors |= {self._names[key]: found for key, found in self._steps.items()}
        pipeline = {
            "pipelineInfo": {"name": self._launch.name},
            "schemaVersion": SCHEMA,
            "sdkVersion": SDK,
            "root": {"dag": {"tasks": self._root()}},
            "components": dict(self._components()),
            "deploymentSpec": {
                "executors": {_executor(name): {"container": each.container} for name, each in executors.items()}
            },
        }
        configs = {_executor(name): each.config for name, each in executors.items()}
        return Package(pipeline, {"platforms": {"kubernetes": {"deploymentSpec": {"executors": configs}}}})

    def _root(self) -> Manifest:
        run = {"run": {"taskOutputParameter": {"producerTask": _BEGIN, "outputParameterKey": "run"}}}
        return {
            _BEGIN: _task(_BEGIN, _component(_BEGIN)) | {"retryPolicy": _PERSISTENT},
            _FLOW: _task(_FLOW, _component(_FLOW), inputs=run, after=[_BEGIN]),
            # It takes no parameter: whatever it took one of would have it run at its own end, too.
            _FINISH: _task(_FINISH, _component(_FINISH), after=[_FLOW])
            | {"triggerPolicy": {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}, "retryPolicy": _PERSISTENT},
        }

    def _components(self) -> Iterator[tuple[str, Manifest]]:
        yield _component(_BEGIN), {"executorLabel": _executor(_BEGIN), **_outputs({"run": _STRING})}
        yield _component(_FINISH), {"executorLabel": _executor(_FINISH)}
        for layer in self._layers:
            yield _component(layer.name), {"executorLabel": _executor(layer.name), **_inputs({"run": _STRING})}
        for key, name in self._names.items():
            yield _component(name), self._of_step(key, {})
        tasks: Manifest = {}
        for layer in self._layers:
            made = _task(layer.name, _component(layer.name), inputs=_passed("run"))
            tasks[layer.name] = made | {"retryPolicy": _PERSISTENT}
        for number, node in enumerate(self._graph.nodes):
            tasks[self._task_name(number)] = self._node(number, node)
            if node.each:
                yield self._own_component(number), self._loop(number, node)
            elif number in self._skipped_by:
                told = {_channel(*self._skipping(number)): {"parameterType": "BOOLEAN"}}
                yield self._own_component(number), self._of_step(node.step, told)
        yield _component(_FLOW), {**_inputs({"run": _STRING}), "dag": {"tasks": tasks}}

    def _of_step(self, key: str, told: Manifest) -> Manifest:
        """Return a component of a definition, with what its tasks are told beside what every step is."""
        own = {name: _STRING for name in ("run", "node", "item")}
        types = {fact: {"parameterType": "BOOLEAN" if fact.startswith("when") else "LIST"} for fact in self._facts[key]}
        return {
            "executorLabel": _executor(self._names[key]),
            **_inputs(own | told),
            **_outputs({_output(fact): form for fact, form in types.items()}),
        }

    # Tasks -------------------------------------------------------------------------------------

    def _node(self, number: int, node: Node) -> Manifest:
        name, after = self._task_name(number), self._before(number, node)
        if node.each:
            return self._looping(number, name, after)
        inputs = {**_passed("run"), "node": _constant(str(number)), "item": _constant("0")}
        retries = _retry(self._graph.steps[node.step])
        if number not in self._skipped_by:
            return _task(name, _component(self._names[node.step]), inputs=inputs, after=after) | retries
        told = self._skipping(number)
        condition = f"inputs.parameter_values['{_channel(*told)}'] == true"
        inputs[_channel(*told)] = _told(*told)
        made = _task(name, self._own_component(number), inputs=inputs, after=after) | retries
        return made | {"triggerPolicy": {"condition": condition}}

    def _looping(self, number: int, name: str, after: list[str]) -> Manifest:
        """Return the task of a mapped node, which is a graph of one task, gone through for each item."""
        length, inputs = length_of(self._order, number), _passed("run")
        if isinstance(length, int):
            items: Manifest = {"raw": naming.as_json([str(item) for item in range(length)]).decode()}
        else:
            told = self._task_name(length[0]), _output(length[1])
            items = {"inputParameter": _channel(*told)}
            inputs[_channel(*told)] = _told(*told)
        made = _task(name, self._own_component(number), inputs=inputs, after=after)
        return made | {"parameterIterator": {"itemInput": "item", "items": items}}

    def _loop(self, number: int, node: Node) -> Manifest:
        length = length_of(self._order, number)
        told = {} if isinstance(length, int) else {_channel(self._task_name(length[0]), _output(length[1])): "LIST"}
        inputs = {**_passed("run", "item"), "node": _constant(str(number))}
        title = self._names[node.step]
        task = _task(title, _component(title), inputs=inputs) | _retry(self._graph.steps[node.step])
        types = {"run": _STRING, "item": _STRING} | {name: {"parameterType": form} for name, form in told.items()}
        return {**_inputs(types), "dag": {"tasks": {title: task}}}

    def _before(self, number: int, node: Node) -> list[str]:
        """Return the tasks that a node's waits for: those of its layers, of what it needs, and of what counts it."""
        found = graphs.needs(node)
        length = length_of(self._order, number)
        if not isinstance(length, int):
            found.add(length[0])
        layers = [each.name for each in layers_of(self._graph, node.step, self._context)]
        return [*layers, *map(self._task_name, sorted(found))]

    def _own_component(self, number: int) -> str:
        """Return the name of the component that one task alone has: a loop, or one that is told its condition."""
        return f"{'for' if self._graph.nodes[number].each else 'if'}-{self._task_name(number)}"

    def _task_name(self, number: int) -> str:
        return f"{naming.dns_label(self._graph.nodes[number].title, _TITLE_MAX)}-{number}"

    # Conditions and lists ----------------------------------------------------------------------

    @cached_property
    def _skipped_by(self) -> dict[int, tuple[int, str]]:
        return skippable(self._graph)

    def _skipping(self, number: int) -> tuple[str, str]:
        decides, fact = self._skipped_by[number]
        return self._task_name(decides), _output(fact)

    @cached_property
    def _facts(self) -> dict[str, list[str]]:
        """The names of what the pods of each definition tell the pipeline: what of it a task asks for."""
        asked: dict[str, set[str]] = {key: set() for key in self._used}
        for decides, fact in self._skipped_by.values():
            asked[self._graph.nodes[decides].step].add(fact)
        for number in self._order.nodes:
            length = length_of(self._order, number)
            if not isinstance(length, int):
                asked[self._graph.nodes[length[0]].step].add(length[1])
        return {key: sorted(facts) for key, facts in asked.items()}

    # Pods --------------------------------------------------------------------------------------

    @cached_property
    def _used(self) -> dict[str, Step]:
        keys = dict.fromkeys(node.step for node in self._graph.nodes)
        return {key: self._graph.steps[key] for key in keys}

    @cached_property
    def _names(self) -> dict[str, str]:
        return {key: naming.dns_label(key, _TITLE_MAX, taken=(_FLOW, _BEGIN, _FINISH)) for key in self._used}

    @cached_property
    def _steps(self) -> dict[str, Executor]:
        return {key: self._step(key, step) for key, step in self._used.items() if not pods.is_driving(step)}

    def _step(self, key: str, step: Step) -> Executor:
        pod = pods.step_pod(self._submission, step, *_WHERE)
        facts = self._facts[key]
        if facts:
            python, start, _, *arguments = pods.main_of(pod)["command"]
            tell = (f"--tell={fact}={_file(_output(fact))}" for fact in facts)
            pods.main_of(pod)["command"] = [python, start, _TELLING, *arguments, *tell]
        labels = {**pods.step_labels(step), **pods.queue_label(self._context, step)}
        return self._executor(pod, labels, pods.step_annotations(self._context, step))

    def _layer(self, layer: Layer, key: str) -> Executor:
        return self._executor(pods.layer_pod(self._submission, layer.image, f"--step={key}"), {naming.STEP: layer.name})

    @property
    def _begin(self) -> Executor:
        told = (f"--launch={naming.as_json(self._launch).decode()}", f"--tell={_file('run')}")
        pod = self._own_pod("begin", *told)
        for variable, field in (
            ("FAIRLEAD_WORKFLOW", "metadata.labels['workflows.argoproj.io/workflow']"),
            ("FAIRLEAD_NAMESPACE", "metadata.namespace"),
        ):
            pods.main_of(pod)["env"].append({"name": variable, "valueFrom": {"fieldRef": {"fieldPath": field}}})
        return self._executor(pod, {naming.STEP: _BEGIN})

    @property
    def _finish(self) -> Executor:
        return self._executor(self._own_pod("finish", f"--store={self._context.store}"), {naming.STEP: _FINISH})

    def _own_pod(self, what: str, *told: str) -> pods.PodSpec:
        return pods.own_pod(self._context, "fairlead.worker.pods.job", what, _JOB, *told)

    def _executor(
        self, pod: pods.PodSpec, labels: dict[str, str], annotations: dict[str, str] | None = None
    ) -> Executor:
        own = {
            **self._context.labels,
            **self._launch.labels,
            "app.kubernetes.io/managed-by": "fairlead",
            naming.FLOW: naming.label_value(self._graph.flow),
            **labels,
        }
        return executor(pod, {"labels": own, "annotations": annotations or {}}, self._context.user)


# The words of a pipeline ---------------------------------------------------------------------------


def _executor(name: str) -> str:
    return f"exec-{name}"


def _component(name: str) -> str:
    return f"comp-{name}"


def _task(name: str, component: str, *, inputs: Manifest | None = None, after: list[str] | None = None) -> Manifest:
    """Return a task, whose results Kubeflow Pipelines does not keep: whether a step is executed, its own cache says."""
    return {
        "taskInfo": {"name": name},
        "componentRef": {"name": component},
        "cachingOptions": {},
        **({"dependentTasks": after} if after else {}),
        **({"inputs": {"parameters": inputs}} if inputs else {}),
    }


def _inputs(types: Manifest) -> Manifest:
    return {"inputDefinitions": {"parameters": types}} if types else {}


def _outputs(types: Manifest) -> Manifest:
    return {"outputDefinitions": {"parameters": types}} if types else {}


def _passed(*names: str) -> Manifest:
    return {name: {"componentInputParameter": name} for name in names}


def _constant(text: str) -> Manifest:
    return {"runtimeValue": {"constant": text}}


def _told(task: str, output: str) -> Manifest:
    return {"taskOutputParameter": {"producerTask": task, "outputParameterKey": output}}


def _output(fact: str) -> str:
    """Return the name of the output in which a fact is told. ``Output`` is what the SDK gives a task's only one."""
    return "Output" if fact == "count-0" else fact


def _channel(task: str, output: str) -> str:
    """Return the name of a parameter that is another task's output, as the SDK gives it: its local runner reads it."""
    joint = "-" if output == "Output" else "--"
    return f"pipelinechannel--{task}{joint}{output}"


def _file(output: str) -> str:
    return f"{{{{$.outputs.parameters['{output}'].output_file}}}}"


def _retry(step: Step) -> Manifest:
    """Return one counter for both budgets of a step. A pod that finds its step's own spent ends at once."""
    retries = step.retries
    count = retries.user + retries.infrastructure
    if not count:
        return {}
    return {
        "retryPolicy": {
            "maxRetryCount": count,
            "backoffDuration": _duration(retries.backoff),
            "backoffFactor": retries.factor,
            "backoffMaxDuration": _duration(retries.backoff_max),
        }
    }


def _duration(text: str) -> str:
    return f"{parse_duration(text):.3f}".rstrip("0").rstrip(".") + "s"
