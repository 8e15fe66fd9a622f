"""The real MPI Operator on an API server without nodes: what it makes of a gang, in a namespace that is ``restricted``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from engines.local.driving import wait_for
from fairlead.specs.runtimes import Mpi
from fairlead.specs.steps import FunctionStep
from fairlead.targets import naming
from fairlead.targets.training import conditions, mpi_job
from fairlead.targets.training.target import Gang
from servers.apiserver import ApiServer
from servers.cluster import Cluster
from targets.refused import PLACE
from testbed import operators
from testbed.state import State

pytestmark = [pytest.mark.components("mpi-operator"), pytest.mark.timeout(900)]

PLACED = msgspec.structs.replace(PLACE, namespace="fairlead")
STEP = FunctionStep(name="fit", function="m:f", runtime=Mpi(nodes=2, processes_per_node=4))
FIRST, SECOND = (Gang(PLACED, STEP, "fit", 0, number) for number in (1, 2))
NAME = FIRST.object_name


@pytest.fixture(scope="module")
def operator(api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Run the operator beside an API server that is a testbed with nothing but a namespace."""
    folder = tmp_path_factory.mktemp("testbed")
    authority = folder / "ca.crt"
    authority.write_text(api_server.authority)
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": api_server.url, "certificate-authority": str(authority)}}],
        "users": [{"name": "u", "user": {"token": api_server.token}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
    }
    found = Cluster(State(folder).kubeconfig, "unused", {}, {})
    found.kubeconfig.write_text(json.dumps(content))
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    found.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "fairlead", "labels": labels}})
    with operators.mpi(State(folder)):
        yield found


def named(cluster: Cluster, kind: str, name: str) -> Any:
    """Return an object as soon as it is there."""
    wait_for(lambda: _there(cluster, kind, name))
    return cluster.get(kind, name)


def _there(cluster: Cluster, kind: str, name: str) -> bool:
    return bool(cluster.kubectl("get", kind, name, "--ignore-not-found", "--output=name"))


def test_pods_of_a_gang_are_admitted_find_each_other_by_its_hosts_and_end_with_its_launcher(operator: Cluster) -> None:
    (made,) = mpi_job.render(FIRST)
    operator.apply(made)
    workers = [named(operator, "pod", f"{NAME}-worker-{number}") for number in range(2)]
    for number, worker in enumerate(workers):
        (container,) = worker["spec"]["containers"]
        mounts = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
        keys = next(each for each in worker["spec"]["volumes"] if each["name"] == mounts["/fairlead-ssh"])
        assert {each["path"] for each in keys["secret"]["items"]} == {"id_rsa", "id_rsa.pub", "authorized_keys"}
        assert worker["metadata"]["labels"][naming.REPLICA] == str(number)
        assert naming.gang_node(worker) == number
        assert worker["spec"]["restartPolicy"] == "Never"
        assert f"--hosts={NAME}-worker-{{}}.{NAME}" in container["command"]
        assert (worker["spec"]["hostname"], worker["spec"]["subdomain"]) == (f"{NAME}-worker-{number}", NAME)
    hostfile = operator.get("configmap", f"{NAME}-config")["data"]["hostfile"]
    assert [line.split(".")[0] + line[-8:] for line in hostfile.splitlines()] == [
        f"{NAME}-worker-{number} slots=4" for number in range(2)
    ]

    launcher = named(operator, "job", f"{NAME}-launcher")
    assert launcher["spec"]["backoffLimit"] == 0
    template = launcher["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "launcher"}, "spec": template["spec"]}
    operator.kubectl("create", "--dry-run=server", "--filename=-", given=json.dumps(pod))  # Pod Security admits it
    environment = {each["name"]: each.get("value") for each in template["spec"]["containers"][0]["env"]}
    assert environment["OMPI_MCA_orte_default_hostfile"] == "/etc/mpi/hostfile"
    assert conditions.state(operator.get("mpijob", NAME)).word == "running"

    now = "2026-01-01T00:00:00Z"
    ended = [
        {"type": kind, "status": "True", "lastProbeTime": now, "lastTransitionTime": now}
        for kind in ("SuccessCriteriaMet", "Complete")
    ]
    status = {"status": {"startTime": now, "completionTime": now, "succeeded": 1, "conditions": ended}}
    patch = ("--subresource=status", "--type=merge", f"--patch={json.dumps(status)}")
    operator.kubectl("patch", "job", f"{NAME}-launcher", *patch)
    wait_for(lambda: conditions.state(operator.get("mpijob", NAME)).word == "succeeded")
    wait_for(lambda: not _there(operator, "pod", f"{NAME}-worker-0"))


def test_a_gang_that_a_queue_holds_back_has_no_pods_yet(operator: Cluster) -> None:
    (made,) = mpi_job.render(SECOND)
    name = SECOND.object_name
    held = {**made, "spec": {**made["spec"], "runPolicy": {**made["spec"]["runPolicy"], "suspend": True}}}
    operator.apply(held)
    launcher = named(operator, "job", f"{name}-launcher")
    assert launcher["spec"]["suspend"]
    assert conditions.state(operator.get("mpijob", name)).word == "waiting"
    assert not _there(operator, "pod", f"{name}-worker-0")
