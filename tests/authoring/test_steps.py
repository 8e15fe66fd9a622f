"""``@step``: options and their faults, what can't be a step, and calls outside of flows."""

from __future__ import annotations

import functools
import re
from typing import Any

import pytest

from authoring.work import boxed, double, inner, joined, load, scaled, split
from fairlead import Overlay, Retries, Secret, Volume, container, runtimes, step
from fairlead.errors import SpecError, UsageError
from fairlead.specs.steps import Parameter


def work(x: int = 1) -> int:
    return x


def faults_of(**options: Any) -> list[str]:
    with pytest.raises(SpecError) as caught:
        step(**options)(work)
    assert str(caught.value).startswith("step 'work' is not valid\n")
    assert f"  next   edit {__file__}:" in str(caught.value)
    return [str(each) for each in caught.value.faults]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cpus": 2}, ["cpus: there is no such option; did you mean 'cpu' or 'gpus'?"]),
        ({"gpu": "A100:1", "memroy": "1Gi"}, ["gpu: there is no such option; did you mean 'gpus' or 'cpu'?", "memroy: there is no such option; did you mean 'memory'?"]),
        ({"cpu": "two"}, ["resources.cpu: 'two' is no CPU quantity: write cores (2, 0.5) or millicores ('500m')"]),
        ({"cpu": [1], "memory": {}, "timeout": "soon"}, ["resources.cpu: must be a text or a number, got a list", "resources.memory: must be a text or a whole number, got a mapping"]),
        ({"gpus": "quantum:1"}, ["resources.gpus: unknown accelerator 'quantum'; known: "]),
        ({"runtime": "torch"}, ["runtime: must be a mapping, got 'torch'"]),
        ({"runtime": runtimes.torch(nodes=0)}, ["runtime.nodes: must be at least 1, got 0"]),
        ({"cache": "exakt"}, ["cache: must be 'exact' or 'off' or 'on', got 'exakt'; did you mean 'exact'?"]),
        ({"cache": []}, ["cache: must be 'exact' or 'off' or 'on', got []"]),
        ({"retries": "3"}, ["retries: must be a mapping, got a text"]),
        ({"retries": -1}, ["retries.user: must be 0 or more, got -1"]),
        ({"packages": "numpy"}, ["environment.packages: must be a list, got 'numpy'"]),
        ({"variables": {"A": 1}}, ["environment.variables.A: must be a text, got 1"]),
        ({"labels": {"team": None}}, ["labels.team: must be a text, got nothing"]),
        ({"volumes": Volume(name="v", path="/v", size="1Gi")}, ["volumes: must be a list, got a mapping"]),
        ({"name": 5}, ["name: must be a text, got 5"]),
        ({"name": "no name"}, ["name: a name is letters, digits, '_' and '-', and begins with a letter or '_': got 'no name'"]),
        ({"timeout": "soon", "labels": {"a b": ""}, "cpu": 0.0}, ["resources.cpu: 0.0 is no CPU quantity", "timeout: 'soon' is no duration", "labels.a b: is no Kubernetes label key"]),
    ],
)  # fmt: skip
def test_every_fault_of_the_options_is_named(options: dict[str, Any], said: list[str]) -> None:
    found = faults_of(**options)
    assert len(found) == len(said)
    assert all(one.startswith(other) for one, other in zip(found, said, strict=True)), found


def test_options_make_the_spec() -> None:
    spec = step(
        name="fit", cpu="500m", memory="1Gi", gpus="A100:1", disk="2Gi", shared_memory="1Gi", runtime=runtimes.torch(2), image="img",
        packages=["a", "b"], variables={"A": "1"}, secrets=[Secret(name="s", key="k", variable="V")], retries=2, timeout=90, cache=False,
        spot=True, queue="q", priority="p", labels={"team": "x"}, volumes=[Volume(name="v", path="/v", size="1Gi")], checkpoint="/c",
        overlays=[Overlay(kind="Pod", patch={"a": 1})],
    )(work).spec  # fmt: skip
    assert (spec.name, spec.resources.cpu_millis, spec.resources.memory_bytes, spec.timeout_s, spec.cache) == (
        "fit",
        500,
        2**30,
        90,
        "off",
    )
    assert (spec.retries, spec.environment.packages, spec.queue, spec.spot) == (Retries(user=2), ("a", "b"), "q", True)
    assert (len(spec.volumes), len(spec.overlays), len(spec.environment.secrets)) == (1, 1, 1)


def test_options_return_a_changed_copy_and_keep_the_rest() -> None:
    basis = step(cpu=2, memory="1Gi", retries=Retries(user=1, backoff="9s"))(work)
    changed = basis.options(memory="2Gi", retries=3, cache="exact")
    assert (basis.spec.resources.memory, changed.spec.resources.memory, changed.spec.resources.cpu) == ("1Gi", "2Gi", 2)
    assert changed.spec.retries == Retries(user=3, backoff="9s")
    assert changed.options(cache=True).spec.cache == "on"
    assert changed.function is basis.function
    with pytest.raises(SpecError, match="cpu"):
        basis.options(cpu="x")


def test_the_spec_describes_the_function() -> None:
    spec = scaled.spec
    assert (spec.name, spec.function) == ("scaled", "authoring.work:scaled")  # type: ignore[union-attr]
    assert spec.parameters == (
        Parameter(name="x", type="float"),
        Parameter(name="by", type="float", required=False),
        Parameter(name="name", type="str", required=False),
    )
    assert (split.spec.outputs, double.spec.outputs) == (("list[int]", "str"), ("int",))


def test_called_outside_a_flow_a_step_is_its_function() -> None:
    assert double(21) == 42
    assert scaled(2, by=3.0, name="x") == 6.0
    assert double.map([1, 2]) == [2, 4]
    assert joined.map([[1], [2]], text="t") == ["t[1]", "t[2]"]
    assert (double.__name__, double.__doc__, repr(double)) == ("double", None, "<step double>")
    with pytest.raises(ValueError, match="zip"):
        scaled.map([1, 2], [1])


async def _async() -> None: ...


def _generator() -> Any:
    yield 1


async def _async_generator() -> Any:
    yield 1


def _many(*items: int) -> None: ...


def _named(**options: int) -> None: ...


def _conditional(when: int) -> None: ...


def _placed(x: int, /) -> None: ...


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (_async, "step '_async' is async"),
        (_generator, "step '_generator' is a generator"),
        (_async_generator, "step '_async_generator' is async"),
        (_many, "step '_many' takes *items"),
        (_named, "step '_named' takes **options"),
        (_conditional, "step '_conditional' has a parameter 'when'"),
        (_placed, "step '_placed' has a parameter 'x' before '/'"),
        (len, "@step is for functions, got <built-in function len>"),
        (dict, "@step is for functions, got <class 'dict'>"),
        (functools.partial(work, 1), "@step is for functions, got functools.partial("),
        (double, "@step is for functions, got <step double>"),
        (inner, "@step is for functions, got <flow inner>"),
        (3, "@step is for functions, got 3"),
    ],
)
def test_what_can_not_be_a_step_is_refused_with_the_line_and_a_cure(function: Any, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)) as caught:
        step(function)
    assert caught.value.where.startswith(f"{__file__}:")
    assert caught.value.next


def test_a_lambda_has_no_name_for_a_step() -> None:
    with pytest.raises(SpecError, match="name: a name is letters"):
        step(lambda x: x)


def test_a_step_inside_a_function_is_refused_where_it_is_defined() -> None:
    def hidden(x: int) -> int:
        return x

    with pytest.raises(SpecError) as caught:
        step(hidden)
    assert [each.path for each in caught.value.faults] == ["function"]
    assert "is defined inside test_a_step_inside_a_function_is_refused_where_it_is_defined()" in str(caught.value)
    assert f"next   edit {__file__}:" in str(caught.value)


def test_a_container_is_a_step_with_inputs_by_name() -> None:
    changed = boxed.options(cpu=2).after()
    assert list(changed.signature.parameters) == ["a", "b"]
    assert changed.spec.resources.cpu == 2
    with pytest.raises(UsageError, match="the container step 'boxed' runs inside a flow only"):
        boxed(1, 2)


def test_every_fault_of_a_container_is_named() -> None:
    with pytest.raises(SpecError) as caught:
        container("no name", image="", command=[], parameters=["a-b", "output"], cpu="x")
    assert [each.path for each in caught.value.faults] == [
        "name", "image", "command", "parameters.a-b", "parameters.output", "resources.cpu",
    ] or {each.path for each in caught.value.faults} == {"name", "image", "command", "parameters.a-b", "parameters.output", "resources.cpu"}  # fmt: skip


def test_a_list_of_rows_is_a_plain_default() -> None:
    assert load() == [0, 1, 2]
