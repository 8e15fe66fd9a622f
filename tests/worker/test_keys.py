"""Cache keys: what decides that a step would return the same again, and what does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead import runtimes, space
from fairlead.authoring.tracing import is_small_json
from fairlead.specs.graphs import Graph, ListOf, Literally, Node, Output
from fairlead.specs.resources import Resources
from fairlead.specs.steps import (
    ContainerStep,
    Environment,
    FunctionStep,
    Parameter,
    Retries,
    Secret,
    Step,
    SweepStep,
    Volume,
)
from fairlead.specs.values import Ref
from fairlead.store.backends import Folder
from fairlead.store.progress import Instance, Progress
from fairlead.store.records import AttemptRecord, Called, Ended, Outcome, RunSpec
from fairlead.store.values import Values
from fairlead.worker.keys import InstanceKeys, cache_key, fixed_parts, input_parts
from fairlead.worker.resolving import Resolver
from fairlead.worker.tasks import DictInput, Given, Input, ListInput, Stored

WORK = FunctionStep(name="work", function="m:work", parameters=(Parameter(name="x"),))
SOURCE = {"work": "d1", "helper": "d2"}


def parts(step: Step = WORK, source: dict[str, str] | None = None, python: str = "3.12") -> dict[str, str]:
    return fixed_parts(step, SOURCE if source is None else source, python)


def changed(**fields: Any) -> set[str]:
    """Return the parts that differ once the step has other fields."""
    before, after = parts(), parts(msgspec.structs.replace(WORK, **fields))
    return {name for name in before | after if before.get(name) != after.get(name)}


def digest(given: Input) -> str:
    return input_parts({"x": given})["input x"]


# What a definition contributes -----------------------------------------------------------------


def test_the_source_python_and_nothing_else_make_the_parts_of_a_plain_step() -> None:
    assert parts() == {"source helper": "d2", "source work": "d1", "python": "3.12"}
    assert parts(source={**SOURCE, "helper": "d3"}) != parts()
    assert parts(source={"work": "d1"}) != parts()
    assert parts(python="3.13") != parts()
    assert parts(source=dict(reversed(SOURCE.items()))) == parts()


@pytest.mark.parametrize(
    ("fields", "differ"),
    [
        ({"environment": Environment(packages=("numpy",))}, {"packages"}),
        ({"environment": Environment(lock=Ref(digest="0" * 64, format="lock", size_bytes=1))}, {"packages"}),
        ({"environment": Environment(variables={"A": "1"})}, {"variables"}),
        ({"runtime": runtimes.torch(2)}, {"runtime"}),
        ({"cache": "exact"}, {"hardware"}),
        ({"name": "other"}, set()),
        ({"function": "other:name"}, set()),
        ({"resources": Resources(cpu=8, memory="4Gi", gpus="A100:1")}, set()),
        ({"retries": Retries(user=3)}, set()),
        ({"timeout": "2h"}, set()),
        ({"labels": {"a": "b"}}, set()),
        ({"queue": "q", "priority": "p", "spot": True}, set()),
        ({"volumes": (Volume(name="v", path="/v", size="1Gi"),)}, set()),
        ({"environment": Environment(image="img")}, set()),
        ({"environment": Environment(secrets=(Secret(name="s", key="k", variable="V"),))}, set()),
        ({"checkpoint": "/c"}, set()),
    ],
)
def test_what_is_declared_is_a_part_or_is_not(fields: dict[str, Any], differ: set[str]) -> None:
    assert changed(**fields) == differ


def test_the_order_in_which_packages_and_variables_are_written_does_not_count() -> None:
    one = Environment(packages=("a", "b"), variables={"A": "1", "B": "2"})
    other = Environment(packages=("b", "a"), variables={"B": "2", "A": "1"})
    assert parts(msgspec.structs.replace(WORK, environment=one)) == parts(
        msgspec.structs.replace(WORK, environment=other)
    )
    more = Environment(packages=("a", "b"), variables={"A": "1", "B": "3"})
    assert parts(msgspec.structs.replace(WORK, environment=one)) != parts(
        msgspec.structs.replace(WORK, environment=more)
    )


def test_the_arrangement_of_processes_counts_and_the_resources_of_roles_do_not() -> None:
    def of(runtime: Any) -> str:
        return parts(msgspec.structs.replace(WORK, runtime=runtime))["runtime"]

    assert (
        len(
            {
                of(each)
                for each in (
                    runtimes.torch(2),
                    runtimes.torch(3),
                    runtimes.torch(2, 2),
                    runtimes.jax(2),
                    runtimes.ray(2),
                )
            }
        )
        == 5
    )
    small, large = ({"driver": runtimes.role(memory=memory)} for memory in ("1Gi", "8Gi"))
    assert of(runtimes.spark(2, roles=small)) == of(runtimes.spark(2, roles=large))
    assert of(runtimes.spark(2, roles=small)) != of(runtimes.spark(2))


def test_exact_keys_count_the_image_and_the_hardware() -> None:
    def of(**fields: Any) -> str:
        return parts(msgspec.structs.replace(WORK, cache="exact", **fields))["hardware"]

    assert (
        len(
            {
                of(),
                of(environment=Environment(image="a")),
                of(resources=Resources(gpus="A100:1")),
                of(resources=Resources(gpus="H100:1")),
            }
        )
        == 4
    )
    assert of(resources=Resources(cpu=8)) == of()


def test_a_container_is_its_image_and_command() -> None:
    box = ContainerStep(name="b", image="busybox:1", command=("a", "b"))
    others = [
        msgspec.structs.replace(box, **each)
        for each in ({"image": "busybox:2"}, {"command": ("a b",)}, {"command": ("a",)})
    ]
    assert len({parts(each, {})["command"] for each in (box, *others)}) == 4
    assert parts(msgspec.structs.replace(box, name="c", resources=Resources(cpu=2)), {}) == parts(box, {})


SWEEP = SweepStep(name="s", trial="work", space={"x": space.uniform(0, 1)}, trials=4, metric="m", direction="maximize")


@pytest.mark.parametrize(
    ("fields", "same"),
    [
        ({"name": "t"}, True), ({"parallel": 4}, True), ({"trial": "work+2"}, True), ({"trials": 5}, False), ({"metric": "n"}, False),
        ({"direction": "minimize"}, False), ({"sampler": "random"}, False), ({"pruner": "median"}, False), ({"seed": 1}, False),
        ({"best_of": "max"}, False), ({"space": {"x": space.uniform(0, 2)}}, False),
    ],
)  # fmt: skip
def test_a_sweep_is_what_it_tries_and_how(fields: dict[str, Any], same: bool) -> None:
    assert (parts(msgspec.structs.replace(SWEEP, **fields)) == parts(SWEEP)) is same


# What an input contributes ---------------------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def no_surrogates(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> Values:
    folder = tmp_path_factory.mktemp("values")
    return Values(Folder(folder / "store"), folder / "host")


def test_a_literal_and_a_stored_value_of_the_same_content_have_the_same_key(values: Values) -> None:
    @given(JSON.filter(no_surrogates))
    def check(value: Any) -> None:
        assert is_small_json(value)
        assert digest(Given(value)) == digest(Stored(values.save(value)))

    check()


@given(JSON.filter(no_surrogates), JSON.filter(no_surrogates))
def test_values_that_json_tells_apart_have_keys_of_their_own(one: Any, other: Any) -> None:
    assert (digest(Given(one)) == digest(Given(other))) is (json.dumps(one) == json.dumps(other))


def ref(text: str) -> Ref:
    return Ref(digest=text, format="json", size_bytes=1)


def test_parts_lists_and_mappings_are_told_apart() -> None:
    a, b = Stored(ref("a")), Stored(ref("b"))
    forms: list[Input] = [
        a, b, Stored(ref("a"), ("k",)), Stored(ref("a"), (0,)), Stored(ref("a"), ("0",)), ListInput((a, b)), ListInput((b, a)), ListInput((a,)),
        ListInput(()), DictInput({"k": a}), DictInput({"k": b}), DictInput({"l": a}), DictInput({}), ListInput((ListInput((a,)),)),
        Given(["a", "b"]), Given(["a"]), Given(["a", ["k"]]), Given([]), Given({}), Given({"k": "a"}), Given("a"),
    ]  # fmt: skip
    assert len({digest(each) for each in forms}) == len(forms)
    assert digest(DictInput({"k": a, "l": b})) == digest(DictInput({"l": b, "k": a}))


def test_the_format_and_name_of_a_stored_value_do_not_count() -> None:
    assert digest(Stored(Ref(digest="a", format="json", size_bytes=1))) == digest(
        Stored(Ref(digest="a", format="x", size_bytes=2, name="n"))
    )


def test_inputs_are_named_and_their_order_does_not_count() -> None:
    one, two = Given(1), Given(2)
    assert input_parts({"a": one, "b": two}) == input_parts({"b": two, "a": one})
    assert input_parts({"a": one, "b": two}) != input_parts({"a": two, "b": one})
    assert list(input_parts({"b": two, "a": one})) == ["input a", "input b"]


def test_every_part_changes_the_key() -> None:
    fixed, inputs = parts(), input_parts({"x": Given(1)})
    keys = {
        cache_key(fixed, inputs, 0), cache_key(fixed, inputs, 1), cache_key({**fixed, "python": "3.13"}, inputs, 0),
        cache_key(fixed, input_parts({"x": Given(2)}), 0), cache_key(fixed, input_parts({"y": Given(1)}), 0), cache_key(fixed, {}, 0),
        cache_key({**fixed, **inputs}, {}, 0),
    }  # fmt: skip
    assert len(keys) == 7
    assert cache_key(dict(reversed(fixed.items())), inputs, 0) == cache_key(fixed, inputs, 0)


# The keys of a run -----------------------------------------------------------------------------


class Run:
    """The keys of a graph's instances, as an engine asks for them."""

    def __init__(self, *nodes: Node, steps: dict[str, Step] | None = None, records: Any = ()) -> None:
        graph = Graph(flow="f", steps=steps or {"work": WORK}, nodes=nodes)
        sources = {name: {"m.work": "d1"} for name in graph.steps}
        spec = RunSpec(run="r", created=0, graph=graph, sources=sources, python="3.12")
        self.progress = Progress(graph, lambda given: 0, records=records)
        self.keys = InstanceKeys(spec, self.progress, Resolver(self.progress, {}, {}, lambda given: ()))

    def key(self, name: str, index: int = 0) -> str:
        return self.keys.of(self.progress.instances[name, index])


def work(x: Any = 1, step: str = "work", **fields: Any) -> Node:
    return Node(
        step=step, name="work", inputs={"x": Literally(x) if not isinstance(x, Output | ListOf) else x}, **fields
    )


def done(index: int, digest: str = "v") -> Ended:
    return Ended(
        record=AttemptRecord(
            step="work",
            index=index,
            number=1,
            status="succeeded",
            started=1,
            finished=2,
            outcome=Outcome(outputs=(ref(digest),)),
        )
    )


def test_calls_with_the_same_arguments_are_told_apart_by_their_occurrence() -> None:
    run = Run(work(1), work(1, index=1), work(2, index=2))
    assert len({run.key("work", index) for index in range(3)}) == 3
    assert run.key("work", 1) == run.key("work", 1)
    other = Run(work(1), work(1, index=1), work(2, index=2))
    assert [other.key("work", index) for index in range(3)] == [run.key("work", index) for index in range(3)]


def test_an_item_of_a_map_has_the_key_of_a_plain_call() -> None:
    mapped = Run(work([5, 6], each=("x",), count=2))
    plain = Run(work(6), work(5, index=1))
    assert [mapped.key("work", index) for index in range(2)] == [plain.key("work", 1), plain.key("work", 0)]


def test_options_that_are_no_part_do_not_hide_an_occurrence() -> None:
    steps: dict[str, Step] = {"work": WORK, "work+2": msgspec.structs.replace(WORK, resources=Resources(cpu=2))}
    run = Run(work(1), work(1, step="work+2", index=1), steps=steps)
    assert run.key("work", 0) != run.key("work", 1)


def test_a_resumed_run_goes_on_counting_occurrences() -> None:
    fresh = Run(work(1), work(1, index=1))
    keys = [fresh.key("work", 0), fresh.key("work", 1)]
    resumed = Run(work(1), work(1, index=1), records=[done(0)])
    assert resumed.key("work", 1) == keys[1]


def test_the_key_of_what_takes_a_value_follows_the_value() -> None:
    one, other = (Run(work(1), work(Output(0), index=1), records=[done(0, each)]) for each in ("v", "w"))
    assert one.key("work", 0) == other.key("work", 0)
    assert one.key("work", 1) != other.key("work", 1)


def test_a_call_of_a_driver_has_the_key_of_what_it_calls() -> None:
    run = Run(work(1))
    call = Called(
        parent="d.0",
        identity="i",
        position=0,
        step="called",
        index=0,
        definition=WORK,
        inputs={"x": Given(1)},
        source={"m.work": "d1"},
    )
    instance = run.progress.apply(call)
    assert isinstance(instance, Instance)
    assert run.keys.of(instance) == Run(work(1)).key("work", 0)
    assert run.keys.of(instance) != run.key("work", 0)


def test_keys_are_the_same_in_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Run(work({"a": [1, 2.5, "ä"]})).key("work")
    monkeypatch.chdir(tmp_path)
    assert Run(work({"a": [1, 2.5, "ä"]})).key("work") == here
    assert len(here) == 64
