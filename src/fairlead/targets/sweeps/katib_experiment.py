"""Katib's ``Experiment``: its services propose what a sweep tries, and each trial is the job that the step compiles to.

A trial prints what it logs, ``score=0.93``, and Katib's collector reads that from its output. The worker of a trial is
told the parameters as texts, and enters itself into the run as a driver's call would be. A step with ranks, or with a
cluster, is such a job too: its pod waits for what its own target makes of it, and prints what rank 0 logs.

Which service has which algorithm, and what of a space it heeds, are facts of Katib 0.19: where one would propose what
no point of the space is, the points are listed for it instead, or the sweep is refused.

Sources: https://www.kubeflow.org/docs/components/katib/user-guides/hp-tuning/configure-experiment/,
https://www.kubeflow.org/docs/components/katib/user-guides/trial-template/
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from fairlead.errors import Fault, SpecError
from fairlead.specs.contexts import Submission
from fairlead.specs.graphs import Graph, Node
from fairlead.specs.spaces import Point, count_of, listed, text_of
from fairlead.specs.steps import Dimension, FunctionStep, Step, SweepStep
from fairlead.targets import job, naming, pods
from fairlead.targets.orders import Manifest

API_VERSION, KIND = "kubeflow.org/v1beta1", "Experiment"


class Algorithm(NamedTuple):
    """An algorithm of Katib's, and what of a space its service heeds.

    Attributes:
        name: As Katib has it.
        log: Whether a logarithmic scale.
        step: Whether steps, counted from the lower bound.
        seed: Whether a setting for the seed.
    """

    name: str
    log: bool
    step: bool
    seed: bool


ALGORITHMS = {
    "tpe": Algorithm("tpe", log=True, step=False, seed=True),  # Hyperopt: its steps are multiples, from zero
    "random": Algorithm("random", log=True, step=False, seed=True),  # likewise
    "grid": Algorithm("grid", log=False, step=True, seed=True),  # Optuna
    "cmaes": Algorithm("cmaes", log=False, step=True, seed=True),  # Goptuna
    "qmc": Algorithm("sobol", log=False, step=True, seed=False),  # Goptuna
    "gp": Algorithm("bayesianoptimization", log=True, step=False, seed=True),  # scikit-optimize
}
"""By the word of the sampler."""

STOPPERS = {"median": "medianstop"}
"""Katib's early stopping, by the word of the pruner."""

LISTED_MAX = 1000
"""The most points of a dimension that are listed."""

SHOWN = {"name": "FAIRLEAD_SHOW_METRICS", "value": "1"}
"""The variable by which a trial prints what it logs; see `fairlead.worker.context`."""

_TRIAL = "trial-name"  # no parameter of a function has a hyphen in its name
_LEAST_OF_CMAES = 2
_STRATEGIES = {"last": "latest", "min": "min", "max": "max"}
_ENDED = 'status.conditions.#(type=="{}")#|#(status=="True")#'
_NAME_MAX = 40
"""The longest name of an experiment: Katib names services by it and its algorithm, and pods by it and a mark."""


def render(submission: Submission, graph: Graph, number: int) -> Manifest:
    """Compile a sweep.

    Args:
        submission: Where it runs.
        graph: The graph.
        number: The number of the node that is the sweep.

    Raises:
        SpecError: Katib can't do it; every fault is named.
    """
    node = graph.nodes[number]
    sweep = graph.step_of(node)
    assert isinstance(sweep, SweepStep)
    if found := [*faults(sweep, graph.steps[sweep.trial])]:
        raise SpecError(f"sweep {sweep.name!r}", found, verdict="can't be an Experiment of Katib's")
    return naming.marked(
        {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {
                "name": _name(submission, node),
                "namespace": submission.namespace,
                "labels": naming.run_labels(submission),
            },
            "spec": {
                "objective": _objective(sweep),
                "algorithm": _algorithm(sweep),
                **({"earlyStopping": {"algorithmName": STOPPERS[sweep.pruner]}} if sweep.pruner else {}),
                "parameters": [parameter(sweep, name, each) for name, each in sweep.space.items()],
                **_budget(sweep),
                "resumePolicy": "Never",
                "metricsCollectorSpec": {"collector": {"kind": "StdOut"}},
                "trialTemplate": _template(submission, graph, sweep, number),
            },
        }
    )


def faults(sweep: SweepStep, trial: Step) -> Iterator[Fault]:
    """Yield what of a sweep Katib can't do, with paths below it."""
    algorithm = ALGORITHMS[sweep.sampler]
    if not isinstance(trial, FunctionStep):
        yield Fault("trial", f"{trial.name!r} is no function, and only what one logs can be read")
    if sweep.pruner is not None and sweep.pruner not in STOPPERS:
        yield Fault("pruner", f"Katib has no {sweep.pruner!r}; it has {', '.join(STOPPERS)}")
    for name, dimension in sweep.space.items():
        yield from (Fault(f"space.{name}", message) for message in _dimension_faults(algorithm, dimension))
    ranges = sum(each.type != "categorical" for each in sweep.space.values())
    if sweep.sampler == "cmaes" and ranges < _LEAST_OF_CMAES:
        known = ", ".join(name for name in ALGORITHMS if name != "cmaes")
        yield Fault("sampler", f"Katib's cmaes needs {_LEAST_OF_CMAES} ranges of numbers or more; others: {known}")


def _dimension_faults(algorithm: Algorithm, dimension: Dimension) -> Iterator[str]:
    if dimension.log and not algorithm.log:
        able = ", ".join(name for name, each in ALGORITHMS.items() if each.log)
        yield f"is logarithmic, which Katib's {algorithm.name} does not heed; these samplers do: {able}"
    if _is_listed(algorithm, dimension) and (count_of(dimension) or 0) > LISTED_MAX:
        yield f"has {count_of(dimension)} points, which Katib's {algorithm.name} has to be listed: {LISTED_MAX} at most"
    if dimension.type == "categorical" and len({*map(text_of, dimension.choices)}) < len(dimension.choices):
        yield "has two choices that are the same as texts, and Katib knows texts alone"


def _is_listed(algorithm: Algorithm, dimension: Dimension) -> bool:
    """Say whether the points of a range are listed: where its steps would not be heeded, or not as they are meant."""
    is_stepped = dimension.step is not None and (dimension.type, dimension.step) != ("int", 1)
    return is_stepped and not algorithm.step


def parameter(sweep: SweepStep, name: str, dimension: Dimension) -> Manifest:
    """Return a dimension as Katib has it: texts, whatever they stand for."""
    algorithm = ALGORITHMS[sweep.sampler]
    if dimension.type == "categorical" or _is_listed(algorithm, dimension):
        kind = "categorical" if dimension.type == "categorical" else "discrete"
        points = [_text(dimension, each) for each in listed(dimension) or ()]
        return {"name": name, "parameterType": kind, "feasibleSpace": {"list": points}}
    space = {"min": _text(dimension, dimension.low), "max": _text(dimension, dimension.high)}
    if dimension.step is not None and algorithm.step:
        space["step"] = _text(dimension, dimension.step)
    if dimension.log:
        space["distribution"] = "logUniform"
    kind = "int" if dimension.type == "int" else "double"
    return {"name": name, "parameterType": kind, "feasibleSpace": space}


def _text(dimension: Dimension, point: Point) -> str:
    return text_of(int(point) if dimension.type == "int" and isinstance(point, float) else point)


def _objective(sweep: SweepStep) -> Manifest:
    strategy = {"name": sweep.metric, "value": _STRATEGIES[sweep.best_of]}
    return {"type": sweep.direction, "objectiveMetricName": sweep.metric, "metricStrategies": [strategy]}


def _algorithm(sweep: SweepStep) -> Manifest:
    algorithm = ALGORITHMS[sweep.sampler]
    seed = [{"name": "random_state", "value": str(sweep.seed)}] if sweep.seed is not None and algorithm.seed else []
    return {"algorithmName": algorithm.name, **({"algorithmSettings": seed} if seed else {})}


def _budget(sweep: SweepStep) -> Manifest:
    """Return how many trials there are; a grid has no more than its points, and only if all fail the sweep does."""
    trials = sweep.trials
    if sweep.sampler == "grid":
        trials = min(trials, math.prod(count_of(each) or 1 for each in sweep.space.values()))
    return {
        "maxTrialCount": trials,
        "parallelTrialCount": min(sweep.parallel, trials),
        "maxFailedTrialCount": trials,
    }


def _template(submission: Submission, graph: Graph, sweep: SweepStep, number: int) -> Manifest:
    step = graph.steps[sweep.trial]
    where = [f"--node={number}", f"--trial=${{trialParameters.{_TRIAL}}}"]
    where += [f"--given={name}=${{trialParameters.{name}}}" for name in sweep.space]
    made = job.tried(submission, step, *where)
    return {
        "primaryContainerName": pods.MAIN,
        "successCondition": _ENDED.format("Complete"),
        "failureCondition": _ENDED.format("Failed"),
        "trialParameters": [
            {"name": _TRIAL, "reference": "${trialSpec.Name}"},
            *({"name": name, "reference": name} for name in sweep.space),
        ],
        "trialSpec": _showing(made),
    }


def _showing(made: Manifest) -> Manifest:
    """Return a trial's job with the variable by which it prints what it logs."""
    spec: dict[str, Any] = made["spec"]["template"]["spec"]
    main = pods.main_of(spec)
    containers = [{**each, "env": [*each["env"], SHOWN]} if each is main else each for each in spec["containers"]]
    template = {**made["spec"]["template"], "spec": {**spec, "containers": containers}}
    return {**made, "spec": {**made["spec"], "template": template}}


def _name(submission: Submission, node: Node) -> str:
    return naming.job_name(submission, node.title, node.index, longest=_NAME_MAX)
