"""The Kubernetes engine on a real cluster, held to what every engine promises: the same suite as the local one."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("fairlead.testing.engines")
from engines.declared import KUBERNETES  # noqa: E402
from engines.local.driving import LocalLaunch  # noqa: E402
from fairlead.runs.home import home  # noqa: E402
from fairlead.store.opened import Store  # noqa: E402
from fairlead.testing.engines import EngineContract  # noqa: E402  # rewritten first

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


class TestKubernetesEngine(EngineContract):
    differences = KUBERNETES["differences"]
    elsewhere = KUBERNETES["elsewhere"]

    @pytest.fixture
    def launch(self, registered, capsys):
        with LocalLaunch(home(), capsys, Store(registered.store, home() / "host"), patience_s=300) as launch:
            yield launch
