"""The job that builds an image of a lock: its bytes, what of it a cluster must admit, and what it keeps out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import msgspec
import pytest

from fairlead.kube.client import Client
from fairlead.kube.failures import AlreadyExists
from fairlead.kube.resources import CONFIG_MAP, JOB, NAMESPACE, POD
from fairlead.specs.requirements import read_requirements
from fairlead.targets.image_build import ImageBuild, containerfile, render
from servers.apiserver import ApiServer
from targets.goldens import CONTEXT, REPOSITORY, compare, golden

FILE = REPOSITORY / "tests/targets/flows/packages/flow.py"
LOCK = read_requirements(FILE.with_name("requirements.txt").read_text("utf-8").splitlines())
BUILD = ImageBuild(LOCK, "registry.example/python:3.12", "registry.example/team/work:1", "push")
IN_CONTEXT = msgspec.structs.replace(CONTEXT, pip_secret="index")


def test_a_lock_compiles_to_the_objects_beside_it() -> None:
    compare(golden(FILE, "image_build"), render(BUILD, IN_CONTEXT, "builds", "1f"))


def test_what_a_lock_says_decides_how_pip_is_called() -> None:
    assert "--require-hashes --only-binary=:all: -r" in containerfile(BUILD, IN_CONTEXT)
    plain = BUILD._replace(lock=read_requirements(["a==1", "--no-binary=a"]))
    assert "--require-hashes" not in containerfile(plain, IN_CONTEXT)
    assert "--only-binary" not in containerfile(plain, IN_CONTEXT)


def test_the_image_runs_as_the_user_of_the_context() -> None:
    assert containerfile(BUILD, IN_CONTEXT).endswith("\nUSER 65532:65532\n")
    own = msgspec.structs.replace(IN_CONTEXT, user=1234)
    assert containerfile(BUILD, own).endswith("\nUSER 1234:1234\n")


@pytest.fixture(scope="module")
def cluster(api_server: ApiServer) -> Iterator[Client]:
    """An API server with a namespace that admits everything, and one that enforces ``baseline``."""
    client = Client(api_server.connection(namespace="builds"))
    for name, level in (("builds", "privileged"), ("held", "baseline")):
        labels = {"pod-security.kubernetes.io/enforce": level}
        with suppress(AlreadyExists):
            client.create(NAMESPACE, {"metadata": {"name": name, "labels": labels}})
    yield client


@pytest.mark.apiserver
def test_a_real_api_server_admits_it_where_baseline_is_not_enforced(cluster: Client) -> None:
    config, job = render(BUILD, IN_CONTEXT, "builds", "1f")
    assert cluster.create(CONFIG_MAP, config, dry_run=True)["immutable"] is True
    assert cluster.create(JOB, job, dry_run=True)["spec"]["backoffLimit"] == 0
    pod = {"metadata": {"generateName": "p-"}, "spec": job["spec"]["template"]["spec"]}
    cluster.create(POD, pod, namespace="builds", dry_run=True)
    with pytest.raises(Exception, match="violates PodSecurity"):
        cluster.create(POD, pod, namespace="held", dry_run=True)
