"""Sweeps as Katib's Experiments: every point of a space is proposed and none beside it, and every field is Katib's."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead import space
from fairlead.errors import SpecError
from fairlead.specs.spaces import count_of, listed, point_of, text_of
from fairlead.specs.steps import PRUNERS, SAMPLERS, ContainerStep, Dimension, FunctionStep, SweepStep
from fairlead.targets.sweeps import katib_experiment
from fairlead.targets.sweeps.katib_experiment import ALGORITHMS, LISTED_MAX, STOPPERS
from fairlead.targets.validating import object_field_faults
from targets.goldens import REPOSITORY, compare, golden, submission, traced

FLOW = REPOSITORY / "tests/targets/flows/sweeping/flow.py"
DRIVING = REPOSITORY / "tests/targets/flows/driving/flow.py"
FIT = FunctionStep(name="fit", function="mod:fit")
SWEEP = SweepStep(
    name="search", trial="fit", space={"x": space.uniform(0, 1), "y": space.integers(1, 5)}, metric="loss",
    direction="minimize",
)  # fmt: skip

STEPPED = st.builds(
    lambda low, count, step: space.uniform(low, low + count * step, step=step),
    st.sampled_from([-1.5, 0.0, 0.1, 3.0]), st.integers(0, 40), st.sampled_from([0.1, 0.25, 0.5, 2.0]),
)  # fmt: skip
WHOLE = st.builds(
    lambda low, more, step: space.integers(low, low + more, step=step),
    st.integers(-20, 20), st.integers(0, 60), st.none() | st.integers(1, 7),
)  # fmt: skip
LOG = st.builds(lambda low, more: space.loguniform(low, low * more), st.floats(1e-6, 1.0), st.floats(1.0, 1e4))
RANGE = st.builds(lambda low, more: space.uniform(low, low + more), st.floats(-100, 100), st.floats(0.0, 100))
CHOICES = st.lists(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-1, 1) | st.text(max_size=5), min_size=1, max_size=5,
    unique_by=text_of,
).map(space.choice)  # fmt: skip
DIMENSIONS = STEPPED | WHOLE | LOG | RANGE | CHOICES


def compiled() -> list[dict[str, Any]]:
    found = []
    for file in (FLOW, DRIVING):
        graph = traced(file)
        for number, node in enumerate(graph.nodes):
            if isinstance(graph.step_of(node), SweepStep):
                found.append(katib_experiment.render(submission(graph), graph, number))
    return found


def points(dimension: Dimension, draw: Any) -> Any:
    """Draw a point of a dimension."""
    every = listed(dimension)
    if every is not None:
        return draw(st.sampled_from(every))
    return draw(st.floats(dimension.low, dimension.high))


def admits(parameter: dict[str, Any], text: str) -> bool:
    """Whether Katib's feasible space has a value, which Katib writes as a text."""
    kind, feasible = parameter["parameterType"], parameter["feasibleSpace"]
    if kind in ("categorical", "discrete"):
        return text in feasible["list"]
    low, high, number = float(feasible["min"]), float(feasible["max"]), float(text)
    if kind == "int" and number != int(number):
        return False
    if "step" in feasible:
        steps = (number - low) / float(feasible["step"])
        if abs(steps - round(steps)) > 1e-6:
            return False
    return low <= number <= high


@given(st.data(), DIMENSIONS, st.sampled_from(SAMPLERS))
def test_every_point_of_a_space_is_feasible_and_is_read_back_as_it_was(
    data: st.DataObject, dimension: Dimension, sampler: str
) -> None:
    sweep = msgspec.structs.replace(SWEEP, sampler=sampler)
    parameter = katib_experiment.parameter(sweep, "x", dimension)
    point = points(dimension, data.draw)
    assert admits(parameter, text_of(point))
    read = point_of(dimension, text_of(point))
    assert (type(read), read) == (type(point), point)
    assert json.loads(json.dumps(parameter)) == parameter
    assert all(isinstance(each, str) for value in parameter["feasibleSpace"].values() for each in value)


@given(STEPPED | WHOLE | CHOICES, st.sampled_from(SAMPLERS))
def test_what_is_feasible_of_a_space_with_points_is_a_point(dimension: Dimension, sampler: str) -> None:
    parameter = katib_experiment.parameter(msgspec.structs.replace(SWEEP, sampler=sampler), "x", dimension)
    feasible, every = parameter["feasibleSpace"], listed(dimension)
    assert every is not None
    if "list" in feasible:
        assert [point_of(dimension, text) for text in feasible["list"]] == every
    else:
        step = float(feasible.get("step", 1))
        proposed = [float(feasible["min"]) + step * number for number in range(len(every))]
        assert proposed == pytest.approx(every)
        assert proposed[-1] + step > float(feasible["max"])


@given(DIMENSIONS)
def test_a_dimension_has_as_many_points_as_are_listed(dimension: Dimension) -> None:
    every = listed(dimension)
    assert count_of(dimension) == (None if every is None else len(every))


@pytest.mark.parametrize("text", ["c", "A", ""])
def test_what_is_no_choice_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be one of a, b, got"):
        point_of(space.choice(["a", "b"]), text)


def test_what_lies_outside_a_range_is_refused_but_for_what_arithmetic_adds() -> None:
    assert point_of(space.uniform(0, 0.3), repr(0.1 + 0.2)) == 0.3
    with pytest.raises(ValueError, match=r"must lie between 0 and 0\.3, got '0\.31'"):
        point_of(space.uniform(0, 0.3), "0.31")


def test_every_sampler_has_an_algorithm() -> None:
    assert ALGORITHMS.keys() == {*SAMPLERS}


@pytest.mark.parametrize(
    ("changes", "path", "said"),
    [
        *(
            ({"pruner": each}, "pruner", f"Katib has no '{each}'; it has median")
            for each in PRUNERS
            if each not in STOPPERS
        ),
        ({"sampler": "cmaes", "space": {"x": space.uniform(0, 1), "k": space.choice([1])}}, "sampler", "needs 2 ranges"),
        *(
            ({"sampler": each, "space": {"x": space.loguniform(1, 2), "y": space.uniform(0, 1)}}, "space.x", "is logarithmic")
            for each in ("qmc", "cmaes")
        ),
        ({"space": {"x": space.uniform(0, 1, step=1e-4)}}, "space.x", "has 10001 points"),
        ({"space": {"x": space.choice(["1", 1])}}, "space.x", "two choices that are the same as texts"),
    ],
)  # fmt: skip
def test_what_katib_can_t_do_is_refused_with_what_it_can(changes: dict[str, Any], path: str, said: str) -> None:
    (fault,) = katib_experiment.faults(msgspec.structs.replace(SWEEP, **changes), FIT)
    assert fault.path == path
    assert said in fault.message


def test_a_container_can_t_be_a_trial() -> None:
    (fault,) = katib_experiment.faults(SWEEP, ContainerStep(name="c", image="i", command=("c",)))
    assert fault.path == "trial"


def test_a_refusal_names_every_fault() -> None:
    graph = traced(FLOW)
    sweep = msgspec.structs.replace(graph.steps["search"], pruner="halving", sampler="qmc")
    changed = msgspec.structs.replace(graph, steps={**graph.steps, "search": sweep})
    with pytest.raises(SpecError) as caught:
        katib_experiment.render(submission(changed), changed, 0)
    assert [each.path for each in caught.value.faults] == ["pruner", "space.rate"]


def test_sweeps_compile_to_the_experiments_beside_them() -> None:
    compare(golden(FLOW, "katib_experiment"), compiled())


def test_every_field_is_one_that_katib_and_kubernetes_have() -> None:
    for experiment in compiled():
        assert not [*object_field_faults(experiment)]
        assert not [*object_field_faults(experiment["spec"]["trialTemplate"]["trialSpec"])]
    wrong = msgspec.json.decode(msgspec.json.encode(compiled()[0]))
    wrong["spec"]["parameters"][0]["feasibleSpace"]["low"] = "0"
    assert [each.path for each in object_field_faults(wrong)] == ["spec.parameters[rate].feasibleSpace.low"]


def test_every_parameter_of_a_template_is_in_it_and_the_object_has_no_name_of_its_own() -> None:
    for experiment in compiled():
        template = experiment["spec"]["trialTemplate"]
        text = json.dumps(template["trialSpec"])
        names = [each["name"] for each in template["trialParameters"]]
        assert {text.count(f"${{trialParameters.{name}}}") for name in names} == {1}
        assert text.count("${trialParameters.") == len(names)
        assert {"name", "namespace"}.isdisjoint(template["trialSpec"]["metadata"])
        swept = {each["name"] for each in experiment["spec"]["parameters"]}
        assert {each["reference"] for each in template["trialParameters"]} == swept | {"${trialSpec.Name}"}


@given(st.integers(1, 2000), st.integers(1, 2000), st.sampled_from(SAMPLERS))
def test_the_budget_is_what_katib_takes(trials: int, parallel: int, sampler: str) -> None:
    changed = msgspec.structs.replace(
        SWEEP, trials=trials, parallel=parallel, sampler=sampler, space={"x": space.uniform(0, 1, step=0.1), "y": space.integers(1, 5)}
    )  # fmt: skip
    graph = msgspec.structs.replace(traced(FLOW), steps={"search": changed, "fit": FIT, "grid": changed})
    spec = katib_experiment.render(submission(graph), graph, 0)["spec"]
    assert 1 <= spec["parallelTrialCount"] <= spec["maxTrialCount"] <= trials
    assert spec["maxFailedTrialCount"] == spec["maxTrialCount"]
    if sampler == "grid":
        assert spec["maxTrialCount"] == min(trials, 11 * 5)
    assert LISTED_MAX >= 11
