"""What engines run steps without: each difference concerns the steps that ask for it, and no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from engines.declared import KUBERNETES, LOCAL
from fairlead.engines.differences import DIFFERENCES, differences
from fairlead.runs.parity import parity
from fairlead.specs.graphs import Graph, Node
from fairlead.specs.resources import Resources
from fairlead.specs.runtimes import Role, Standing, Torch
from fairlead.specs.steps import (
    ContainerStep,
    Dimension,
    Environment,
    FunctionStep,
    Overlay,
    Retries,
    Secret,
    Step,
    SweepStep,
    Volume,
)

TESTS = Path(__file__).parents[1]
PLAIN = FunctionStep(name="plain", function="m:plain")
SECRET = Secret(name="db", key="password", variable="DB_PASSWORD")
ASKING: dict[str, dict[str, Any]] = {
    "resources.cpu": {"resources": Resources(cpu=2)},
    "resources.disk": {"resources": Resources(disk="1Gi")},
    "resources.shared_memory": {"resources": Resources(shared_memory="1Gi")},
    "resources.gpus": {"resources": Resources(gpus="A100:1")},
    "environment.image": {"environment": Environment(image="python:3.12")},
    "environment.packages": {"environment": Environment(packages=("numpy",))},
    "environment.secrets": {"environment": Environment(secrets=(SECRET,))},
    "runtime.nodes_min": {"runtime": Torch(nodes=2, nodes_min=1)},
    "runtime.cluster": {"runtime": Standing(framework="ray", cluster="shared")},
    "spot": {"spot": True},
    "queue": {"queue": "fast"},
    "priority": {"priority": "high"},
    "labels": {"labels": {"team": "a"}},
    "volumes": {"volumes": (Volume(name="data", path="/data", claim="data"),)},
    "overlays": {"overlays": (Overlay(kind="Pod", patch={"hostname": "x"}),)},
    "retries.factor": {"retries": Retries(factor=1.5)},
    "checkpoint": {"checkpoint": "/checkpoints"},
}


def graph_of(*steps: Step) -> Graph:
    return Graph(
        flow="f", steps={each.name: each for each in steps}, nodes=tuple(Node(step=each.name) for each in steps)
    )


@pytest.mark.parametrize("field", ASKING)
def test_what_is_asked_for_is_found_with_its_engine(field: str) -> None:
    found = list(differences(graph_of(PLAIN, msgspec.structs.replace(PLAIN, name="asks", **ASKING[field]))))
    assert {each.step for each in found} == {"asks"}
    assert {(each.difference.engine, each.difference.field) for each in found} == {
        (each.engine, each.field) for each in DIFFERENCES if each.field == field
    }


def test_pauses_of_trials_are_those_of_jobs() -> None:
    trial = FunctionStep(name="trial", function="m:t", retries=Retries(user=1, backoff="3s"))
    space = {"x": Dimension(type="int", low=0, high=1)}
    sweep = SweepStep(name="sweep", trial="trial", space=space, metric="loss", direction="minimize")
    (found,) = differences(graph_of(sweep, trial))
    assert (found.step, found.difference.engine, found.asked) == ("trial", "kubernetes", "retries.backoff 3s")
    assert not list(differences(graph_of(trial)))


def test_a_checkpoint_on_a_volume_stays() -> None:
    volume = Volume(name="data", path="/data/", claim="data")
    step = msgspec.structs.replace(PLAIN, checkpoint="/data/checkpoints", volumes=(volume,))
    assert [each.difference.field for each in differences(graph_of(step))] == ["volumes"]


def test_values_of_secrets_are_not_told() -> None:
    (found,) = differences(graph_of(msgspec.structs.replace(PLAIN, environment=Environment(secrets=(SECRET,)))))
    assert found.asked == "environment.secrets DB_PASSWORD"


@pytest.mark.parametrize("engine", [LOCAL, KUBERNETES], ids=["local", "kubernetes"])
def test_what_no_step_can_tell_has_a_test_of_its_own(engine: dict[str, Any]) -> None:
    assert all((TESTS / file).is_file() for file in engine["elsewhere"].values())


def test_refusals_stand_beside_differences_in_the_order_of_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")  # no podman
    container = ContainerStep(name="boxed", image="busybox", command=("true",))
    uneven = Torch(nodes=2, roles={"master": Role()})
    many = FunctionStep(name="many", function="m:f", runtime=uneven, spot=True)
    report = parity(graph_of(PLAIN, many, container), "local")
    assert not report.honoured
    assert [(each.step, each.engine, each.refused) for each in report.lines] == [
        ("many", "kubernetes", True),
        ("many", "local", False),
        ("many", "local", False),
        ("boxed", "kubernetes", False),
        ("boxed", "local", True),
    ]
    assert report.lines[0].asks == "runtime.roles can't be had on a cluster yet: all nodes of a gang are alike"


def test_a_flow_that_asks_for_nothing_is_the_same_everywhere() -> None:
    report = parity(graph_of(PLAIN), "local")
    assert (report.honoured, report.lines, report.context) == (True, (), None)
