"""The local engine, held to what every engine promises."""

from __future__ import annotations

import pytest
from engines.local.driving import LocalLaunch

from fairlead.testing.engines import EngineContract


class TestLocalEngine(EngineContract):
    @pytest.fixture
    def launch(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
        with LocalLaunch(tmp_path / "home", capsys) as launch:
            yield launch
