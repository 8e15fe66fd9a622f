"""Steps, and the driver of a dynamic flow, in an image of the newest Python: the worker brings what is compiled for it."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from fairlead.runs import contexts
from fairlead.runs.launching import launch, load_flow
from fairlead.runs.options import Options, Silent
from fairlead.specs.contexts import Context
from servers.cluster import Cluster
from testbed import images

# Not of every change: its image is of a Debian that still moves, and takes minutes to build.
pytestmark = [pytest.mark.components, pytest.mark.timeout(900)]

FLOW = """
import sys
from fairlead import flow, step

@step(cpu="100m", memory="256Mi", cache=False)
def version(caller: list[int]) -> list[list[int]]:
    return [caller, list(sys.version_info[:2])]

@flow(dynamic=True)
def versions():
    return version(list(sys.version_info[:2]))
"""


@pytest.fixture(scope="module")
def image(cluster: Cluster) -> str:
    if os.environ.get("FAIRLEAD_TEST_KUBECONFIG"):
        pytest.skip("this image is built for a testbed: unset FAIRLEAD_TEST_KUBECONFIG")
    return images.newest_python()


def test_a_flow_runs_in_the_newest_debian_with_its_python(
    registered: Context, cluster: Cluster, image: str, file: Path
) -> None:
    contexts.add(msgspec.structs.replace(registered, image=image))

    done = launch(*load_flow(str(file), "versions"), {}, Options(on=registered.name), Silent())

    assert (done.status, done.result()) == ("succeeded", [[3, 14], [3, 14]])
    cluster.kubectl("delete", "workflow", f"--selector=fairlead.dev/run={done.id}", "--wait=false")
