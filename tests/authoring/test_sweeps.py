"""Sweeps: every fault at once, and the node they become."""

from __future__ import annotations

from typing import Any

import pytest

from authoring.work import anything, load, trial
from fairlead import flow, space, sweep
from fairlead.authoring.flows import Flow
from fairlead.errors import SpecError, UsageError

OVER = {"lr": space.loguniform(1e-4, 1e-1)}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, ["maximize: give either maximize= or minimize="]),
        ({"maximize": "a", "minimize": "b"}, ["maximize: give either maximize= or minimize="]),
        ({"maximize": ""}, ["metric: must be the name under which a trial logs its objective"]),
        ({"maximize": "s", "over": {}}, ["space: must have at least one dimension"]),
        ({"maximize": "s", "over": {"lrr": [1]}}, ["over.lrr: step 'trial' has no such parameter; did you mean 'lr'?"]),
        ({"maximize": "s", "over": {"lr": 0.1}}, ["over.lr: takes a dimension of fairlead.space or a list of choices, got 0.1"]),
        ({"maximize": "s", "over": {"lr": space.uniform(1, 0)}}, ["space.lr: low must not be above high, got low=1, high=0"]),
        ({"maximize": "s", "sampler": "tpee"}, ["sampler: unknown sampler 'tpee'; did you mean 'tpe'?"]),
        ({"maximize": "s", "pruner": "hyperbnd"}, ["pruner: unknown pruner 'hyperbnd'; did you mean 'hyperband'?"]),
        ({"maximize": "s", "trials": 0, "parallel": 0}, ["trials: must be at least 1, got 0", "parallel: must be at least 1, got 0"]),
        ({"maximize": "s", "trials": "5"}, ["trials: must be a whole number, got '5'"]),
        ({"maximize": "s", "best_of": "mx"}, ["best_of: must be 'last' or 'max' or 'min', got 'mx'; did you mean 'max'?"]),
        ({"maximize": "s", "over": {"lr": space.uniform("a", 1)}}, ["space.lr.low: must be a number, got 'a'"]),  # type: ignore[arg-type]
        ({"maximize": "s", "over": {"kind": [object]}}, ["Encoding objects of type type is unsupported"]),
        ({"maximize": "s", "name": "no name"}, ["name: a name is letters, digits, '_' and '-', and begins with a letter or '_': got 'no name'"]),
        ({"over": {"lrr": 1, "lr": space.uniform(2, 1)}, "sampler": "x"}, [
            "maximize: give either maximize= or minimize=",
            "over.lrr: takes a dimension of fairlead.space or a list of choices, got 1",
            "over.lrr: step 'trial' has no such parameter; did you mean 'lr'?",
            "space.lr: low must not be above high, got low=2, high=1",
            "sampler: unknown sampler 'x'; known: cmaes, gp, grid, qmc, random, tpe",
        ]),
    ],
)  # fmt: skip
def test_every_fault_of_a_sweep_is_named_at_once(options: dict[str, Any], said: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        sweep(trial, **{"over": OVER, **options})
    assert [str(each) for each in caught.value.faults] == said
    assert f"next   edit {__file__}:" in str(caught.value)


def test_what_is_no_step_has_no_sweep() -> None:
    with pytest.raises(UsageError, match=r"sweep\(\) takes a step, got <function"):
        sweep(lambda lr: lr, over=OVER, maximize="s")  # type: ignore[arg-type]


def test_a_sweep_runs_inside_a_flow_only() -> None:
    with pytest.raises(UsageError, match="the sweep 'sweep-trial' runs inside a flow only"):
        sweep(trial, over=OVER, maximize="s")([1])


def test_a_sweep_is_a_node_that_takes_what_its_trials_share() -> None:
    @flow
    def tuned() -> Any:
        best = sweep(trial, over={**OVER, "kind": ["a", "b"]}, trials=4, minimize="loss", seed=3)(load(), depth=2)
        anything(best.value, best.parameters, when=best.score > 0.5)
        return best

    graph = tuned.trace().graph
    node, spec = graph.nodes[1], graph.step_of(graph.nodes[1])
    assert (node.title, set(node.inputs), spec.outputs) == (
        "sweep-trial",
        {"data", "depth"},
        ("dict[str, float]", "dict", "float"),
    )
    assert (spec.trial, spec.direction, spec.metric, spec.seed) == ("trial", "minimize", "loss", 3)  # type: ignore[union-attr]
    assert spec.space["kind"].choices == ("a", "b")  # type: ignore[union-attr]
    assert [each.name for each in spec.parameters] == ["data", "depth"]
    assert set(graph.result.items) == {"value", "parameters", "score"}  # type: ignore[union-attr]
    assert graph.steps["trial"] == trial.spec


def test_a_call_of_a_sweep_gives_what_is_not_swept() -> None:
    for call in (lambda s: s(), lambda s: s([1], lr=3)):
        with pytest.raises(UsageError, match="step 'trial' can't be called like this"):
            Flow(lambda call=call: call(sweep(trial, over=OVER, maximize="s")), name="f").trace()
    with pytest.raises(SpecError, match=r"trial\(data=…\): takes list\[int\], got 3"):
        Flow(lambda: sweep(trial, over=OVER, maximize="s")(3), name="f").trace()


def test_two_different_sweeps_of_a_step_need_names() -> None:
    def twice() -> None:
        for trials in (2, 3):
            sweep(trial, over=OVER, maximize="s", trials=trials)([1])

    with pytest.raises(UsageError) as caught:
        Flow(twice, name="f").trace()
    assert caught.value.what == "two different sweeps have the name 'sweep-trial'"
    assert caught.value.why == "one is 2 trials of 'trial' over lr, the other 3 trials of 'trial' over lr"
    assert caught.value.next == "name one of them: sweep(…, name='sweep-trial_2')"

    def same() -> None:
        for _ in range(2):
            sweep(trial, over=OVER, maximize="s")([1])

    assert [each.index for each in Flow(same, name="f").trace().graph.nodes] == [0, 1]


def test_a_sweep_runs_under_a_condition() -> None:
    @flow
    def tuned() -> Any:
        go = anything(1)
        return sweep(trial, over=OVER, maximize="s").options(when=go["a"])([1], when=go["b"])

    assert str(tuned.trace().graph.nodes[1].when).count("Scalar") == 2
