"""Devices that are claimed, with Argo's controller and Kubernetes' own: no card is there, and the pod waits for one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from engines.local.driving import wait_for
from fairlead.engines.kubernetes.claiming import Claims
from fairlead.engines.kubernetes.submitting import create
from fairlead.kube.client import Client
from fairlead.kube.connecting import connect
from fairlead.kube.resources import POD, RESOURCE_CLAIM_TEMPLATE, WORKFLOW, Kind
from fairlead.naming import new_run_id
from fairlead.specs.contexts import Context, Submission
from fairlead.specs.hardware import Advertised, Hardware
from fairlead.specs.resources import Resources
from fairlead.specs.steps import FunctionStep
from fairlead.targets import naming, workflow
from fairlead.targets.orders import Order
from servers.cluster import Cluster
from targets.strategies import one_step

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

RESOURCE_CLAIM = Kind("resource.k8s.io", "v1", "ResourceClaim", "resourceclaims")
PATIENCE_S = 60.0
ABSENT = "absent.example.com"
"""A class of devices that no cluster has."""


def test_the_pod_of_a_step_has_a_claim_of_its_own_and_the_template_goes_with_the_workflow(cluster: Cluster) -> None:
    client = Client(connect("", kubeconfig=str(cluster.kubeconfig)))
    graph = one_step(FunctionStep(name="work", function="m:f", resources=Resources(gpus="H200:2")))
    hardware = Hardware(accelerators={"H200": Advertised(device_class=ABSENT)})
    context = Context(name="c", store="s3://b", image="i", worker_image="w", user=1000, hardware=hardware)
    submission = Submission(run=new_run_id(datetime.now(UTC)), flow="f", context=context, namespace=cluster.namespace)
    labels, namespace = {naming.RUN: submission.run}, cluster.namespace
    made = create(client, workflow.render(Order(submission, graph, {0: None}))[0])
    try:
        for _ in range(2):  # whoever submits again adopts what is there
            Claims(client, submission).make(graph.steps.values())
        (template,) = client.list(RESOURCE_CLAIM_TEMPLATE, namespace=namespace, labels=labels).items

        def waiting() -> list[str]:
            pods = client.list(POD, namespace=namespace, labels=labels).items
            conditions = [each for pod in pods for each in pod["status"].get("conditions", ())]
            return [each["message"] for each in conditions if each["type"] == "PodScheduled" and "message" in each]

        wait_for(lambda: any(ABSENT in said for said in waiting()), patience_s=PATIENCE_S)
        (pod,) = client.list(POD, namespace=namespace, labels=labels).items
        (asked,) = pod["spec"]["resourceClaims"]
        assert asked["resourceClaimTemplateName"] == template["metadata"]["name"]
        (claim,) = client.list(RESOURCE_CLAIM, namespace=namespace, labels=labels).items
        assert claim["metadata"]["ownerReferences"][0]["uid"] == pod["metadata"]["uid"]
        claims = {each["name"]: each["resources"].get("claims") for each in pod["spec"]["containers"]}
        assert claims["main"] == [{"name": asked["name"]}]
    finally:
        client.delete(WORKFLOW, made["metadata"]["name"], namespace=namespace, propagation="Background")
    for kind in (RESOURCE_CLAIM_TEMPLATE, RESOURCE_CLAIM, POD):
        wait_for(
            lambda kind=kind: not client.list(kind, namespace=namespace, labels=labels).items, patience_s=PATIENCE_S
        )
