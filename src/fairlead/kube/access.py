"""What whoever is asking may do, asked of the cluster itself, and the smallest Role that gives what is needed.

Source: https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from fairlead.kube.api import Api
from fairlead.kube.failures import Rule
from fairlead.kube.resources import ROLE

_REVIEWS = "/apis/authorization.k8s.io/v1"


def allowed(api: Api, rules: Iterable[Rule], namespace: str) -> dict[Rule, bool]:
    """Say for each rule whether it is given in a namespace.

    One request answers for RBAC. Where the cluster says that its answer has gaps (webhooks decide too), each rule
    that is not in it is asked about on its own.

    Args:
        api: The cluster, and who is asking.
        rules: What is needed.
        namespace: Where; empty to ask for the whole cluster, rule by rule.
    """
    wanted = list(dict.fromkeys(rules))
    if not namespace:
        return {rule: _asked(api, rule, "") for rule in wanted}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}}
    status = api.request("POST", f"{_REVIEWS}/selfsubjectrulesreviews", body=body, repeat=True)["status"]
    given = [each for each in status.get("resourceRules") or () if not each.get("resourceNames")]
    found = {rule: any(_gives(each, rule) for each in given) for rule in wanted}
    if status.get("incomplete"):
        found |= {rule: _asked(api, rule, namespace) for rule, yes in found.items() if not yes}
    return found


def missing(api: Api, rules: Iterable[Rule], namespace: str) -> list[Rule]:
    """Return the rules that are not given in a namespace, in their order."""
    return [rule for rule, yes in allowed(api, rules, namespace).items() if not yes]


def _gives(given: Mapping[str, Any], rule: Rule) -> bool:
    def holds(field: str, *values: str) -> bool:
        return any(value in (given.get(field) or ()) for value in ("*", *values))

    _, slash, subresource = rule.resource.partition("/")
    any_of_kind = (f"*/{subresource}",) if slash else ()
    return (
        holds("verbs", rule.verb) and holds("apiGroups", rule.group) and holds("resources", rule.resource, *any_of_kind)
    )


def _asked(api: Api, rule: Rule, namespace: str) -> bool:
    resource, _, subresource = rule.resource.partition("/")
    attributes = {
        "namespace": namespace,
        "verb": rule.verb,
        "group": rule.group,
        "resource": resource,
        "subresource": subresource,
    }
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    found = api.request("POST", f"{_REVIEWS}/selfsubjectaccessreviews", body=body, repeat=True)
    return found["status"].get("allowed") is True


def smallest_role(name: str, namespace: str, rules: Iterable[Rule]) -> dict[str, Any]:
    """Return the Role that gives these rules and nothing else, as few and as sorted as it can be.

    Resources of one group that need the same verbs share a rule.
    """
    verbs: dict[tuple[str, str], set[str]] = defaultdict(set)
    for rule in rules:
        verbs[rule.group, rule.resource].add(rule.verb)
    resources: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for (group, resource), needed in sorted(verbs.items()):
        resources[group, tuple(sorted(needed))].append(resource)
    return {
        "apiVersion": ROLE.api_version,
        "kind": ROLE.kind,
        "metadata": {"name": name, "namespace": namespace},
        "rules": [
            {"apiGroups": [group], "resources": names, "verbs": list(needed)}
            for (group, needed), names in sorted(resources.items())
        ],
    }
