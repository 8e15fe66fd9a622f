"""A context on the testbed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fairlead.specs.contexts import Context


@pytest.fixture(scope="session")
def cluster_context() -> Context:
    """Return the context of the running testbed."""
    state = Path("/var/lib/fairlead-testbed")
    return Context(
        name="testbed", kubeconfig=str(state / "admin.kubeconfig"), kube_context="testbed", namespace="fairlead",
        store="s3://fairlead/store", store_secret="fairlead-store", store_env=str(state / "store.env"),
        service_account="fairlead-worker", driver_service_account="fairlead-driver",
        image=os.environ["EX"], worker_image=os.environ["WK"], user=65532,
    )  # fmt: skip
