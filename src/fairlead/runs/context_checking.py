"""Whether runs can go to a context: its cluster, its rights, its queue and its store, looked at one by one."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from typing import Any

from fairlead.engines.kubernetes import rights
from fairlead.engines.kubernetes.engine import is_served
from fairlead.engines.kubernetes.trying import try_store
from fairlead.errors import FairleadError
from fairlead.kube import access
from fairlead.kube.client import Client
from fairlead.kube.connecting import connect
from fairlead.kube.discovery import Discovery
from fairlead.kube.failures import Forbidden, NotFound, Rule
from fairlead.kube.resources import LOCAL_QUEUE, NAMESPACE, SECRET, SERVICE_ACCOUNT, Kind
from fairlead.runs import contexts
from fairlead.runs.settings import open_store_of
from fairlead.specs.contexts import Context
from fairlead.specs.hardware import claims_devices
from fairlead.specs.reports import ContextCheck, ContextReport
from fairlead.specs.unschedulable import parse_unschedulable
from fairlead.targets.flow_table import FLOW, flow_target, wanted_flows
from fairlead.targets.sweeps.table import KIND as SWEEPS
from fairlead.targets.training.gang_scheduling import GROUPS, group_resource
from fairlead.targets.training.table import choose, targets
from fairlead.targets.training.target import Target

_ENTERING = (
    "exec, attach, port-forward and debug",
    "for these commands bind the Role fairlead-inside of docs/clusters.md",
)
_SHARING = (
    "volumes that are made for a run and shared by its steps",
    "for these volumes bind the Role fairlead-volumes of docs/data.md, to drivers of dynamic flows too",
)

_REVIEWS = "/apis/authorization.k8s.io/v1"


def check(name: str, *, pod: bool = False) -> ContextReport:
    """Look at everything that runs in a context need.

    Args:
        name: The context's name.
        pod: Whether the store is opened from a pod too.

    Raises:
        UsageError: There is no such context.
    """
    context = contexts.find(name)
    try:
        connection = connect(context.kube_context, kubeconfig=context.kubeconfig)
    except FairleadError as error:
        found = [_failed("kubeconfig", error), *_check_store(context)]
        return ContextReport(context=name, namespace=context.namespace, ready=False, checks=tuple(found))
    namespace = context.namespace or connection.namespace
    return check_cluster(context, Client(connection).hurried(), namespace, pod=pod)


def check_cluster(context: Context, client: Client, namespace: str, *, pod: bool = False) -> ContextReport:
    """Look at everything in a cluster that is connected.

    Args:
        context: The context.
        client: Its cluster.
        namespace: Its namespace.
        pod: Whether the store is opened from a pod too.
    """
    checking = _Checking(context, client, namespace)
    found = [checking.reach()]
    if found[0].state == "ok":
        found += checking.look(pod=pod)
    found += _check_store(context)
    ready = all(each.state != "failed" for each in found)
    return ContextReport(
        context=context.name, namespace=namespace, ready=ready, checks=tuple(found), roles=tuple(checking.roles)
    )


class _Checking:
    def __init__(self, context: Context, client: Client, namespace: str) -> None:
        self._needed: dict[str, list[Rule]] = {}
        self._context = context
        self._client = client
        self._namespace = namespace
        self._chosen: list[Target] = []
        self._flow = flow_target({})

    @property
    def roles(self) -> list[dict[str, Any]]:
        """The smallest Role of everybody who lacks something, by whom it is for."""
        return [access.smallest_role(name, self._namespace, rules) for name, rules in self._needed.items()]

    def reach(self) -> ContextCheck:
        """Ask the API server for its version."""
        try:
            version = self._client.request("GET", "/version")
        except FairleadError as error:
            return _failed("API server", error)
        return ContextCheck("API server", "ok", f"Kubernetes {version.get('gitVersion', '')}")

    def look(self, *, pod: bool) -> Iterator[ContextCheck]:
        """Look at the rest, once it answers."""
        context = self._context
        make = f"kubectl create namespace {self._namespace}"
        yield self._find(NAMESPACE, self._namespace, make)
        discovery = Discovery(self._client)
        yield from self._components(discovery)
        yield self._targets(discovery)
        if context.queue:
            yield self._find(LOCAL_QUEUE, context.queue, f"fairlead context add {context.name} … --queue NAME")
        if context.store_secret:
            secret = f"kubectl -n {self._namespace} create secret generic {context.store_secret} --from-env-file FILE"
            yield self._find(SECRET, context.store_secret, secret)
        if context.pip_secret:
            secret = f"kubectl -n {self._namespace} create secret generic {context.pip_secret}"
            yield self._find(SECRET, context.pip_secret, f"{secret} --from-literal=PIP_INDEX_URL=…")
        for account in dict.fromkeys((context.service_account, context.driver_service_account)):
            create = f"kubectl -n {self._namespace} create serviceaccount {account}"
            yield self._find(SERVICE_ACCOUNT, account, create)
        ending = parse_unschedulable(context.unschedulable).action != "warn"
        claiming = rights.CLAIMING if claims_devices(context.hardware) else ()
        asked = (
            *rights.submitting(self._flow),
            *claiming,
            *(rights.ENDING if ending else ()),
            *(rights.TRYING if pod else ()),
        )
        yield self._rights("your rights", "fairlead-user", asked)
        yield self._rights_beside("your rights in pods", rights.ENTERING, *_ENTERING)
        yield self._rights_beside("your rights to claims", rights.SHARING, *_SHARING)
        yield self._account_rights(
            "rights of steps", context.service_account, rights.within(self._flow, rights.RUNNING)
        )
        telling = rights.TELLING_QUEUES if context.queue else ()
        driving = rights.within(self._flow, rights.DRIVING)
        driving = (*driving, *rights.running_gangs(self._chosen, context), *telling, *claiming)
        yield self._account_rights("rights of drivers", context.driver_service_account, driving)
        if pod:
            yield self._store_from_pod()

    def _find(self, kind: Kind, name: str, create: str) -> ContextCheck:
        title = f"{kind.kind} {name}"
        try:
            self._client.get(kind, name, namespace=self._namespace, metadata_only=True)
        except Forbidden:
            return ContextCheck(title, "unknown", "you may not look at it; runs do not need you to")
        except NotFound as error:
            said = f"is not in namespace {self._namespace}" if kind.namespaced else "is not there"
            if not error.is_served:
                said = f"the cluster does not serve {kind.api_version}"
            return ContextCheck(title, "failed", said, create)
        except FairleadError as error:
            return _failed(title, error)
        return ContextCheck(title, "ok", "is there")

    def _components(self, discovery: Discovery) -> Iterator[ContextCheck]:
        """Say which kinds are served, and in which versions."""
        try:
            self._flow = wanted_flows(self._context, lambda target: is_served(discovery, target))[0]
        except FairleadError as error:
            yield _failed("kind of runs", error)
        wanted = {Kind(*self._flow.resource): self._flow.component, **rights.COMPONENTS}
        wanted |= rights.QUEUE_COMPONENTS if self._context.queue else {}
        group = group_resource(self._context)
        wanted |= {Kind(*group): GROUPS[group]} if group else {}
        wanted |= rights.CLAIM_COMPONENTS if claims_devices(self._context.hardware) else {}
        for kind, component in wanted.items():
            try:
                served = discovery.served(kind)
            except FairleadError as error:
                yield _failed(f"kind {kind.kind}", error)
                continue
            if kind.version in served:
                yield ContextCheck(f"kind {kind.kind}", "ok", f"{kind.group} {', '.join(served)}")
            else:
                said = f"served as {', '.join(served)} only, not {kind.version}" if served else "is not served"
                yield ContextCheck(f"kind {kind.kind}", "failed", said, f"install {component}")

    def _targets(self, discovery: Discovery) -> ContextCheck:
        """Say what steps with ranks become."""
        asked = {kind: name for kind, name in self._context.targets.items() if kind != SWEEPS}
        try:
            chosen, _ = choose({}, asked, lambda target: is_served(discovery, target))
        except FairleadError as error:
            return _failed("targets", error)
        self._chosen = [targets()[name] for name in dict.fromkeys(chosen.values())]
        lacking = [targets()[name] for kind, name in asked.items() if kind not in (*chosen, FLOW)]
        if lacking:
            said = f"the target {lacking[0].name} is asked for, and its component is not there"
            return ContextCheck("targets", "failed", said, f"install {lacking[0].component}")
        return ContextCheck("targets", "ok", ", ".join(f"{kind}: {name}" for kind, name in chosen.items()))

    def _rights(self, title: str, role: str, rules: Sequence[Rule]) -> ContextCheck:
        """Say what whoever asks may not do."""
        try:
            lacking = access.missing(self._client, rules, self._namespace)
        except FairleadError as error:
            return _failed(title, error)
        return self._judged(title, role, rules, lacking)

    def _rights_beside(self, title: str, rules: Sequence[Rule], needing: str, then: str) -> ContextCheck:
        """Say what whoever asks may not do that most runs do without."""
        try:
            lacking = access.missing(self._client, rules, self._namespace)
        except FairleadError as error:
            return ContextCheck(title, "unknown", f"{error.what}: {error.why}")
        if not lacking:
            return ContextCheck(title, "ok", _listed(rules))
        return ContextCheck(title, "optional", f"lacking: {_listed(lacking)}; {needing} need them", then)

    def _account_rights(self, title: str, account: str, rules: Sequence[Rule]) -> ContextCheck:
        """Say what a ServiceAccount may not do, where one may ask for others."""
        try:
            lacking = [rule for rule in rules if not self._may(account, rule)]
        except Forbidden:
            return ContextCheck(title, "unknown", f"you may not ask what {account} may; it needs {_listed(rules)}")
        except FairleadError as error:
            return _failed(title, error)
        return self._judged(title, account, rules, lacking)

    def _judged(self, title: str, role: str, rules: Sequence[Rule], lacking: list[Rule]) -> ContextCheck:
        if not lacking:
            return ContextCheck(title, "ok", _listed(rules))
        self._needed.setdefault(role, []).extend(rules)
        return ContextCheck(title, "failed", f"lacking: {_listed(lacking)}", "bind the Role below")

    def _may(self, account: str, rule: Rule) -> bool:
        resource, _, subresource = rule.resource.partition("/")
        attributes = {
            "namespace": self._namespace, "verb": rule.verb, "group": rule.group,
            "resource": resource, "subresource": subresource,
        }  # fmt: skip
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "LocalSubjectAccessReview",
            "metadata": {"namespace": self._namespace},
            "spec": {
                "user": f"system:serviceaccount:{self._namespace}:{account}",
                "groups": [
                    "system:serviceaccounts",
                    f"system:serviceaccounts:{self._namespace}",
                    "system:authenticated",
                ],
                "resourceAttributes": attributes,
            },
        }
        path = f"{_REVIEWS}/namespaces/{self._namespace}/localsubjectaccessreviews"
        return self._client.request("POST", path, body=body, repeat=True)["status"].get("allowed") is True

    def _store_from_pod(self) -> ContextCheck:
        title = "store, from a pod"
        if not self._context.worker_image:
            said = "the context names no image of Fairlead's worker"
            return ContextCheck(
                title, "failed", said, f"fairlead context add {self._context.name} … --worker-image IMAGE"
            )
        try:
            tried = try_store(self._client, self._context, self._namespace, secrets.token_hex(3))
        except FairleadError as error:
            return _failed(title, error)
        if tried.done:
            return ContextCheck(title, "ok", tried.said)
        return ContextCheck(title, "failed", tried.said, tried.next)


def _check_store(context: Context) -> Iterator[ContextCheck]:
    """Open the store from this machine; opening a remote one creates an object exclusively."""
    title = "store, from here"
    try:
        url = open_store_of(context).url
    except FairleadError as error:
        yield _failed(title, error)
    else:
        yield ContextCheck(title, "ok", f"{url} answers, and creates exclusively")


def _failed(title: str, error: FairleadError) -> ContextCheck:
    said = ": ".join(filter(None, (error.what, error.where, error.why)))
    return ContextCheck(title, "failed", said, error.next)


def _listed(rules: Sequence[Rule]) -> str:
    """Return rules in words: ``create, get workflows; list pods``."""
    verbs: dict[str, list[str]] = {}
    for rule in rules:
        verbs.setdefault(rule.resource, []).append(rule.verb)
    return "; ".join(f"{', '.join(each)} {resource}" for resource, each in verbs.items())
