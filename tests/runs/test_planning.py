"""Plans on a real API server: what it has is found, what it refuses is understood, and what may not be read is said."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fairlead.errors import ClusterError, WouldNotRun
from fairlead.insight.planning.documents import Plan
from fairlead.kube.client import Client
from fairlead.kube.failures import Rule
from fairlead.kube.resources import LIMIT_RANGE, NODE, POD, RESOURCE_QUOTA, SECRET, SERVICE_ACCOUNT
from fairlead.runs import contexts
from fairlead.runs.foreseeing import foresee
from fairlead.runs.planning import earlier, plan
from fairlead.runs.surveying import Wanted, survey
from fairlead.specs.contexts import Context
from fairlead.specs.graphs import Graph, Node
from fairlead.specs.resources import Resources
from fairlead.specs.steps import Environment, FunctionStep, Secret
from fairlead.store.backends import Folder
from fairlead.store.catalog import note_transition
from fairlead.store.claims import take_claim
from fairlead.store.history import compact
from fairlead.store.records import AttemptRecord, Ended
from kube.cluster import new_namespace, serving_workflows, user_of, write_kubeconfig
from servers.apiserver import ApiServer

SMALL = FunctionStep(name="small", function="m:f", resources=Resources(cpu=2, memory="1Gi"))
LARGE = FunctionStep(name="large", function="m:f", resources=Resources(cpu=100, memory="1Gi"))
SECRETIVE = FunctionStep(
    name="secretive", function="m:f", environment=Environment(secrets=(Secret(name="hub", key="k", variable="V"),))
)  # fmt: skip


def graph(*steps: FunctionStep) -> Graph:
    return Graph(
        flow="f", steps={each.name: each for each in steps}, nodes=tuple(Node(step=each.name) for each in steps)
    )


@pytest.fixture
def client(api_server: ApiServer) -> Iterator[Client]:
    """Have a namespace with an account, on a cluster with one node."""
    with new_namespace(api_server) as found:
        assert not found.list(NODE).items, "another test has left a node, and plans count them"
        found.create(SERVICE_ACCOUNT, {"metadata": {"name": "default"}})
        status = {"allocatable": {"cpu": "8", "memory": "64Gi", "pods": "110"}}
        name = f"node-{found.connection.namespace}"
        found.create(NODE, {"metadata": {"name": name}})
        found.patch(NODE, name, {"spec": {"taints": None}})  # that it is not ready yet
        found.patch(NODE, name, {"status": status}, subresource="status")
        yield found
        found.delete(NODE, name)


@pytest.fixture
def context(api_server: ApiServer, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """Register a context whose store nobody has."""
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FAIRLEAD_CONTEXT", "lab")
    write_kubeconfig(api_server, tmp_path / "kubeconfig")
    context = Context(
        name="lab", store="s3://nobody/has", store_env=str(tmp_path / "none"), image="i", worker_image="w",
        namespace=client.connection.namespace, kubeconfig=str(tmp_path / "kubeconfig"),
    )  # fmt: skip
    contexts.add(context)
    return context


def found(plan: Plan) -> dict[str, dict[str, str]]:
    """Return the reasons of each step, and of the run, by id."""
    of_steps = {each.step: {reason.id: reason.verdict for reason in each.reasons} for each in plan.steps}
    return {**of_steps, "run": {reason.id: reason.verdict for reason in plan.reasons}}


@pytest.mark.apiserver
def test_a_plan_holds_every_step_against_what_the_cluster_has(client: Client, context: Context) -> None:
    client.create(RESOURCE_QUOTA, {"metadata": {"name": "q"}, "spec": {"hard": {"requests.cpu": "50"}}})
    with serving_workflows(client):
        made = plan(graph(SMALL, LARGE, SECRETIVE), "lab")
    reasons = found(made)
    assert reasons["small"] == {} and made.steps[0].verdict == "unknown"  # no controller has counted the quota yet
    assert reasons["large"].items() >= {"more-than-any-node": "never", "quota-of-namespace": "never"}.items()
    assert reasons["secretive"]["secret-missing"] == "never"
    assert reasons["run"].keys() >= {"store-unreachable"} and "kind-not-served" not in reasons["run"]
    assert made.verdict == "never" and made.namespace == client.connection.namespace
    assert not client.list(POD).items


@pytest.mark.apiserver
def test_a_server_that_refuses_says_why_in_its_own_words(client: Client, context: Context) -> None:
    limit = {"type": "Container", "min": {"cpu": "3"}}
    client.create(LIMIT_RANGE, {"metadata": {"name": "l"}, "spec": {"limits": [limit]}})
    reasons = found(plan(graph(SMALL), "lab"))
    assert reasons["small"] == {"limit-range": "never"} and reasons["run"]["kind-not-served"] == "never"


@pytest.mark.apiserver
def test_a_server_that_takes_no_image_volumes_is_found_out(client: Client, context: Context) -> None:
    contexts.add(msgspec.structs.replace(context, delivery="volume"))
    reasons = found(plan(graph(SMALL), "lab"))
    assert reasons["small"] == {"image-volumes-dropped": "never"}


@pytest.mark.apiserver
def test_what_may_not_be_read_is_said(client: Client, api_server: ApiServer) -> None:
    user = user_of(api_server, client, (Rule("list", "", "pods"), Rule("list", "", "resourcequotas")))
    facts = survey(user, client.connection.namespace, [Wanted("Secret", "hub"), Wanted("ServiceAccount", "default")])
    assert facts.knows("ResourceQuota") and facts.knows("ClusterQueue")  # which is not served
    assert not any(map(facts.knows, ("Pod", "Node", "LimitRange", "Secret", "ServiceAccount", "Namespace")))
    said = {each.what for each in facts.snapshot.meta.unread}
    assert said >= {"nodes", "limitranges", "Secret hub", "pods", "whether nodes are added as they are asked for"}
    assert not facts.is_fixed


@pytest.mark.apiserver
def test_only_names_are_read_of_secrets_and_nothing_of_what_pods_run(client: Client) -> None:
    client.create(SECRET, {"metadata": {"name": "hub"}, "stringData": {"k": "hunter2"}})
    spec = {"containers": [{"name": "c", "image": "i", "env": [{"name": "A", "value": "hunter2"}],
                            "resources": {"requests": {"cpu": "1"}}}]}  # fmt: skip
    client.create(POD, {"metadata": {"name": "p"}, "spec": spec})
    facts = survey(client, client.connection.namespace, [Wanted("Secret", "hub"), Wanted("Secret", "none")])
    assert facts.find("Secret", "hub") is not None and facts.find("Secret", "none") is None
    assert "hunter2" not in repr([each.value for each in facts.snapshot.things.values()])
    pod = facts.find("Pod", "p")
    assert pod is not None and pod.value["spec"]["containers"] == [{"resources": {"requests": {"cpu": "1"}}}]


def refusing(graph: Graph, client: Client, context: Context) -> list[str]:
    """Return what is noted of a run, which is let pass."""
    notes: list[str] = []
    foresee(graph, client, client.connection.namespace, context, targets={}, noted=notes.append, within_s=60)
    return notes


@pytest.mark.apiserver
def test_a_run_that_can_never_run_is_refused_before_anything_is_created(client: Client, context: Context) -> None:
    assert refusing(graph(SMALL), client, context) == []
    with pytest.raises(WouldNotRun) as refused:
        refusing(graph(SMALL, SECRETIVE), client, context)
    assert refused.value.where == "step secretive" and "Secret hub" in refused.value.why
    assert str(refused.value).count("\n") == 3
    with pytest.raises(WouldNotRun, match=r"can never run in the context 'lab'") as refused:
        refusing(graph(LARGE), client, context)
    assert "it would fit with cpu 8" in refused.value.why and "--unschedulable warn" in refused.value.next
    patient = msgspec.structs.replace(context, unschedulable="warn")
    (note,) = refusing(graph(LARGE), client, patient)
    assert note.startswith("step large will wait: a pod asks for cpu 100")


@pytest.mark.apiserver
def test_what_can_not_be_read_is_let_pass(client: Client, context: Context, api_server: ApiServer) -> None:
    user = user_of(api_server, client, (Rule("list", "", "pods"),))
    assert refusing(graph(LARGE, SECRETIVE), user, context) == []

    def broken(*_: Any, **__: Any) -> Any:
        raise ClusterError("the cluster does not answer")

    user.hurried = broken  # type: ignore[method-assign]  # a cluster that is away
    assert refusing(graph(SMALL), user, context) == [
        "whether it would run was not looked at: the cluster does not answer"
    ]


def test_earlier_runs_tell_how_long_steps_took(tmp_path: Path) -> None:
    backend = Folder(tmp_path)
    for number, flow in enumerate(("f", "f", "other")):
        run, now = f"2026112{number}-100000-abcde", datetime(2026, 11, 20 + number, tzinfo=UTC)
        note_transition(backend, run, flow, "running", now=now)
        claim = take_claim(backend, run, now=now.timestamp())
        records = [
            Ended(record=AttemptRecord(
                step="fit", index=index, number=1, status=status, started=100.0, finished=110.0 + number,
                peak_memory_bytes=1 << 30,
            ))
            for index, status in enumerate(("succeeded", "failed"))
        ]  # fmt: skip
        compact(backend, run, claim, records)
        note_transition(backend, run, flow, "succeeded", now=now + timedelta(minutes=1))
    assert [(each.name, each.duration_s) for each in earlier(backend, "f")] == [("fit", 11.0), ("fit", 10.0)]
    assert not list(earlier(backend, "none"))
