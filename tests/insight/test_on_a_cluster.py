"""Every trouble that a cluster of one node can have, made to happen: the first answer is right, and its remedy helps.

They come all at once, in a few minutes, by ``-m components -n 0`` alone. ``FAIRLEAD_RECORD=1`` keeps what was seen of each as a bundle in ``tests/insight/corpus``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from insight import registry
from insight.happening import Seen, happened
from insight.troubles import TROUBLES
from insight.troubles.manifests import Trouble
from servers.cluster import Cluster
from testbed.simulation import simulated

pytestmark = [pytest.mark.components("kueue", "argo", "jobset"), pytest.mark.timeout(3600)]

CORPUS = Path(__file__).parent / "corpus"
by_name = pytest.mark.parametrize("trouble", TROUBLES, ids=lambda each: each.name)


@pytest.fixture(scope="module")
def seen(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[dict[str, Seen]]:
    """Make those troubles happen that the chosen tests ask for, in this process: nobody comes here by chance."""
    if "components" not in request.config.getoption("markexpr") or hasattr(request.config, "workerinput"):
        pytest.skip("makes troubles on the cluster that is up: python -m pytest -m components -n 0")
    asked = {item.callspec.params["trouble"].name for item in request.session.items if item.path == request.path}
    troubles = [each for each in TROUBLES if each.name in asked]
    nodes = sum(len(each.nodes) for each in troubles)
    record = CORPUS if os.environ.get("FAIRLEAD_RECORD") else None
    with registry.serving() as images, simulated(cluster.kubeconfig, max(nodes, 1)) as simulation:
        yield happened(cluster, troubles, images, simulation.nodes, record)


@by_name
def test_a_trouble_is_answered_with_its_cause_and_with_no_other_before(trouble: Trouble, seen: dict[str, Seen]) -> None:
    found = seen[trouble.name]
    assert found.answer is not None, found.fault
    first = found.answer.causes[0].id if found.answer.causes else "none"
    assert (first, found.answer.state) == (trouble.cause, trouble.state), found.answer
    assert not found.wrong


@pytest.mark.parametrize("trouble", [each for each in TROUBLES if each.remedy], ids=lambda each: each.name)
def test_once_the_remedy_is_applied_the_workload_runs(trouble: Trouble, seen: dict[str, Seen]) -> None:
    found = seen[trouble.name]
    assert found.after is not None, found.fault
    assert not [each.id for each in found.after.causes if each.confidence > 0.5]
