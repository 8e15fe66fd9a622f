"""Creating objects so that each exists once, whenever the client dies or an answer is lost.

Names are functions of run and generation. Whoever finds a name taken reads what has it: the same run and digest is
one's own object, made by an attempt whose answer never came; anything else is refused.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from fairlead.errors import ClusterError, UsageError
from fairlead.kube.client import Client
from fairlead.kube.failures import AlreadyExists, NotFound, UnclearOutcome
from fairlead.kube.resources import (
    CONFIG_MAP,
    JOB,
    PERSISTENT_VOLUME_CLAIM,
    RESOURCE_CLAIM_TEMPLATE,
    SERVICE,
    Kind,
)
from fairlead.targets.flow_table import FLOWS
from fairlead.targets.naming import ORDER
from fairlead.targets.orders import Manifest
from fairlead.targets.training.gang_scheduling import GROUPS
from fairlead.targets.training.table import targets

_RUNS = {Kind(*each.resource): each.component for each in FLOWS.values()}
_OWN = (CONFIG_MAP, JOB, PERSISTENT_VOLUME_CLAIM, RESOURCE_CLAIM_TEMPLATE, SERVICE, *_RUNS)
_COMPONENTS = {**_RUNS, RESOURCE_CLAIM_TEMPLATE: "Kubernetes 1.34 or newer"}
_TRIES = 3


def kind_of(manifest: Manifest) -> Kind:
    """Return the kind of one of the objects that runs are made of."""
    return _kinds()[manifest["apiVersion"], manifest["kind"]]


def create(client: Client, manifest: Manifest) -> dict[str, Any]:
    """Create an object, or adopt the one that an earlier try has made.

    Raises:
        UsageError: The cluster does not serve its kind; says which component to install.
        ClusterError: The name is taken by something else, or the server refuses or can't be reached.
    """
    kind = kind_of(manifest)
    name = manifest["metadata"]["name"]
    for attempt in range(_TRIES):
        try:
            return client.create(kind, manifest)
        except AlreadyExists:
            return _adopt(client, kind, manifest)
        except UnclearOutcome:
            found = _find(client, kind, manifest)
            if found is not None:
                return _checked(found, manifest)
            if attempt == _TRIES - 1:
                raise
        except NotFound as error:
            if error.is_served:
                raise
            raise _absent(kind) from error
    raise AssertionError(name)


def _adopt(client: Client, kind: Kind, manifest: Manifest) -> dict[str, Any]:
    found = _find(client, kind, manifest)
    if found is None:
        raise ClusterError(
            f"{kind.kind} {manifest['metadata']['name']} was deleted while it was being created",
            next="submit it once more",
        )
    return _checked(found, manifest)


def _find(client: Client, kind: Kind, manifest: Manifest) -> dict[str, Any] | None:
    meta = manifest["metadata"]
    try:
        return client.get(kind, meta["name"], namespace=meta["namespace"], metadata_only=True)
    except NotFound:
        return None


def _checked(found: dict[str, Any], manifest: Manifest) -> dict[str, Any]:
    wanted = manifest["metadata"]["annotations"][ORDER]
    has = found["metadata"].get("annotations", {}).get(ORDER)
    if has != wanted:
        meta = manifest["metadata"]
        raise ClusterError(
            f"cannot create {manifest['kind']} {meta['name']}",
            where=f"namespace {meta['namespace']}",
            why="the name is taken by an object that was made of something else",
            next=f"look at it: kubectl -n {meta['namespace']} get {manifest['kind'].lower()} {meta['name']} -o yaml",
        )
    return found


@cache
def _kinds() -> dict[tuple[str, str], Kind]:
    """Return the kinds by their versions and names; more than one component may have a name."""
    gangs = [*GROUPS, *(each for target in targets().values() for each in target.resources)]
    return {(each.api_version, each.kind): each for each in (*_OWN, *(Kind(*each) for each in gangs))}


def _absent(kind: Kind) -> UsageError:
    components = {target.awaited: target.component for target in targets().values()} | GROUPS
    named = {Kind(*each): component for each, component in components.items()}
    component = named.get(kind, _COMPONENTS.get(kind, kind.group))
    return UsageError(
        f"the cluster has no {kind.kind}",
        why=f"it does not serve {kind.api_version}",
        next=f"install {component} there, or choose another context: fairlead context ls",
    )
