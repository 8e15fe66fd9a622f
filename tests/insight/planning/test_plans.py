"""Plans as a whole: steps that are alike are one, the worst counts, and what a cluster says itself is understood."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.insight.planning.asked import asked
from fairlead.insight.planning.history import Took
from fairlead.insight.planning.plans import plan, worst
from fairlead.insight.planning.prices import Price, PriceBook
from fairlead.insight.planning.refusing import refused
from fairlead.snapshots.snapshot import Unread
from fairlead.specs.contexts import Submission
from fairlead.specs.graphs import Graph, Node, Output
from fairlead.specs.resources import Resources
from fairlead.specs.runtimes import Ray, Torch
from fairlead.specs.steps import Dimension, DriverStep, Environment, FunctionStep, Retries, SweepStep
from insight.pictures import NAMESPACE, node
from insight.planning.flows import BIG, context, facts, fit

LARGE = FunctionStep(name="large", function="m:f", resources=Resources(cpu=100, memory="1Gi"))


def submission(**fields: Any) -> Submission:
    place = context(**fields)
    return Submission(run="00000000-000000-00000", flow="f", context=place, namespace=NAMESPACE, targets=place.targets)


def graph(steps: dict[str, Any], *nodes: Node) -> Graph:
    return Graph(flow="f", steps=steps, nodes=nodes)


def test_steps_that_are_alike_are_one_line_and_the_worst_counts() -> None:
    steps = {"fit": fit(), "fit+2": fit(retries=Retries(user=2)), "large": LARGE}
    nodes = [Node(step="fit"), Node(step="fit+2", name="again"), Node(step="large", each=("x",), count=9_998)]
    took = [Took("fit", 60, 1 << 30), Took("again", 120, 2 << 30), Took("other", 9, None)]
    made = asked(graph(steps, *nodes), submission())
    found = plan(made, facts(BIG), flow="f", context="lab", took=took)
    assert [(each.step, each.instances, each.verdict) for each in found.steps] == [
        ("fit", 2, "now"), ("large", 9_998, "never"), ("", 1, "now")
    ]  # fmt: skip
    assert found.verdict == "never" and found.pods == 10_001
    first = found.steps[0]
    assert first.duration_s is not None and (first.duration_s.p50, first.duration_s.p90) == (60, 120)
    assert first.memory_bytes is not None and first.memory_bytes.attempts == 2
    assert found.cost is None and [each.start for each in found.steps] == ["now", "never", "now"]


def test_of_a_run_that_goes_on_only_what_is_left_is_looked_at() -> None:
    nodes = [Node(step="done"), Node(step="fit", inputs={"x": Output(0)}), Node(step="done", name="again")]
    for packages in ((), ("numpy",)):
        left = {"fit": fit(environment=Environment(packages=packages))}
        found = asked(graph(left, *nodes), submission(pip_secret="p") if packages else submission())
        assert [(each.step, each.instances) for each in found] == [("fit", 1), ("", 1)]


def test_a_plan_with_prices_has_a_cost() -> None:
    made = asked(graph({"fit": fit(resources=Resources(cpu=2, memory="1Gi"))}, Node(step="fit")), submission())
    book = PriceBook(currency="USD", price=(Price(what="cpu", per_h=1.0), Price(what="memory", per_h=0.0)))
    found = plan(made, facts(BIG), flow="f", context="lab", took=[Took("fit", 1800, None)], book=book)
    assert found.cost is not None and (found.cost.p50, found.cost.p90) == (1.0, 1.0)


def test_lists_and_calls_that_are_known_at_run_time_are_counted_at_least() -> None:
    driver = DriverStep(name="drive", function="m:f")
    found = asked(
        graph({"fit": fit(), "drive": driver}, Node(step="fit", each=("x",)), Node(step="drive")), submission()
    )
    assert [(each.step, each.instances, each.is_counted) for each in found] == [
        ("fit", 1, False), ("drive", 1, False), ("", 1, True)
    ]  # fmt: skip


def test_trials_of_a_sweep_and_packages_are_pods_too() -> None:
    sweep = SweepStep(name="sweep", trial="fit", trials=16, metric="loss", direction="minimize",
                      space={"x": Dimension(type="float", low=0, high=1)})  # fmt: skip
    trial = fit(environment=Environment(packages=("numpy==2.0.0",)))
    found = asked(graph({"sweep": sweep, "fit": trial}, Node(step="sweep")), submission(queue="a"))
    assert [(each.step, each.instances, each.queue, each.pods) for each in found] == [
        ("sweep", 1, "", 1), ("fit", 16, "a", 1), ("", 1, "", 2)
    ]  # fmt: skip


def test_a_sweep_that_a_component_runs_has_no_trials_of_its_own() -> None:
    sweep = SweepStep(name="sweep", trial="fit", trials=16, metric="loss", direction="minimize", runtime=Ray(workers=2),
                      space={"x": Dimension(type="float", low=0, high=1)})  # fmt: skip
    found = asked(graph({"sweep": sweep, "fit": fit()}, Node(step="sweep")), submission(targets={"ray": "rayjob"}))
    assert [(each.step, each.instances, each.pods) for each in found] == [("sweep", 1, 4), ("", 1, 1)]


def test_a_gang_has_a_pod_that_waits_for_it() -> None:
    (found, _) = asked(graph({"fit": fit(runtime=Torch(nodes=3))}, Node(step="fit")), submission(queue="a"))
    assert found.pods == 4 and [each.count for each in found.queued] == [3]


def test_what_the_cluster_says_is_beside_what_is_computed_and_not_twice() -> None:
    made = asked(graph({"large": LARGE}, Node(step="large")), submission())
    again = refused("Pod", NAMESPACE, 'serviceaccount "x" not found')
    said = {"large": [again, again.__class__(id="more-than-any-node", layer="placement", verdict="never", message="")]}
    gap = Unread(what="a", why="b")
    found = plan(made, facts(BIG), flow="f", context="lab", refused=said, reasons=[again], unread=[gap, gap])
    assert [each.id for each in found.steps[0].reasons] == ["service-account-missing", "more-than-any-node"]
    assert found.steps[0].reasons[1].message and found.unread == (gap,) and len(found.reasons) == 1


@pytest.mark.parametrize(
    ("message", "id", "verdict"),
    [
        ('pods "p" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=5, limited: pods=5',
         "quota-of-namespace", "not-now"),
        ('pods "p" is forbidden: violates PodSecurity "restricted:latest": privileged (…)', "pod-security", "never"),
        ('failed calling webhook "v.example": context deadline exceeded', "webhook-unreachable", "not-now"),
        ('no matches for kind "Workflow" in version "argoproj.io/v1alpha1"', "kind-not-served", "never"),
        ("spec.template: Invalid value", "refused", "never"),
        ("", "refused", "never"),
    ],
)  # fmt: skip
def test_refusals_are_known_by_the_words_of_why(message: str, id: str, verdict: str) -> None:
    found = refused("Pod", NAMESPACE, message)
    assert (found.id, found.verdict, found.evidence[0].subject) == (id, verdict, "dry run of Pod")


def test_steps_that_are_alike_cite_their_own_pods() -> None:
    other = FunctionStep(name="other", function="m:f", resources=LARGE.resources)
    made = asked(graph({"large": LARGE, "other": other}, Node(step="large"), Node(step="other")), submission())
    found = plan(made, facts(BIG), flow="f", context="lab").steps
    assert [step.reasons[0].evidence[0].subject for step in found[:2]] == ["Pod team/large", "Pod team/other"]


def test_the_worst_of_nothing_is_now() -> None:
    assert worst([]) == "now" and worst(["now", "unknown", "not-now"]) == "not-now"


def test_many_steps_on_many_nodes_are_looked_at_by_their_sort() -> None:
    pool = [
        node(f"n{number}", {"kubernetes.io/hostname": f"n{number}"}, cpu="9", memory="9Gi") for number in range(300)
    ]
    steps = {f"s{number}": FunctionStep(name=f"s{number}", function="m:f") for number in range(300)}
    made = asked(graph(steps, *(Node(step=key) for key in steps)), submission())
    found = plan(made, facts(*pool), flow="f", context="lab")
    assert len(found.steps) == 301 and found.verdict == "now" and len({each.shape for each in made[:-1]}) == 1
