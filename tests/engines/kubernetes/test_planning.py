"""Plans on a real cluster: its own queue, node and admission are asked, and a run that can never run leaves nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fairlead.cli.main import call
from fairlead.kube.client import Client
from fairlead.kube.resources import WORKFLOW
from fairlead.specs.contexts import Context
from fairlead.store.catalog import latest_by_run
from fairlead.store.opened import Store
from fairlead.targets import naming

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

FLOW = """
from fairlead import flow, runtimes, step

@step(cpu="100m", memory="128Mi")
def small(x: int) -> int:
    return x

@step(cpu=500, memory="64Mi")
def large(x: int) -> int:
    return x

@step(cpu="100m", memory="128Mi", runtime=runtimes.torch(nodes=2))
def gang(x: int) -> int:
    return x

@flow
def able(n: int = 3) -> list[int]:
    gang(n)
    return [small(each) for each in range(n)]

@flow
def unable(n: int = 3) -> int:
    return large(small(n))
"""


@pytest.mark.parametrize(("flow", "verdicts"), [("able", {"now", "not-now"}), ("unable", {"never"})])
def test_a_plan_asks_the_cluster_itself(
    registered: Context, file: Any, capsys: pytest.CaptureFixture[str], flow: str, verdicts: set[str]
) -> None:
    assert call(["plan", f"{file}:{flow}", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] in verdicts and not found["reasons"]
    for step in found["steps"]:
        assert (step["verdict"] == "never") == (step["step"] == "large"), step
        assert all(each["evidence"] and each["remedy"] for each in step["reasons"])
    assert call(["plan", f"{file}:{flow}", "--strict"]) in (6 if flow == "unable" else 0, 6)


def test_a_run_that_can_never_run_leaves_nothing(
    registered: Context, client: Client, store: Store, file: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {each["metadata"]["name"] for each in client.list(WORKFLOW, labels={naming.FLOW: "unable"}).items}
    assert call(["run", f"{file}:unable", "--detach"]) == 6
    said = capsys.readouterr().err
    assert "can never run in the context" in said and "step large" in said and "--unschedulable warn" in said
    after = {each["metadata"]["name"] for each in client.list(WORKFLOW, labels={naming.FLOW: "unable"}).items}
    assert after <= before and not latest_by_run(store.backend)
