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
    POD,
    ROLE,
    ROLE_BINDING,
    SECRET,
    SERVICE_ACCOUNT,
    WORKFLOW,
)
from fairlead.kube.watching import Watch
from fairlead.runs.context_checking import check_cluster
from fairlead.specs.contexts import Context
from fairlead.specs.reports import ContextReport
from fairlead.store.backends import Folder
from fairlead.targets import naming
from kube.cluster import new_namespace, serving_workflows, user_of
from servers.apiserver import ApiServer

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
        "your rights in pods": "ok", "targets": "ok",
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
    assert found["your rights in pods"].state == "optional"
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
def test_a_server_that_does_not_know_the_user_ends_the_check(api_server: ApiServer, context: Context) -> None:
    report = check_cluster(context, Client(api_server.connection(token="nobody")), "default")
    assert states(report)["API server"] == "failed"
    assert len(report.checks) == 2
