"""A context of a real cluster, looked at from here and from a pod."""

from __future__ import annotations

import msgspec
import pytest

from fairlead.kube.client import Client
from fairlead.kube.connecting import connect
from fairlead.kube.resources import JOB
from fairlead.runs import contexts
from fairlead.runs.context_checking import check
from fairlead.specs.contexts import Context

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


def jobs(context: Context) -> list[str]:
    client = Client(connect(context.kube_context, kubeconfig=context.kubeconfig))
    found = client.list(JOB, namespace=context.namespace).items
    return [each["metadata"]["name"] for each in found if each["metadata"]["name"].startswith("fairlead-check-")]


def test_a_context_is_ready_and_pods_reach_its_store(registered: Context) -> None:
    report = check(registered.name, pod=True)
    assert report.ready, report.checks
    assert report.checks[-2].name == "store, from a pod"
    assert report.checks[-2].said == f"{registered.store} answers, and creates exclusively"
    assert not jobs(registered)


def test_a_pod_that_does_not_reach_the_store_says_why(registered: Context) -> None:
    contexts.add(msgspec.structs.replace(registered, store_secret=""))
    report = check(registered.name, pod=True)
    (found,) = (each for each in report.checks if each.name == "store, from a pod")
    assert (report.ready, found.state) == (False, "failed")
    assert registered.store in found.said
    assert not jobs(registered)
