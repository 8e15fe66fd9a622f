"""Sweeps that Ray Tune runs: what they become before a run begins, and what is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fairlead.errors import SpecError
from fairlead.specs.graphs import Graph
from fairlead.specs.resources import Resources
from fairlead.specs.runtimes import Ray
from fairlead.specs.steps import PRUNERS, SweepStep
from fairlead.targets.counting import count_pods
from fairlead.targets.sweeps import ray_tune
from fairlead.targets.sweeps.table import NAMES, asked_faults, asked_of, placed
from fairlead.targets.training import ray_job
from fairlead.targets.training.target import Gang
from fairlead.targets.validating import object_field_faults
from targets.goldens import REPOSITORY, compare, golden, submission, traced

FLOW = REPOSITORY / "tests/targets/flows/sweeping/flow.py"
ASKED = {"sweep": "raytune"}


@pytest.fixture
def graph() -> Graph:
    """The flow without the sweep whose trials are gangs."""
    found = traced(FLOW)
    return msgspec.structs.replace(
        found, nodes=found.nodes[:1], steps={key: found.steps[key] for key in ("search", "fit")}
    )


def changed(graph: Graph, key: str, **changes: Any) -> Graph:
    return msgspec.structs.replace(
        graph, steps={**graph.steps, key: msgspec.structs.replace(graph.steps[key], **changes)}
    )


def test_a_sweep_gets_a_node_for_each_trial_at_once_and_a_head_without_any(graph: Graph) -> None:
    sweep, trial = placed(graph, ASKED).steps["search"], graph.steps["fit"]
    assert isinstance(sweep, SweepStep) and isinstance(sweep.runtime, Ray)
    assert sweep.runtime.nodes_by_role == {"head": 1, "worker": 4}
    assert sweep.runtime.resources_of("worker", sweep.resources) == trial.resources
    assert sweep.runtime.resources_of("head", sweep.resources) == ray_tune.HEAD
    assert (sweep.environment, sweep.queue) == (trial.environment, trial.queue)
    assert (
        msgspec.structs.replace(sweep, runtime=graph.steps["search"].runtime, resources=graph.steps["search"].resources)
        == graph.steps["search"]
    )
    (job,) = ray_job.render(Gang(submission(graph), sweep, "search", 0, 1))
    compare(golden(FLOW, "ray_tune"), [job])
    assert not [*object_field_faults(job)]
    assert job["spec"]["rayClusterSpec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    pods = count_pods(placed(graph, ASKED))
    assert (pods.steps, pods.drivers, pods.waiting) == (5, 0, 1)


@pytest.mark.parametrize(("cpu", "given"), [("200m", 500), ("500m", 500), (2, 2000), (None, 1000)])
def test_a_node_has_the_cpu_that_ray_s_start_wants(graph: Graph, cpu: str | int | None, given: int) -> None:
    small = changed(graph, "fit", resources=Resources(cpu=cpu, memory="1Gi"))
    resources = placed(small, ASKED).steps["search"].resources
    assert (resources.cpu_millis, resources.memory) == (given, "1Gi")
    assert small.steps["fit"].resources.cpu == cpu


@pytest.mark.parametrize("asked", [{}, {"sweep": "driver"}, {"torch": "jobset"}])
def test_a_graph_stays_as_it_is_where_nothing_is_asked_for(asked: dict[str, str], graph: Graph) -> None:
    assert placed(graph, asked) is graph
    assert asked_of(graph) == {}


def test_a_graph_says_what_was_asked_for_when_it_was_made(graph: Graph) -> None:
    assert placed(graph, asked_of(placed(graph, ASKED))) == placed(graph, ASKED)


def test_what_ray_tune_can_t_run_is_refused_with_every_fault_before_anything_runs() -> None:
    found = changed(changed(traced(FLOW), "search", pruner="percentile"), "fit", timeout="1h")
    with pytest.raises(SpecError) as caught:
        placed(found, ASKED)
    assert [str(each) for each in caught.value.faults] == [
        "steps.search.trial: 'fit' has a timeout, which a trial of Ray's can't have",
        "steps.search.pruner: Ray Tune has no 'percentile'; it has halving, hyperband, median",
        "steps.grid.trial: 'train' is no plain function in one process, as Ray's trials are",
    ]
    assert "--target sweep=driver" in str(caught.value)


def test_every_pruner_is_one_of_ray_s_or_refused(graph: Graph) -> None:
    for pruner in PRUNERS:
        found = changed(graph, "search", pruner=pruner)
        refused = [*ray_tune.faults(found.steps["search"], found.steps["fit"])]  # type: ignore[arg-type]
        assert bool(refused) == (pruner not in ray_tune.PRUNERS)


def test_a_name_that_there_is_not_is_refused_with_the_nearest() -> None:
    assert not [each for name in NAMES for each in asked_faults(name)]
    assert [str(each) for each in asked_faults("raytun")] == [
        "targets.sweep: no target of sweeps is 'raytun'; did you mean 'raytune'?"
    ]
