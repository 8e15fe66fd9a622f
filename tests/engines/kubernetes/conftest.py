"""Contexts on the cluster that is up."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import msgspec
import pytest

from fairlead.kube.client import Client
from fairlead.kube.connecting import connect
from fairlead.runs import contexts
from fairlead.runs.home import home
from fairlead.specs.contexts import Context
from fairlead.store.opened import Store
from servers.cluster import Cluster
from testbed import images, worker


@pytest.fixture(scope="session")
def cluster_context(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Context:
    """Return a context of the cluster, with this checkout's worker and an image that has what the examples import."""
    environment = tmp_path_factory.mktemp("store") / "env"
    environment.write_text("".join(f"{name}={value}\n" for name, value in cluster.store_environment.items()))
    environment.chmod(0o600)
    return Context(
        name="testbed",
        kubeconfig=str(cluster.kubeconfig),
        namespace=cluster.namespace,
        store=f"s3://{cluster.bucket}/tests",
        store_secret=cluster.store_secret,
        store_env=str(environment),
        service_account=cluster.worker_account,
        driver_service_account=cluster.driver_account,
        image=os.environ.get("FAIRLEAD_TEST_IMAGE") or worker.examples(),
        worker_image=os.environ.get("FAIRLEAD_TEST_WORKER_IMAGE") or worker.worker(),
        delivery=cluster.delivery,
        user=images.USER,
        labels={"fairlead.dev/tests": "true"},
    )


@pytest.fixture
def registered(tmp_path, monkeypatch, cluster_context) -> Context:
    """Register the context with a store of the test's own, and choose it."""
    context = msgspec.structs.replace(cluster_context, store=f"{cluster_context.store}/{uuid.uuid4().hex[:12]}")
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FAIRLEAD_CONTEXT", context.name)
    for name, value in contexts.store_variables(context).items():
        monkeypatch.setenv(name, value)
    contexts.add(context)
    return context


@pytest.fixture
def store(registered: Context) -> Store:
    """Open the store of the registered context."""
    return Store(registered.store, home() / "host")


@pytest.fixture
def client(registered: Context) -> Client:
    """Connect to the cluster of the registered context."""
    return Client(connect(registered.kube_context, kubeconfig=registered.kubeconfig, namespace=registered.namespace))


@pytest.fixture
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return the file of the test module's flows, ``FLOW``, in a project of its own, with its ``HELPER``.

    ``@IMAGE@`` in it stands for the module's fixture ``image``.
    """
    project, flow = tmp_path / "project", request.module.FLOW
    if "@IMAGE@" in flow:
        flow = flow.replace("@IMAGE@", request.getfixturevalue("image"))
    project.mkdir()
    (project / "pyproject.toml").touch()
    if hasattr(request.module, "HELPER"):
        (project / "helper.py").write_text(request.module.HELPER)
    (project / "flow.py").write_text(flow)
    return project / "flow.py"
