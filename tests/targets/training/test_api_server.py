"""A real API server accepts what every target compiles to, by the definitions of the components that have its kinds.

The definitions lie beside the clone, ``shared/crds/*/GROUP_PLURAL.yaml``, or
``KIND.yaml`` as some projects name theirs; a target is held as soon as they are there.
"""

from __future__ import annotations

import gzip
from contextlib import suppress
from typing import Any

import pytest
import yaml

from fairlead.kube.client import Client
from fairlead.kube.failures import AlreadyExists
from fairlead.kube.resources import NAMESPACE, POD, Kind
from fairlead.targets.training.dask_cluster import CLUSTER as DASK_CLUSTER
from fairlead.targets.training.gang_scheduling import GROUPS
from fairlead.targets.training.ray_cluster import CLUSTER as RAY_CLUSTER
from fairlead.targets.training.table import targets
from fairlead.targets.training.target import Resource, Target
from kube.cluster import serving
from servers.apiserver import ApiServer
from targets.goldens import REPOSITORY, golden, read
from targets.training.gangs import FLOW, compiled, templates
from targets.training.test_gang_scheduling import PLACES
from targets.training.test_standing_clusters import cluster_of

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(600)]

DEFINITIONS = REPOSITORY.parent / "shared/crds"


@pytest.fixture(scope="module")
def client(api_server: ApiServer) -> Client:
    """The namespace of the gangs, in which ``restricted`` is enforced."""
    client = Client(api_server.connection(namespace="ml"))
    with suppress(AlreadyExists):
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        client.create(NAMESPACE, {"metadata": {"name": "ml", "labels": labels}})
    return client


@pytest.mark.parametrize("target", targets().values(), ids=lambda target: target.name)
def test_the_api_server_accepts_every_object_strictly_and_admits_its_pods(target: Target, client: Client) -> None:
    _accepted(client, compiled(target))
    _admitted(client, templates(compiled(target)))


@pytest.mark.parametrize("name", PLACES)
def test_the_api_server_accepts_gangs_that_a_scheduler_places_whole(name: str, client: Client) -> None:
    _accepted(client, read(golden(FLOW, f"gangs_{name}")))


@pytest.mark.parametrize(("kind", "resource"), [("RayCluster", RAY_CLUSTER), ("DaskCluster", DASK_CLUSTER)])
def test_the_api_server_accepts_clusters_that_stand(kind: str, resource: Resource, client: Client) -> None:
    made = cluster_of(kind)
    with serving(client, {_kind(resource): definition(_kind(resource))}):
        assert client.create(_kind(resource), made, dry_run=True)["metadata"]["name"] == "shared"
    _admitted(client, templates(made))


def _admitted(client: Client, found: list[dict[str, Any]]) -> None:
    for template in found:
        spec = {key: value for key, value in template["spec"].items() if key != "priorityClassName"}
        metadata = {**template["metadata"], "generateName": "p-"}
        client.create(POD, {"metadata": metadata, "spec": spec}, dry_run=True)


def _accepted(client: Client, manifests: list[dict[str, Any]]) -> None:
    known = [*GROUPS, *(each for target in targets().values() for each in target.resources)]
    made = {(each["apiVersion"], each["kind"]) for each in manifests}
    kinds = {(each.api_version, each.kind): _kind(each) for each in known if (each.api_version, each.kind) in made}
    for named, kind in kinds.items():  # one by one: two components have an MPIJob, and one definition is served
        with serving(client, {kind: definition(kind)} if "." in kind.group else {}):
            for manifest in manifests:
                if (manifest["apiVersion"], manifest["kind"]) == named:
                    accepted = client.create(kind, manifest, dry_run=True)
                    assert accepted["metadata"]["name"] == manifest["metadata"]["name"]


def definition(kind: Kind) -> dict[str, Any]:
    """Return the definition that has a kind in its version; more than one component may have its name."""
    named = f"{kind.group}_{kind.plural}.yaml"
    names = (named, f"{named}.gz", f"{kind.kind.lower()}.yaml")
    for path in sorted(path for name in names for path in DEFINITIONS.glob(f"*/{name}")):
        text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        found: dict[str, Any] = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        if any(each["name"] == kind.version and each["served"] for each in found["spec"]["versions"]):
            return found
    pytest.skip(f"the definition of {kind} is not beside the clone: shared/crds/*/{named}")


def _kind(resource: Any) -> Kind:
    return Kind(*resource)
