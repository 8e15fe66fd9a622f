"""The local engine, held to what every engine promises."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("fairlead.testing.engines")
from engines.declared import LOCAL  # noqa: E402
from engines.local.driving import LocalLaunch  # noqa: E402
from fairlead.testing.engines import EngineContract  # noqa: E402  # rewritten first


class TestLocalEngine(EngineContract):
    differences = LOCAL["differences"]
    elsewhere = LOCAL["elsewhere"]

    @pytest.fixture
    def launch(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
        with LocalLaunch(tmp_path / "home", capsys) as launch:
            yield launch
