"""The running testbed does what a cluster does: nodes, Pod Security, DNS, the store, Argo Workflows and Kueue."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from obstore.store import S3Store

from servers.cluster import Cluster
from testbed.faults import TestbedError
from testbed.simulation import LABEL

pytestmark = pytest.mark.cluster

RESTRICTED_POD = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def container(cluster: Cluster, code: str, **more: object) -> dict[str, Any]:
    command = ["python3", "-c", code]
    return {"name": "main", "image": cluster.image, "command": command, "securityContext": RESTRICTED, **more}


def pod(name: str, main: dict[str, Any], **labels: str) -> dict[str, Any]:
    spec = {"restartPolicy": "Never", "securityContext": RESTRICTED_POD, "containers": [main]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}


def job(cluster: Cluster, name: str, cpu: str) -> dict[str, Any]:
    main = container(cluster, "print('done')", resources={"requests": {"cpu": cpu, "memory": "64Mi"}})
    template = {"spec": pod(name, main)["spec"]}
    metadata = {"name": name, "labels": {"kueue.x-k8s.io/queue-name": cluster.queue}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": template}}


@pytest.fixture
def name(cluster: Cluster) -> Iterator[str]:
    made = f"testbed-{secrets.token_hex(4)}"
    yield made
    cluster.kubectl("delete", "--ignore-not-found", "--wait=false", f"pod/{made}", f"job/{made}")
    if "argo" not in cluster.absent:
        cluster.kubectl("delete", "--ignore-not-found", "--wait=false", f"workflow/{made}")


def require(cluster: Cluster, component: str) -> None:
    if component in cluster.absent:
        pytest.fail(f"the testbed is up without {component}: {cluster.absent[component]}")


def test_the_node_is_ready(cluster: Cluster) -> None:
    for node in cluster.get("nodes", f"--selector=!{LABEL}")["items"]:  # a simulation's may be about to begin
        ready = next(each for each in node["status"]["conditions"] if each["type"] == "Ready")
        assert ready["status"] == "True"


def test_a_restricted_pod_runs_python_with_dns_and_the_store(cluster: Cluster, name: str) -> None:
    code = (
        "import os, socket, urllib.request as u; print(os.getuid(), socket.gethostbyname('kubernetes.default.svc'),"
        " u.urlopen(os.environ['AWS_ENDPOINT_URL'] + '/minio/health/ready', timeout=20).status)"
    )
    cluster.apply(pod(name, container(cluster, code, envFrom=[{"secretRef": {"name": cluster.store_secret}}])))

    cluster.kubectl("wait", f"pod/{name}", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=90s")

    assert cluster.kubectl("logs", name).split() == ["65532", "10.96.0.1", "200"]


def test_a_pod_that_asks_for_more_than_restricted_is_refused(cluster: Cluster, name: str) -> None:
    privileged = container(cluster, "", securityContext={"privileged": True})
    with pytest.raises(TestbedError, match='violates PodSecurity "restricted'):
        cluster.apply(pod(name, privileged))


def test_the_store_takes_what_the_keys_of_the_testbed_write(cluster: Cluster, name: str) -> None:
    if not cluster.store_environment:
        pytest.skip("the keys of the other cluster's store are not known here")
    settings = {key.lower(): value for key, value in cluster.store_environment.items()}
    options = {"allow_http": settings.pop("aws_allow_http") == "true"}
    bucket = S3Store(cluster.bucket, config=settings, client_options=options)  # type: ignore[arg-type]  # by name

    bucket.put(name, b"kept")

    assert bytes(bucket.get(name).bytes()) == b"kept"
    bucket.delete(name)


def test_a_workflow_passes_what_its_first_step_printed_to_its_second(cluster: Cluster, name: str) -> None:
    require(cluster, "argo")
    say = container(cluster, "print(int('{{inputs.parameters.n}}') + 1)")
    tasks = [
        {"name": "first", "template": "say", "arguments": {"parameters": [{"name": "n", "value": "1"}]}},
        {
            "name": "second",
            "template": "say",
            "dependencies": ["first"],
            "arguments": {"parameters": [{"name": "n", "value": "{{tasks.first.outputs.result}}"}]},
        },
    ]
    templates = [
        {"name": "main", "dag": {"tasks": tasks}},
        {"name": "say", "inputs": {"parameters": [{"name": "n"}]}, "container": say},
    ]
    spec = {
        "entrypoint": "main",
        "serviceAccountName": cluster.worker_account,
        "securityContext": RESTRICTED_POD,
        "templates": templates,
    }
    cluster.apply({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": name}, "spec": spec})

    cluster.kubectl("wait", f"workflow/{name}", "--for=condition=Completed", "--timeout=120s")

    status = cluster.get("workflow", name)["status"]
    assert status["phase"] == "Succeeded", status.get("message")
    results = {node["displayName"]: node.get("outputs", {}).get("result") for node in status["nodes"].values()}
    assert (results["first"], status["nodes"][name]["type"]) == ("2", "DAG")


def test_a_queued_job_that_fits_runs(cluster: Cluster, name: str) -> None:
    require(cluster, "kueue")
    cluster.apply(job(cluster, name, cpu="100m"))
    cluster.kubectl("wait", f"job/{name}", "--for=condition=Complete", "--timeout=90s")


def test_a_queued_job_that_can_never_fit_stays_suspended_with_the_reason(cluster: Cluster, name: str) -> None:
    require(cluster, "kueue")
    cluster.apply(job(cluster, name, cpu="100"))
    uid = cluster.get("job", name)["metadata"]["uid"]

    chosen = f"--selector=kueue.x-k8s.io/job-uid={uid}"
    cluster.kubectl("wait", "workload", chosen, "--for=condition=QuotaReserved=false", "--timeout=60s")

    (workload,) = cluster.get("workload", chosen)["items"]
    reserved = next(each for each in workload["status"]["conditions"] if each["type"] == "QuotaReserved")
    assert "insufficient quota for cpu" in reserved["message"]
    assert cluster.get("job", name)["spec"]["suspend"] is True


def test_a_queued_pod_that_fits_runs(cluster: Cluster, name: str) -> None:
    require(cluster, "kueue")
    cluster.apply(pod(name, container(cluster, "print('done')"), **{"kueue.x-k8s.io/queue-name": cluster.queue}))
    cluster.kubectl("wait", f"pod/{name}", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=90s")
