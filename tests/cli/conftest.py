"""Finished runs, and the command line called in this very process."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.cli.main import call
from finished import FLOW, Called, Command, Finished
from projects import Project


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    project = Project(tmp_path_factory.mktemp("finished"), {"flow.py": FLOW})
    first, again = (project.document("run", "flow.py:good", "--label", f"try={number}")["run"] for number in (1, 2))
    return Finished(project, first, again, project.document("run", "flow.py:bad", code=1)["run"])


@pytest.fixture
def command(finished: Finished, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Command:
    """Call ``fairlead`` in this process, on the finished runs or in another home."""
    for name in ("FAIRLEAD_STORE", "FAIRLEAD_INDEX", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, home: Any = finished.project.home) -> Called:
        monkeypatch.setenv("FAIRLEAD_HOME", str(home))
        code = call(arguments)
        captured = capsysbinary.readouterr()
        return Called(code, captured.out.decode(errors="surrogateescape"), captured.err.decode())

    return run
