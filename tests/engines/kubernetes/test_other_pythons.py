"""Steps, and the driver of a dynamic flow, in images of the oldest Python and of the newest that the worker knows."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from fairlead.runs import contexts
from fairlead.runs.launching import launch, load_flow
from fairlead.runs.options import Options, Silent
from fairlead.specs.contexts import Context
from servers.cluster import Cluster
from testbed import pythons

# Not of every change: the image of the newest is of a Debian that still moves, and takes minutes to build.
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


@pytest.mark.parametrize(
    ("build", "version"), [(pythons.oldest, [3, 10]), (pythons.newest, [3, 14])], ids=["oldest", "newest"]
)
def test_a_flow_runs_in_a_debian_with_this_python(
    registered: Context, cluster: Cluster, file: Path, build: Callable[[], str], version: list[int]
) -> None:
    if os.environ.get("FAIRLEAD_TEST_KUBECONFIG"):
        pytest.skip("these images are built for a testbed: unset FAIRLEAD_TEST_KUBECONFIG")
    contexts.add(msgspec.structs.replace(registered, image=build()))

    done = launch(*load_flow(str(file), "versions"), {}, Options(on=registered.name), Silent())

    assert (done.status, done.result()) == ("succeeded", [version, version])
    cluster.kubectl("delete", "workflow", f"--selector=fairlead.dev/run={done.id}", "--wait=false")
