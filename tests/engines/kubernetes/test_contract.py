"""The Kubernetes engine on a real cluster, held to what every engine promises: the same file as for the local one."""

from __future__ import annotations

import os
import uuid

import pytest

pytest.register_assert_rewrite("fairlead.testing.engines")
from engines.local.driving import LocalLaunch  # noqa: E402
from fairlead.runs import contexts  # noqa: E402
from fairlead.store.opened import Store  # noqa: E402
from fairlead.testing.engines import EngineContract  # noqa: E402  # rewritten first

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


class TestKubernetesEngine(EngineContract):
    @pytest.fixture
    def launch(self, tmp_path, monkeypatch, capsys, cluster_context):
        """Runs by the command line, in a store of the test's own."""
        home = tmp_path / "home"
        monkeypatch.setenv("FAIRLEAD_HOME", str(home))
        monkeypatch.setenv("FAIRLEAD_CONTEXT", cluster_context.name)
        url = f"s3://fairlead/tests/{uuid.uuid4().hex[:12]}"
        context = type(cluster_context)(
            **{**{f: getattr(cluster_context, f) for f in cluster_context.__struct_fields__}, "store": url}
        )
        contexts.add(context)
        for name, value in contexts.store_variables(context).items():
            monkeypatch.setenv(name, value)
        with LocalLaunch(home, capsys, Store(url, home / "host")) as launch:
            yield launch
