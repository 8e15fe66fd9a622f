"""Steps in the image that delivers the worker: nothing is delivered, and what they have used is recorded."""

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
from fairlead.targets.volumes import DELIVERY

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


@pytest.mark.parametrize("is_own", [True, False])
def test_nothing_is_delivered_into_the_image_that_delivers_the_worker(
    registered: Context, client: Client, file: Path, capsys: pytest.CaptureFixture[str], is_own: bool
) -> None:
    if is_own:
        contexts.add(msgspec.structs.replace(registered, image=registered.worker_image))
    assert call(["run", f"{file}:held", "-o", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    labels = {naming.RUN: report["run"], naming.STEP: "hold"}
    (pod,) = client.list(POD, labels=labels).items
    assert (DELIVERY in {each["name"] for each in pod["spec"]["initContainers"]}) == (not is_own)
    (attempt,) = report["steps"][0]["attempts"]
    assert 64 << 20 < attempt["peak_memory_bytes"] < 256 << 20 and 0 < attempt["cpu_s"] < 60
