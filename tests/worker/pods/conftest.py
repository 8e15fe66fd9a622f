"""Runs in pods that are processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.pods.running import PodLaunch


@pytest.fixture
def launch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PodLaunch:
    """Runs flows in a home of the test's own."""
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
    return PodLaunch(tmp_path)
