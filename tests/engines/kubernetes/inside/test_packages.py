"""The packages of a driver's calls, on a real API server: one job for each lock and image, and none that is needless."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

import pytest

from fairlead.engines.kubernetes.inside import packages
from fairlead.engines.kubernetes.inside.packages import Packages
from fairlead.kube.client import Client
from fairlead.kube.failures import AlreadyExists
from fairlead.kube.resources import JOB, NAMESPACE
from fairlead.specs.contexts import Context, Submission
from fairlead.specs.steps import Environment, FunctionStep
from fairlead.specs.values import Ref
from fairlead.store.backends import Folder
from fairlead.store.layers import Layer, enter_layer, note_platform
from fairlead.store.layout import object_key
from fairlead.store.progress import Instance
from servers.apiserver import ApiServer

pytestmark = pytest.mark.apiserver

CONTEXT = Context(name="c", store="s3://b/p", image="image:1", worker_image="worker:1")
ENDED = {
    "startTime": "2026-11-26T12:00:00Z",
    "completionTime": "2026-11-26T12:00:01Z",
    "conditions": [
        {"type": kind, "status": "True", "lastTransitionTime": "2026-11-26T12:00:01Z"}
        for kind in ("SuccessCriteriaMet", "Complete")
    ],
}


class Place:
    """A namespace, a store, and the packages of a driver there."""

    def __init__(self, client: Client, namespace: str, folder: Path) -> None:
        self.client, self.namespace, self.backend = client, namespace, Folder(folder)
        submission = Submission(run="20261126-120000-abcde", flow="f", context=CONTEXT, namespace=namespace)
        self.packages = Packages(client, self.backend, submission)

    def are_there(self, index: int, *required: str, image: str | None = None) -> bool:
        step = FunctionStep(name="called", function="m:called", environment=Environment(packages=required, image=image))
        return self.packages.are_there(Instance("called", index, step))

    def jobs(self) -> list[str]:
        return [each["metadata"]["name"] for each in self.client.list(JOB, namespace=self.namespace).items]


@pytest.fixture
def place(
    api_server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Place:
    namespace = "packages-" + hashlib.sha256(request.node.name.encode()).hexdigest()[:8]
    client = Client(api_server.connection(namespace=namespace))
    with suppress(AlreadyExists):
        client.create(NAMESPACE, {"metadata": {"name": namespace}})
    monkeypatch.setenv("FAIRLEAD_POD", "driver")
    monkeypatch.setenv("FAIRLEAD_POD_UID", "9a4d7e0e-0000-4000-8000-000000000000")
    monkeypatch.setattr(packages, "LOOK_S", 0.0)
    return Place(client, namespace, tmp_path)


def test_the_first_call_has_them_installed_and_all_wait_until_that_has_ended(place: Place) -> None:
    assert not place.are_there(0, "a==1", "b==2")
    assert not place.are_there(1, "b == 2", "A==1")
    (job,) = place.jobs()
    assert not place.are_there(2, "a==1", image="other:1")
    assert len(place.jobs()) == 2
    place.client.patch(JOB, job, {"status": ENDED}, namespace=place.namespace, subresource="status")
    assert place.are_there(1, "a==1", "b==2")
    assert not place.are_there(2, "a==1", image="other:1")
    assert len(place.jobs()) == 2


def test_a_driver_that_is_started_again_finds_its_job(place: Place, tmp_path: Path) -> None:
    assert not place.are_there(0, "a==1")
    again = Place(place.client, place.namespace, tmp_path)
    assert not again.are_there(0, "a==1")
    assert len(place.jobs()) == 1


def test_none_is_made_for_what_is_in_the_store_or_not_declared(place: Place) -> None:
    lock = Environment(packages=("a==1",)).locked
    assert lock is not None
    archive = Ref(digest="0" * 64, format="packages", size_bytes=1)
    place.backend.put(object_key(archive.digest), b"1")
    enter_layer(place.backend, Layer(lock=lock, platform="here", archive=archive, created=1.0))
    note_platform(place.backend, "image:1", "here")
    assert place.are_there(0, "a==1")
    assert place.are_there(1)
    assert place.jobs() == []
