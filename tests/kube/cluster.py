"""A namespace of its own on the real server, and a watch that goes through a proxy which makes faults."""

from __future__ import annotations

import base64
import itertools
import json
import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from engines.local.driving import wait_for
from fairlead.kube.api import Patience
from fairlead.kube.client import Client
from fairlead.kube.connection import Connection
from fairlead.kube.credentials import Identity, bearer
from fairlead.kube.discovery import Discovery
from fairlead.kube.failures import AlreadyExists, NotFound, Rule
from fairlead.kube.mirror import Event, Key
from fairlead.kube.resources import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    CONFIG_MAP,
    CUSTOM_RESOURCE_DEFINITION,
    NAMESPACE,
    NODE,
    ROLE,
    ROLE_BINDING,
    SERVICE_ACCOUNT,
    WORKFLOW,
    Kind,
)
from fairlead.kube.watching import Pace, Watch
from fairlead.testing.faults import FaultyProxy, Schedule
from servers.apiserver import ApiServer

PACE = Pace(stream_s=1, grace_s=0.3, patience=Patience(first_s=0.005, longest_s=0.05))
PATIENCE_S = 30.0
SERVED_S = 240.0
"""Seconds until a server serves another kind, or serves it no longer; Argo's definitions are large."""
_numbers = itertools.count()


def bind(client: Client, account: str, rules: tuple[Rule, ...], *, everywhere: bool = False) -> None:
    """Give an account rights in the namespace, or in all and on what is in none."""
    namespace = client.connection.namespace
    roles = [{"apiGroups": [rule.group], "resources": [rule.resource], "verbs": [rule.verb]} for rule in rules]
    subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
    role, binding = (CLUSTER_ROLE, CLUSTER_ROLE_BINDING) if everywhere else (ROLE, ROLE_BINDING)
    name = f"{namespace}-{account}" if everywhere else account
    client.create(role, {"metadata": {"name": name}, "rules": roles})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": role.kind, "name": name}
    client.create(binding, {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]})


def user_of(
    server: ApiServer, client: Client, rules: tuple[Rule, ...], wide: tuple[Rule, ...] = (), *, name: str = "user"
) -> Client:
    """Return the client of a user that has some rights in the namespace, some in the whole cluster, and no others."""
    client.create(SERVICE_ACCOUNT, {"metadata": {"name": name}})
    bind(client, name, rules)
    if wide:
        bind(client, name, wide, everywhere=True)
    path = f"/api/v1/namespaces/{client.connection.namespace}/serviceaccounts/{name}/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = client.request("POST", path, body=body)["status"]["token"]
    return Client(server.connection(token=token, namespace=client.connection.namespace))


def write_kubeconfig(server: ApiServer, path: Path) -> None:
    """Write a kubeconfig of the administrator."""
    authority = base64.b64encode(server.authority.encode()).decode()
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server.url, "certificate-authority-data": authority}}],
        "users": [{"name": "u", "user": {"token": server.token}}],
    }
    path.write_text(json.dumps(document))


class Renewable:
    """A token that may be asked for again, as a plugin's may."""

    def __init__(self, token: str) -> None:
        self._identity = Identity(bearer(token))

    def identity(self) -> Identity:
        return self._identity

    def renew(self) -> bool:
        return True


def new_namespace(server: ApiServer) -> Client:
    """Make a namespace, and return the administrator's client of it."""
    name = f"ns-{threading.get_native_id()}-{next(_numbers)}"
    client = Client(server.connection(namespace=name))
    client.create(NAMESPACE, {"metadata": {"name": name}})
    return client


def some(kind: Kind) -> dict[str, Any]:
    """Return a definition of a kind that takes any field."""
    return {
        "metadata": {"name": f"{kind.plural}.{kind.group}"},
        "spec": {
            "group": kind.group,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "names": {"kind": kind.kind, "plural": kind.plural},
            "versions": [
                {
                    "name": kind.version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                }
            ],
        },
    }


@contextmanager
def serving(client: Client, definitions: Mapping[Kind, dict[str, Any]]) -> Iterator[None]:
    """Serve some kinds for a while: the server is shared, and other tests count on their absence."""
    for definition in definitions.values():
        client.create(CUSTOM_RESOURCE_DEFINITION, definition)
    try:
        for kind in definitions:
            wait_for(lambda kind=kind: Discovery(client).serves(kind), patience_s=SERVED_S)  # type: ignore[misc]  # a lambda of its own
        yield
    finally:
        for definition in definitions.values():
            client.delete(CUSTOM_RESOURCE_DEFINITION, definition["metadata"]["name"])
        for kind in definitions:
            wait_for(lambda kind=kind: not Discovery(client).serves(kind), patience_s=SERVED_S)  # type: ignore[misc]  # likewise


@contextmanager
def having_nodes(client: Client, allocatable: Mapping[str, Mapping[str, str]]) -> Iterator[list[str]]:
    """Have nodes for a while, by what they have for pods; yields their names, which begin with the namespace's."""
    names = [f"{client.connection.namespace}-{name}" for name in allocatable]
    for name, amounts in zip(names, allocatable.values(), strict=True):
        client.create(NODE, {"metadata": {"name": name}})
        client.patch(NODE, name, {"spec": {"taints": None}})  # the server gives it one until a kubelet is heard of
        client.patch(NODE, name, {"status": {"allocatable": amounts, "capacity": amounts}}, subresource="status")
    try:
        yield names
    finally:
        for name in names:
            client.delete(NODE, name)


def serving_workflows(client: Client) -> AbstractContextManager[None]:
    """Serve Workflows that take any field."""
    return serving(client, {WORKFLOW: some(WORKFLOW)})


class Follower:
    """Keeps its own picture from events alone, and lets others wait for it."""

    def __init__(self) -> None:
        self.versions: dict[Key, str] = {}
        self.wrong: list[str] = []
        self.news = threading.Condition()

    def __call__(self, event: Event) -> None:
        metadata = event.object["metadata"]
        key = metadata.get("namespace", ""), metadata["name"]
        with self.news:
            if (event.type == "ADDED") == (key in self.versions):
                self.wrong.append(f"{event.type} {key}")
            if event.type == "DELETED":
                self.versions.pop(key, None)
            else:
                self.versions[key] = metadata["resourceVersion"]
            self.news.notify_all()

    def wait_a_moment(self, longest_s: float) -> None:
        """Let the next event come, or not."""
        with self.news:
            self.news.wait(longest_s)

    def wait(self, versions: dict[Key, str]) -> bool:
        with self.news:
            return self.news.wait_for(lambda: self.versions == versions, PATIENCE_S)


@contextmanager
def spoiled(server: ApiServer, schedule: Schedule, namespace: str, labels: str) -> Iterator[tuple[Watch, Follower]]:
    """Watch config maps through a proxy that spoils what the schedule says."""
    with FaultyProxy(server.url, schedule, server.tls()) as proxy:
        connection = Connection(proxy.url, Renewable(server.token), namespace=namespace)
        follower = Follower()
        with Client(connection) as client, Watch(client, CONFIG_MAP, labels=labels, pace=PACE) as watch:
            watch.listen(follower)
            yield watch, follower


def change(client: Client, chance: random.Random, label: str) -> None:
    """Make, change or delete one of a few objects."""
    name = f"{label}-{chance.randrange(5)}"
    manifest: dict[str, Any] = {
        "metadata": {"name": name, "labels": {"seed": label}},
        "data": {"n": f"{chance.random()}"},
    }
    try:
        match chance.randrange(3):
            case 0:
                client.create(CONFIG_MAP, manifest)
            case 1:
                client.replace(CONFIG_MAP, manifest)
            case _:
                client.delete(CONFIG_MAP, name)
    except (AlreadyExists, NotFound):
        pass


class Outcome(NamedTuple):
    """What came of one schedule."""

    seed: int
    faults: list[str]
    relists: int
    fault: str


def run_schedule(server: ApiServer, client: Client, seed: int, **settings: Any) -> Outcome:
    """Change a cluster while a watch of it is spoiled; then compare the two."""
    chance, label, schedule = random.Random(seed), f"s{seed}", Schedule(seed, **settings)
    with spoiled(server, schedule, client.connection.namespace, f"seed={label}") as (watch, follower):
        for number in range(60):
            if number >= 12 and schedule.is_over:
                break
            change(client, chance, label)
            follower.wait_a_moment(chance.random() * 0.01)
        schedule.stop()
        truth = {
            (each["metadata"]["namespace"], each["metadata"]["name"]): each["metadata"]["resourceVersion"]
            for each in client.list(CONFIG_MAP, labels={"seed": label}).items
        }
        fault = "" if follower.wait(truth) else f"{follower.versions} instead of {truth}; last failure {watch.failure}"
        if not fault and watch.versions() != truth:
            fault = f"held {watch.versions()} instead of {truth}"
        fault = fault or "; ".join(follower.wrong)
        if not fault and watch.relists > len(schedule.done):
            fault = f"{watch.relists} new lists after {len(schedule.done)} faults"
        return Outcome(seed, schedule.done, watch.relists, fault)
