"""A context is looked at as a real API server knows it, by whoever may see much or little of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engines.local.driving import wait_for
from fairlead.engines.kubernetes import rights
from fairlead.engines.kubernetes.engine import KubernetesEngine
from fairlead.engines.kubernetes.submitting import create
from fairlead.kube.client import Client
from fairlead.kube.failures import Rule
from fairlead.kube.resources import (
    JOB,
    POD,
    ROLE,
    ROLE_BINDING,
    SECRET,
    SERVICE_ACCOUNT,
    WORKFLOW,
    Kind,
)
from fairlead.kube.watching import Watch
from fairlead.runs.context_checking import check_cluster
from fairlead.specs.contexts import Context
from fairlead.specs.graphs import Graph, Node
from fairlead.specs.hardware import Advertised, Hardware
from fairlead.specs.reports import ContextCheck, ContextReport
from fairlead.specs.runtimes import Torch
from fairlead.specs.steps import FunctionStep
from fairlead.store.backends import Folder
from fairlead.targets import naming
from fairlead.targets.training.table import targets
from kube.cluster import new_namespace, serving, serving_workflows, some, user_of
from servers.apiserver import ApiServer

GRAPH = Graph(
    flow="f", steps={"fit": FunctionStep(name="fit", function="m:f", runtime=Torch(nodes=2))}, nodes=(Node(step="fit"),)
)
LATE: dict[str, dict[str, Any]] = {
    "Workflow": {"apiVersion": WORKFLOW.api_version, "kind": WORKFLOW.kind, "spec": {}},
    "Pod": {"spec": {"containers": [{"name": "c", "image": "i"}], "automountServiceAccountToken": False}},
}


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(
        name="prod", store="memory://", store_secret="store", service_account="worker", driver_service_account="driver"
    )


@pytest.fixture
def client(api_server: ApiServer) -> Iterator[Client]:
    with new_namespace(api_server) as client:
        yield client


def states(report: ContextReport) -> dict[str, str]:
    return {each.name: each.state for each in report.checks}


def namespace_of(client: Client) -> str:
    return client.connection.namespace


@pytest.mark.apiserver
def test_everything_that_is_missing_is_named_with_what_to_do(client: Client, context: Context) -> None:
    context = msgspec.structs.replace(context, queue="team", store_env="/nowhere/env")
    report = check_cluster(context, client, namespace_of(client))
    assert not report.ready
    assert states(report) == {
        "API server": "ok", f"Namespace {namespace_of(client)}": "ok", "kind Workflow": "failed", "kind Job": "ok",
        "kind LocalQueue": "failed", "kind Workload": "failed", "LocalQueue team": "failed", "Secret store": "failed",
        "ServiceAccount worker": "failed", "ServiceAccount driver": "failed", "your rights": "ok",
        "your rights in pods": "ok", "your rights to claims": "ok", "targets": "ok",
        "rights of steps": "failed", "rights of drivers": "failed", "store, from here": "failed",
    }  # fmt: skip
    assert all(each.said and each.next for each in report.checks if each.state == "failed")
    advice = {each.name: each.next for each in report.checks}
    assert advice["kind Workflow"] == "install Argo Workflows 3.5 or newer"
    assert advice["kind Workload"] == "install Kueue"
    assert advice["Secret store"].startswith(f"kubectl -n {namespace_of(client)} create secret generic store")
    assert [role["metadata"]["name"] for role in report.roles] == ["worker", "driver"]


@pytest.mark.apiserver
def test_the_roles_that_are_printed_give_what_was_missing(client: Client, context: Context) -> None:
    for account in ("worker", "driver"):
        client.create(SERVICE_ACCOUNT, {"metadata": {"name": account}})
    client.create(SECRET, {"metadata": {"name": "store"}})
    report = check_cluster(context, client, namespace_of(client))
    for role in report.roles:
        client.create(
            ROLE,
            {key: value for key, value in role.items() if key != "metadata"}
            | {"metadata": {"name": role["metadata"]["name"]}},
        )
        name = role["metadata"]["name"]
        subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace_of(client)}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        client.create(ROLE_BINDING, {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]})
    again = states(check_cluster(context, client, namespace_of(client)))
    assert {
        again[name] for name in ("rights of steps", "rights of drivers", "Secret store", "ServiceAccount worker")
    } == {"ok"}


@pytest.mark.apiserver
def test_who_may_see_little_is_told_what_is_not_known(api_server: ApiServer, client: Client, context: Context) -> None:
    theirs = user_of(api_server, client, (Rule("create", "argoproj.io", "workflows"), Rule("list", "", "pods")))
    report = check_cluster(context, theirs, namespace_of(client))
    found = {each.name: each for each in report.checks}
    for name in (
        f"Namespace {namespace_of(client)}",
        "Secret store",
        "ServiceAccount worker",
        "rights of steps",
        "rights of drivers",
    ):
        assert found[name].state == "unknown"
    assert found["your rights to claims"].said.startswith("lacking: create, get, patch persistentvolumeclaims; volumes")
    assert found["your rights in pods"].state == found["your rights to claims"].state == "optional"
    assert "get, create pods/exec" in found["your rights in pods"].said
    assert found["your rights"].said == "lacking: get, list, patch, watch, delete workflows; watch pods; get pods/log"
    (role,) = report.roles
    given = {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert given == {(rule.group, rule.resource, rule.verb) for rule in rights.SUBMITTING}


@pytest.mark.apiserver
def test_the_listed_rights_are_enough_for_the_engine(api_server: ApiServer, client: Client, context: Context) -> None:
    with serving_workflows(client):
        assert states(check_cluster(context, client, namespace_of(client)))["kind Workflow"] == "ok"
        theirs = user_of(api_server, client, rights.SUBMITTING)
        engine = KubernetesEngine(context, theirs, namespace_of(client), Folder(Path("/nowhere")))
        metadata = {
            "name": "w",
            "namespace": namespace_of(client),
            "labels": {naming.RUN: "r"},
            "annotations": {naming.ORDER: "d"},
        }
        manifest = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": metadata, "spec": {}}
        assert create(theirs, manifest)["metadata"]["uid"] == create(theirs, manifest)["metadata"]["uid"]
        assert engine.cancel("r")
        assert client.get(WORKFLOW, "w")["spec"] == {"shutdown": "Stop"}
        for kind in (WORKFLOW, POD):  # a run is followed by both
            with Watch(theirs, kind) as watch:
                watch.wait_synced(10)
                client.create(kind, {**LATE[kind.kind], "metadata": {"name": "late"}})
                wait_for(lambda watch=watch: watch.get("late", namespace_of(client)))


@pytest.mark.apiserver
def test_what_gangs_become_is_what_the_cluster_serves_best(client: Client, context: Context) -> None:
    def chosen(context: Context) -> tuple[dict[str, str], ContextCheck]:
        engine = KubernetesEngine(context, client, namespace_of(client), Folder(Path("/nowhere")))
        checks = check_cluster(context, client, namespace_of(client)).checks
        return engine.targets(GRAPH), next(each for each in checks if each.name == "targets")

    found, check = chosen(context)
    assert (set(found.values()), check.state) == ({"job"}, "ok")
    kinds = {name: [Kind(*each) for each in targets()[name].resources] for name in ("jobset", "trainjob")}
    wanted = msgspec.structs.replace(context, targets={"torch": "trainjob"})
    with serving(client, {kind: some(kind) for kind in kinds["jobset"]}):
        assert set(chosen(context)[0].values()) == {"jobset"}
        lacking = {each.name: each for each in check_cluster(wanted, client, namespace_of(client)).checks}["targets"]
        assert (lacking.state, lacking.next) == ("failed", "install Kubeflow Trainer 2.3 or newer")
        with serving(client, {kind: some(kind) for kind in kinds["trainjob"]}):
            found, check = chosen(context)
            assert set(found.values()) == {"trainjob"}
            assert "torch: trainjob" in check.said
            assert chosen(msgspec.structs.replace(context, targets={"torch": "jobset"}))[0]["torch"] == "jobset"


@pytest.mark.apiserver
def test_what_claims_and_groups_of_pods_need_is_looked_at_where_a_context_has_them(
    client: Client, context: Context
) -> None:
    hardware = Hardware(accelerators={"H200": Advertised(device_class="gpu.nvidia.com")})
    special = msgspec.structs.replace(context, hardware=hardware, gang_scheduler="volcano")
    client.create(SERVICE_ACCOUNT, {"metadata": {"name": "driver"}})
    report = check_cluster(special, client, namespace_of(client))
    assert (states(report)["kind ResourceClaimTemplate"], states(report)["kind PodGroup"]) == ("ok", "failed")
    assert {each.name: each.next for each in report.checks}["kind PodGroup"] == "install Volcano"
    (rules,) = [role["rules"] for role in report.roles if role["metadata"]["name"] == "driver"]
    verbs = {each: set(rule["verbs"]) for rule in rules for each in rule["resources"]}
    assert verbs["resourceclaimtemplates"] == {"create", "get"}
    assert verbs["podgroups"] == {"create", "delete", "get", "list"}
    plain = check_cluster(context, client, namespace_of(client))
    assert not {"resourceclaimtemplates", "podgroups"} & {
        each for role in plain.roles for rule in role["rules"] for each in rule["resources"]
    }


@pytest.mark.apiserver
def test_a_cluster_without_image_volumes_is_told_by_the_pod_that_opens_the_store(
    client: Client, context: Context
) -> None:
    mounting = msgspec.structs.replace(context, worker_image="fairlead", delivery="volume")
    report = check_cluster(mounting, client, namespace_of(client), pod=True)
    found = next(each for each in report.checks if each.name == "store, from a pod")
    assert (found.state, found.said, found.next) == (
        "failed",
        "the API server takes no image volumes: its feature gate ImageVolume is off",
        "fairlead context add prod … --delivery copy",
    )
    assert not client.list(JOB).items


@pytest.mark.apiserver
def test_a_server_that_does_not_know_the_user_ends_the_check(api_server: ApiServer, context: Context) -> None:
    report = check_cluster(context, Client(api_server.connection(token="nobody")), "default")
    assert states(report)["API server"] == "failed"
    assert len(report.checks) == 2
