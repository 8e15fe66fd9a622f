"""Fixtures that give tests a real server.

On CI (``CI=true``) a server that cannot be had fails the test; elsewhere the test is skipped with a line
that says what to install.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import NoReturn, TypeVar

import pytest

from testbed.simulation import Simulation, simulated

from . import apiserver, minio, postgres
from . import cluster as clusters
from .processes import Unavailable

_Server = TypeVar("_Server")


def start_or_skip(start: Callable[[], _Server]) -> _Server:
    """Start a server, or say in one line why not."""
    try:
        return start()
    except Unavailable as missing:
        _give_up(str(missing))


def _give_up(why: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why.splitlines()[0])


@pytest.fixture(scope="session")
def s3_store_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of an empty bucket on a real S3 server, whose endpoint and keys are in the environment."""
    server = start_or_skip(lambda: minio.start(tmp_path_factory.mktemp("minio")))
    with pytest.MonkeyPatch.context() as environment:
        for name, value in server.environment.items():
            environment.setenv(name, value)
        yield server.url
    minio.end(server)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Return the URL of an empty database on a real PostgreSQL server."""
    server = start_or_skip(postgres.start)
    yield server.url
    postgres.end(server)


@pytest.fixture(scope="session")
def api_server() -> Iterator[apiserver.ApiServer]:
    """Return a real kube-apiserver with etcd, for tests that are marked ``apiserver``."""
    server = start_or_skip(apiserver.start)
    yield server
    apiserver.end(server)


@pytest.fixture(scope="session")
def cluster() -> clusters.Cluster:
    """Return the cluster that is up: the testbed, or the one that FAIRLEAD_TEST_KUBECONFIG names."""
    return start_or_skip(clusters.find)


@pytest.fixture(scope="session")
def simulation(cluster: clusters.Cluster) -> Iterator[Simulation]:
    """Return simulated nodes beside the cluster's own, for tests that are marked ``components``."""
    with simulated(cluster.kubeconfig, nodes=3) as running:
        yield running
