"""How the worker comes into a step's container, and that what the step has used is recorded in each way."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from fairlead.cli.main import call
from fairlead.kube.client import Client
from fairlead.kube.resources import POD
from fairlead.runs import contexts
from fairlead.specs.contexts import Context
from fairlead.targets import naming
from fairlead.targets.pods import MAIN
from fairlead.targets.volumes import BROUGHT, DELIVERED, DELIVERY, MOUNTED

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

FLOW = """
from fairlead import flow, step

@step(cpu="500m", memory="256Mi", cache=False)
def hold(mib: int) -> int:
    return len(bytearray(mib << 20))

@flow
def held(mib: int = 64) -> int:
    return hold(mib)
"""


@pytest.mark.parametrize("where", [BROUGHT, DELIVERED, MOUNTED])
def test_the_worker_is_the_image_s_own_or_copied_or_mounted(
    registered: Context, client: Client, file: Path, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    if where == MOUNTED and registered.delivery != "volume":
        pytest.skip("the cluster is not said to have image volumes")
    ways = {BROUGHT: {"image": registered.worker_image}, DELIVERED: {"delivery": "copy"}, MOUNTED: {}}
    contexts.add(msgspec.structs.replace(registered, **ways[where]))
    assert call(["run", f"{file}:held", "-o", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    labels = {naming.RUN: report["run"], naming.STEP: "hold"}
    (pod,) = client.list(POD, labels=labels).items
    (main,) = (each for each in pod["spec"]["containers"] if each["name"] == MAIN)
    assert f"{where}/start.py" in main["command"]
    assert (DELIVERY in {each["name"] for each in pod["spec"]["initContainers"]}) == (where == DELIVERED)
    (attempt,) = report["steps"][0]["attempts"]
    assert 64 << 20 < attempt["peak_memory_bytes"] < 256 << 20 and 0 < attempt["cpu_s"] < 60
