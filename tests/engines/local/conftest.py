"""Fixtures of the tests of faults."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engines.local.driving import Bench, LocalLaunch


@pytest.fixture
def bench(tmp_path, monkeypatch, capsys) -> Bench:
    """Return a home, a file of flows and what counts executions, and leave no process behind."""
    project = tmp_path / "project"
    project.mkdir()
    file = shutil.copyfile(Path(__file__).with_name("flows.py"), project / "fault_flows.py")
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EXECUTIONS", str(tmp_path / "executions"))
    with LocalLaunch(tmp_path / "home", capsys) as launch:
        yield Bench(tmp_path, Path(file), launch)
