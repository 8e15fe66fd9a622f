"""Which kinds a cluster serves, in which versions. Asked once for each client, and again after `forget`.

Source: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from fairlead.kube.api import Api
from fairlead.kube.failures import NotFound
from fairlead.kube.resources import Kind

_AGGREGATED = ",".join(
    [f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList" for version in ("v2", "v2beta1")]
    + ["application/json"]
)


class Discovery:
    """Knows what one cluster serves. Threads share it.

    A server since Kubernetes 1.27 tells all groups in one answer; an older one is asked about each group that
    somebody wants to know about.

    Args:
        api: The cluster.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._lock = threading.Lock()
        self._versions: dict[str, Sequence[str]] | None = None
        self._kinds: dict[tuple[str, str], Sequence[Kind]] = {}

    def served(self, kind: Kind) -> tuple[str, ...]:
        """Return the versions in which a kind is served, the server's favourite first; empty where it is absent."""
        return tuple(version for version in self._versions_of(kind.group) if self._find(kind, version))

    def serves(self, kind: Kind) -> bool:
        """Say whether a kind is served in the very version that it has."""
        return self._find(kind, kind.version) is not None

    def best(self, kind: Kind) -> Kind | None:
        """Return a kind in its own version where that is served, else in the server's favourite; None if absent."""
        served = self.served(kind)
        return kind if kind.version in served else kind.at(served[0]) if served else None

    def find(self, group: str, kind: str) -> Kind | None:
        """Return a kind by the name that a manifest has, in the server's favourite version; None if absent."""
        for version in self._versions_of(group):
            for each in self._kinds_of(group, version):
                if each.kind == kind:
                    return each
        return None

    def groups(self) -> Mapping[str, Sequence[str]]:
        """Return the versions of every group that is served, the favourite first; the core's name is empty."""
        with self._lock:
            if self._versions is None:
                self._versions = self._ask()
            return self._versions

    def forget(self) -> None:
        """Ask again: a component may have been installed."""
        with self._lock:
            self._versions = None
            self._kinds.clear()

    def _versions_of(self, group: str) -> Sequence[str]:
        return self.groups().get(group, ())

    def _find(self, kind: Kind, version: str) -> Kind | None:
        if version not in self._versions_of(kind.group):
            return None
        return next((each for each in self._kinds_of(kind.group, version) if each.plural == kind.plural), None)

    def _kinds_of(self, group: str, version: str) -> Sequence[Kind]:
        with self._lock:
            if (group, version) not in self._kinds:
                self._kinds[group, version] = self._ask_group(group, version)
            return self._kinds[group, version]

    def _ask(self) -> dict[str, Sequence[str]]:
        versions: dict[str, Sequence[str]] = {}
        for path in ("/api", "/apis"):
            found = self._api.request("GET", path, accept=_AGGREGATED)
            if found.get("kind") == "APIGroupDiscoveryList":
                versions |= self._keep(found)
            elif path == "/api":
                versions[""] = found.get("versions", ())
            else:
                versions |= {each["name"]: _favourite_first(each) for each in found.get("groups") or ()}
        return versions

    def _keep(self, found: dict[str, Any]) -> dict[str, Sequence[str]]:
        versions: dict[str, Sequence[str]] = {}
        for item in found.get("items") or ():
            group = item["metadata"].get("name", "")
            versions[group] = [each["version"] for each in item["versions"]]
            for each in item["versions"]:
                if each.get("freshness", "Current") == "Current":
                    self._kinds[group, each["version"]] = [*_aggregated(group, each)]
        return versions

    def _ask_group(self, group: str, version: str) -> Sequence[Kind]:
        found: dict[str, Any] = {}
        with suppress(NotFound):  # it has gone since the groups were listed
            found = self._api.request("GET", f"/apis/{group}/{version}" if group else f"/api/{version}")
        return [
            Kind(group, version, each["kind"], each["name"], each["namespaced"])
            for each in found.get("resources") or ()
            if "/" not in each["name"]
        ]


def _favourite_first(group: dict[str, Any]) -> list[str]:
    favourite = group.get("preferredVersion", {}).get("version", "")
    versions = [each["version"] for each in group["versions"]]
    return sorted(versions, key=lambda version: version != favourite)


def _aggregated(group: str, version: dict[str, Any]) -> Iterator[Kind]:
    for each in version.get("resources") or ():
        kind = (each.get("responseKind") or {}).get("kind", "")
        if kind:
            yield Kind(group, version["version"], kind, each["resource"], each["scope"] == "Namespaced")
